"""The hand-out of a shared lab, what `lab join` makes of it, and what lessons cannot do to a lab that others use."""

from __future__ import annotations

import ast
import re
import socket
import ssl
from pathlib import Path

import nbformat
import pytest
import trustme

from helpers.errors import ConfigurationError
from helpers.lab import env_file
from helpers.lab.runtime.program import Instance, Listener
from helpers.lab.services.influxdb import InfluxEndpoint
from helpers.lab.services.mqtt import MqttEndpoint
from helpers.lab.settings import Settings
from helpers.lab.shared import join as joining, share as sharing
from helpers.lessons import LESSONS

VARIABLES = {
    "LAB_MQTT_HOST": "192.0.2.7",
    "LAB_MQTT_PORT": "8883",
    "LAB_KAFKA_BOOTSTRAP_SERVERS": "192.0.2.7:9094",
    "LAB_REGISTRY_URL": "https://192.0.2.7:8443/apis/ccompat/v7",
    "LAB_INFLUXDB_URL": "https://192.0.2.7:8087",
}
LOGIN = {f"LAB_{name}_USERNAME": "workshop" for name in ("MQTT", "KAFKA", "REGISTRY", "INFLUXDB")}
LOGIN |= {key.replace("USERNAME", "PASSWORD"): "hunter2" for key in LOGIN}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    certificate = trustme.CA().cert_pem.bytes().decode()
    path = tmp_path / "a stick" / "workshop.env"
    env_file.write(path, VARIABLES | LOGIN, certificate, comment="Two lines\nof comment")
    return path


def test_what_is_handed_out_can_be_read_again(file: Path) -> None:
    variables, certificate = env_file.read(file)
    assert {key: variables[key] for key in VARIABLES | LOGIN} == VARIABLES | LOGIN
    assert certificate.startswith("-----BEGIN CERTIFICATE-----")
    trusts = {key for key in variables if key.endswith("_CA")}
    assert trusts == {"LAB_MQTT_CA", "LAB_KAFKA_CA", "LAB_REGISTRY_CA", "LAB_INFLUXDB_CA"}
    assert not list(file.parent.glob("*.draft"))


def test_the_file_is_an_authority_to_trust(file: Path) -> None:
    assert len(ssl.create_default_context(cafile=str(file)).get_ca_certs()) == 1
    given = Settings.from_environment({**env_file.read(file)[0], "LAB_NAMESPACE": "ana"}).external
    assert isinstance(given["influxdb"], InfluxEndpoint)
    assert given["influxdb"].tls
    assert isinstance(given["mqtt"], MqttEndpoint)
    assert given["mqtt"].tls == {"ca_certs": str(file)}


@pytest.mark.parametrize("content", [None, b"", b"LAB_MQTT_HOST=a", b"\xff\xfe", b"a=b\n-----BEGIN CERTIFICATE-----\n"])
def test_what_is_no_hand_out_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "x.env"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"x\.env") as caught:
        joining.join(file, "ana", environ={"LAB_HOME": str(tmp_path)})
    assert "handed out" in caught.value.remedy


