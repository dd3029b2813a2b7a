"""``docker-compose.yml`` offers what the lab offers: the same services and ports, from the same configuration files."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from helpers.lab.runtime import java, program
from helpers.lab.runtime.artifacts import listed
from helpers.lab.runtime.program import CONF, Instance
from helpers.lab.services import kafka, registry
from helpers.lab.services.table import PROGRAMS, SERVICES
from helpers.paths import ROOT
from tests.notebooks.anatomy import lessons

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
ALL: dict[str, dict[str, Any]] = COMPOSE["services"]
CLUSTER = ["kafka-1", "kafka-2", "kafka-3"]


def plain(text: str) -> str:
    """``${KAFKA_PORT:-9092}`` as it is when nobody set the variable."""
    return re.sub(r"\$\{\w+:-(\w+)\}", r"\1", text)


def published(name: str) -> list[tuple[str, int, int]]:
    """A service's ports: address and port on the host, port in the container."""
    found = [plain(each).rsplit(":", 2) for each in ALL[name].get("ports", [])]
    return [(address, int(outside), int(inside)) for address, outside, inside in found]


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def as_properties(environment: dict[str, str]) -> dict[str, str]:
    """What the image makes of ``KAFKA_*`` variables."""
    return {
        key.removeprefix("KAFKA_").lower().replace("_", "."): plain(str(value))
        for key, value in environment.items()
        if key != "KAFKA_HEAP_OPTS"
    }


def mounted(name: str) -> list[Path]:
    return [Path(ROOT, each.split(":")[0]).resolve() for each in ALL[name].get("volumes", []) if each[0] == "."]


def test_the_services_without_a_profile_are_the_labs() -> None:
    assert {name for name, each in ALL.items() if "profiles" not in each} == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_on_the_labs_port_of_this_machine_only(name: str) -> None:
    assert [each[:2] for each in published(name)] == [("127.0.0.1", SERVICES[name].ports[0])]


def test_no_two_services_want_the_same_port() -> None:
    wanted = [(name, *each) for name in ALL for each in published(name)]
    assert {address for _, address, _, _ in wanted} == {"127.0.0.1"}
    ports = [outside for _, _, outside, _ in wanted]
    assert len(set(ports)) == len(ports)
    variables = [
        variable for each in ALL.values() for variable in re.findall(r"127\.0\.0\.1:\$\{(\w+_PORT)", str(each["ports"]))
    ]
    assert len(set(variables)) == len(variables) == len(ports)


@pytest.mark.parametrize("name", ALL)
def test_a_service_is_pinned_watched_and_modest(name: str) -> None:
    service = ALL[name]
    image = service.get("image") or re.findall(r"^FROM (.*)$", dockerfile(service), re.MULTILINE)[0]
    assert re.fullmatch(r"[\w/-]+:\d+\.\d+\.\d+(-[\w-]+)?", image)
    assert service["healthcheck"]["test"]
    assert service["mem_limit"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def dockerfile(service: dict[str, Any]) -> str:
    return Path(ROOT, service["build"]["dockerfile"]).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ALL)
def test_what_a_service_stores_is_in_a_volume_of_its_own(name: str) -> None:
    named = [each.split(":")[0] for each in ALL[name]["volumes"] if each[0] != "."]
    others = [each.split(":")[0] for other in ALL if other != name for each in ALL[other]["volumes"] if each[0] != "."]
    assert named
    assert set(named) <= set(COMPOSE["volumes"])
    assert not set(named) & set(others)


@pytest.mark.parametrize("name", ALL)
def test_what_is_mounted_is_there_and_read_only(name: str) -> None:
    assert all(path.exists() for path in mounted(name))
    writable = [each for each in ALL[name]["volumes"] if each[0] == "." and not each.endswith(":ro")]
    assert writable == (["./notebooks:/lessons/notebooks"] if name == "jupyter" else [])