@pytest.mark.parametrize("line", ["LAB_CACHE=/elsewhere", "LAB_HOME=/elsewhere", "LAB_PORTS=any"])
def test_a_hand_out_says_where_services_are_and_nothing_else(file: Path, tmp_path: Path, line: str) -> None:
    file.write_text(f"{line}\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not the hand-out"):
        joining.join(file, "ana", environ={"LAB_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "missing"),
        ("Ana", "not a valid namespace"),
        ("an-a", "not a valid namespace"),
        ("2ana", "not a valid namespace"),
        ("log", "word"),
    ],
)
def test_a_name_that_cannot_be_is_refused_before_anything_is_contacted(
    file: Path, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        joining.join(file, name, environ={"LAB_HOME": str(tmp_path)})
    assert caught.value.setting == "--name"
    assert not Settings.from_environment({"LAB_HOME": str(tmp_path)}).joined


@pytest.mark.parametrize(
    "word", sorted({word for lesson in LESSONS.values() for word in lesson.owns if word.isalpha()})
)
def test_a_lessons_word_is_no_namespace(word: str) -> None:
    with pytest.raises(ConfigurationError, match="a word that a lesson uses"):
        Settings.from_environment({"LAB_NAMESPACE": word})


def test_what_was_joined_is_used_and_the_environment_has_the_last_word(file: Path, tmp_path: Path) -> None:
    home = {"LAB_HOME": str(tmp_path)}
    variables, certificate = env_file.read(file)
    kept = {key: value for key, value in variables.items() if not key.endswith("_CA")}
    env_file.write(tmp_path / "joined.env", {**kept, "LAB_NAMESPACE": "ana"}, certificate, comment="stored")
    settings = Settings.from_environment(home)
    assert (settings.joined, settings.ns, len(settings.external)) == (True, "ana-", 4)
    assert Settings.from_environment({**home, "LAB_NAMESPACE": "ben"}).ns == "ben-"
    assert Settings.from_environment({**home, "LAB_NAMESPACE": ""}).ns == "ana-"
    with pytest.raises(ConfigurationError, match="lab leave"):
        joining.join(file, "ana", environ=home)


def test_services_of_ones_own_choice_are_not_put_aside(file: Path, tmp_path: Path) -> None:
    env = {"LAB_HOME": str(tmp_path), "LAB_MQTT_HOST": "broker.example", "LAB_NAMESPACE": "ana"}
    with pytest.raises(ConfigurationError, match="Unset the LAB_"):
        joining.join(file, "ana", environ=env)


def test_an_instance_without_a_listener_for_others_has_none(tmp_path: Path) -> None:
    alone = Instance(folder=tmp_path, cache=tmp_path, ports=(1883, 9093))
    listener = Listener(address="host.example", ip="192.0.2.7", port=9094, user="workshop", password="hunter2")
    shared = Instance(folder=tmp_path, cache=tmp_path, ports=(1883, 9093), listener=listener)
    for template in ("mosquitto.conf", "kafka.properties", "artemis.properties"):
        assert alone.shared(template) == ""
        assert "192.0.2.7" in shared.shared(template)
        assert "$" not in shared.shared(template)
    assert shared.shared("apicurio.properties") == ""
    assert "hunter2" not in repr(shared)


def test_the_password_and_the_authority_are_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    password = sharing._credentials(folder, "192.0.2.7")
    certificate, server = ((folder / name).read_bytes() for name in ("ca.pem", "server.pem"))
    assert sharing._credentials(folder, "192.0.2.8") == password
    assert (folder / "ca.pem").read_bytes() == certificate
    assert (folder / "server.pem").read_bytes() != server
    assert tmp_path.stat().st_mode & 0o077 == 0


def test_a_name_of_this_machine_that_others_cannot_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.1.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: own)
    with pytest.raises(ConfigurationError, match="at my-laptop") as caught:
        sharing._own_ip("my-laptop")
    assert "lab up --share" in caught.value.remedy or "network" in caught.value.remedy


# What a lesson may use of the lab. Nothing else tells where the brokers' processes are, or ends them: cells that break
# something do it to a scratch broker, a relay or a program of their own.
OF_HERE = {"ns", "mqtt", "kafka", "registry", "influxdb"}
OF_LAB = {"beside", "cluster", "connect", "scratch", "secured", "preflight"}
BY_FORCE = {"os.kill", "os.killpg", "psutil.process_iter", "psutil.pids"}


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=list(LESSONS))
def test_no_cell_can_injure_a_broker_that_others_use(lesson) -> None:
    cells = nbformat.read(lesson.path, as_version=4).cells
    # The first line of a cell that writes a file is no Python.
    sources = [re.sub(r"\A%%.*", "", each.source) for each in cells if each.cell_type == "code"]
    trees = [ast.parse(each) for each in sources]
    used = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    assert {each.attr for each in used if ast.unparse(each.value) == "here"} <= OF_HERE
    assert {each.attr for each in used if ast.unparse(each.value) == "lab"} <= OF_LAB
    assert not {ast.unparse(each) for each in used} & BY_FORCE
    imported = {each.module for tree in trees for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    assert not [each for each in imported if each and each.startswith("helpers.lab.")]