@pytest.mark.parametrize(("name", "artifact"), [("kafka", "kafka_2.13"), ("registry", "apicurio-registry-app")])
def test_a_container_runs_the_version_that_the_lab_runs(name: str, artifact: str) -> None:
    versions = {each.version for each in listed() if each.name == artifact}
    assert {ALL[name]["image"].split(":")[1]} == versions


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mqtt", "mosquitto.conf"),
        *((name, "kafka.properties") for name in ("kafka", *CLUSTER)),
        ("registry", "apicurio.properties"),
        ("influxdb", "influxdb.conf"),
    ],
)
def test_a_container_reads_the_labs_configuration_file(name: str, file: str) -> None:
    assert (CONF / file).resolve() in mounted(name)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """Where a program of the lab's own would be prepared, on a machine that has every part."""
    monkeypatch.setattr(program, "on_path", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(java, "find", lambda: Path("/usr/bin/java"))
    monkeypatch.setattr(kafka, "_format", lambda *_: None)
    monkeypatch.setattr(registry.artifacts, "unpacked", lambda *_: tmp_path)
    return Instance(folder=tmp_path, cache=tmp_path, ports=(1, 2))


def added(instance: Instance, file: str) -> str:
    """What the lab adds to a configuration file."""
    return (instance.folder / file).read_text(encoding="utf-8").split("# Added by the lab.")[1]


def test_kafka_gets_from_compose_what_the_lab_adds_to_the_file(instance: Instance) -> None:
    command = PROGRAMS["kafka"].command(instance)
    own = properties(added(instance, "kafka.properties"))
    assert as_properties(ALL["kafka"]["environment"]).keys() == own.keys()
    heap = ALL["kafka"]["environment"]["KAFKA_HEAP_OPTS"].split()
    assert set(heap) <= set(command)


def test_the_registry_gets_from_compose_what_the_lab_adds_to_the_file(instance: Instance) -> None:
    command = PROGRAMS["apicurio"].command(instance)
    own = properties(added(instance, "apicurio.properties"))
    environment = ALL["registry"]["environment"]
    # Hosts and ports are the container's own, where nobody else wants them.
    assert [key for key in own if not key.startswith("quarkus.")] == ["apicurio.datasource.url"]
    assert environment["APICURIO_DATASOURCE_URL"].startswith("jdbc:h2:file:/data/")
    assert set(environment["JAVA_OPTS_APPEND"].split()) <= set(command)


def test_mosquitto_gets_in_a_container_what_the_lab_adds_to_the_file(instance: Instance) -> None:
    PROGRAMS["mosquitto"].command(instance)
    own = added(instance, "mosquitto.conf")
    inside = (CONF / "mosquitto.docker.conf").read_text(encoding="utf-8")
    settings = {line.split()[0] for line in inside.splitlines() if line and not line.startswith("#")}
    # The container's user is in docker-compose.yml.
    assert settings == {line.split()[0] for line in own.split("\n") if line} - {"user"} | {"include_dir"}


def test_jupyters_image_has_what_its_dockerfile_copies() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] == "!"}
    copied = re.findall(r"^COPY (.*) \S+$", dockerfile(ALL["jupyter"]), re.MULTILINE)
    assert {name for each in copied for name in each.split()} == allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_jupyters_user_may_write_wherever_a_lesson_does() -> None:
    [made] = re.findall(r"^RUN mkdir --mode=1777 (.*)$", dockerfile(ALL["jupyter"]), re.MULTILINE)
    volumes = {each.split(":")[1] for each in ALL["jupyter"]["volumes"] if each[0] != "."}
    assert {str(PurePosixPath("/lessons", each)) for each in made.split()} == volumes
    code = "".join(cell.source for each in lessons() for cell in each.cells if cell.cell_type == "code")
    assert {f"/lessons/{each}" for each in re.findall(r'\bROOT / "([^"]+)"', code)} <= volumes
    assert re.search(r"LAB_HOME=(/\w+)/", dockerfile(ALL["jupyter"]))[1] in volumes  # type: ignore[index]
