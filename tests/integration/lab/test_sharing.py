"""One lab for a room: others come in with TLS and the password only, and learners stay out of each other's way."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import trustme
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient

from helpers import lab
from helpers.board import follow
from helpers.checks import brokers
from helpers.lab import env_file
from helpers.lab.connect import attach
from helpers.lab.progress import Reporter
from helpers.lab.runtime import ports, processes
from helpers.lab.runtime.program import on_path
from helpers.lab.services import http
from helpers.lab.services.table import SERVICES
from helpers.lab.shared import share as sharing
from helpers.lessons import BOARD
from tests.integration.lab.conftest import LAB, kernel, run_lab
from tests.waiting import wait_until

ADDRESS = "127.0.0.2"
SECONDS = 300

if sys.platform != "linux":
    pytest.skip("by design: only Linux has a second loopback address without being asked", allow_module_level=True)


@dataclasses.dataclass(frozen=True)
class Room:
    """A shared lab, what ``lab up --share`` printed, the ports it opened for others, and a folder for learners."""

    env: dict[str, str]
    said: str
    ports: list[int]
    folder: Path

    @property
    def settings(self) -> lab.Settings:
        return lab.Settings.from_environment(self.env)

    @property
    def handout(self) -> Path:
        return self.settings.home / sharing.HANDOUT

    def password(self) -> str:
        return env_file.read(self.handout)[0]["LAB_MQTT_PASSWORD"]

    def learner(self, name: str, *arguments: str) -> dict[str, str]:
        """The environment of a learner who has joined."""
        env = {key: value for key, value in self.env.items() if not key.startswith("LAB_") or key == "LAB_CACHE"}
        env["LAB_HOME"] = str(self.folder / f"the checkout of {name}")
        answer = run_lab(env, "join", str(self.handout), "--name", name, *arguments)
        assert answer.returncode == 0, answer.stderr
        return env

    def here(self, env: dict[str, str]) -> here.Here:
        return attach(lab.Settings.from_environment(env), report=Reporter())


@pytest.fixture(scope="module")
def room(mqtt_provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("a room")
    env = {key: value for key, value in os.environ.items() if not key.startswith("LAB_") or key == "LAB_CACHE"}
    env |= {"LAB_HOME": str(folder / "the lab"), "LAB_PORTS": "any", "LAB_MQTT_PROVIDER": mqtt_provider}
    env |= {"LAB_KAFKA_PROVIDER": "embedded", "LAB_REGISTRY_PROVIDER": "embedded"}
    env |= {"LAB_INFLUXDB_PROVIDER": "native" if on_path("influxd") else "none"}
    try:
        answer = run_lab(env, "up", "--share", ADDRESS)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        yield Room(env, answer.stdout, sharing.open_ports(lab.Settings.from_environment(env)), folder)
    finally:
        lab.down(lab.Settings.from_environment(env))


def listeners(settings: lab.Settings) -> set[tuple[str, int]]:
    """The addresses and ports on which the lab's programs listen."""
    folders = [settings.home / name / each.name for name, service in SERVICES.items() for each in service.programs]
    pids = {process.pid for _, process in processes.started_in([*folders, settings.home / "share"])}
    found = [each for pid in pids for each in psutil.Process(pid).net_connections(kind="tcp")]
    # Java writes an IPv4 address in IPv6's way.
    return {(each.laddr.ip.removeprefix("::ffff:"), each.laddr.port) for each in found if each.status == "LISTEN"}


def names(found: lab.Here) -> set[str]:
    """Topics, groups and subjects on the brokers."""
    admin = AdminClient({**found.kafka})
    groups = admin.list_consumer_groups(request_timeout=20).result(20).valid
    subjects = SchemaRegistryClient({**found.registry}).get_subjects()
    every = {*admin.list_topics(timeout=20).topics, *(each.group_id for each in groups), *subjects}
    return {name for name in every if not name.startswith("_")}


def test_it_says_what_to_hand_out_and_never_the_password(room: Room) -> None:
    assert str(room.handout) in room.said
    assert "lab join workshop.env --name ana" in room.said
    for port in room.ports:
        assert str(port) in room.said
    shown = [room.said, *(run_lab(room.env, *each).stdout for each in (["status"], ["doctor"], ["logs", "kafka"]))]
    assert f"Shared at {ADDRESS}: open." in shown[1]
    assert "Shared kafka" in shown[2]
    assert not [text for text in shown if room.password() in text]
    assert room.handout.stat().st_mode & 0o077 == 0


def test_others_reach_the_listeners_for_them_and_nothing_else(room: Room) -> None:
    for_others = {(ADDRESS, port) for port in sharing.open_ports(room.settings)}
    assert len(for_others) == len([each for each in lab.status(room.settings) if each.ready])
    others = {each for each in listeners(room.settings) if each[0] != "127.0.0.1"}
    assert others == for_others
    trusting = ssl.create_default_context(cafile=str(room.handout))
    for each in for_others:  # which accept TLS only, with a certificate for the right name
        with (
            socket.create_connection(each, timeout=10) as plain,
            trusting.wrap_socket(plain, server_hostname=ADDRESS),
        ):
            pass


def test_every_service_works_from_other_machines(room: Room, unique: Callable[[str], str]) -> None:
    found = room.here(room.learner(unique("a").replace("-", "")[:20]))
    name = f"{found.ns}hello-others"
    for each in found.status:
        assert each.endpoint is None or each.service.smoke_test(each.endpoint, name)
    if found.influxdb:
        for query in (f'CREATE DATABASE "{found.influxdb.database}"', "SHOW DATABASES"):
            url = f"{found.influxdb.url}/query?q={query.replace(' ', '%20')}"
            answer = json.loads(http.request(url, found.influxdb.conf, timeout=20, method="POST"))
        assert [found.influxdb.database] in answer["results"][0]["series"][0]["values"]


@pytest.mark.parametrize("service", list(SERVICES))
@pytest.mark.parametrize("password", ["", "wrong"])
def test_nobody_connects_without_the_password(room: Room, service: str, password: str) -> None:
    # Somebody on this machine connected without one, just now: that must not let anybody connect from another machine.
    local = {each.service.name: each for each in lab.status(room.settings)}[service]
    if local.endpoint is None:
        pytest.skip("InfluxDB is not installed")
    variables, _ = env_file.read(room.handout)
    kept = {key: value for key, value in variables.items() if password or not key.endswith(("USERNAME", "PASSWORD"))}
    kept |= {key: password for key in kept if key.endswith("PASSWORD")}
    env = {**kept, "LAB_NAMESPACE": "mallory", "LAB_HOME": str(room.folder / "nobody")}
    problem = SERVICES[service].problem(lab.Settings.from_environment(env).external[service], timeout=3)
    said = {"mqtt": "refused: ", "registry": "HTTP 401", "influxdb": "HTTP 401"}
    assert said.get(service, "uthentication" if password else "") in problem
    assert problem


def test_a_wrong_hand_out_is_named_with_its_service(room: Room, tmp_path: Path) -> None:
    file, env = tmp_path / "workshop.env", {**room.env, "LAB_HOME": str(tmp_path / "home")}
    env = {key: value for key, value in env.items() if not key.endswith("_PROVIDER")}
    file.write_text(room.handout.read_text().replace(room.password(), "wrong"))
    answer = run_lab(env, "join", str(file), "--name", "ana")
    assert answer.returncode == 1
    assert "mqtt" in answer.stderr
    assert "refused: " in answer.stderr
    variables, _ = env_file.read(room.handout)
    kept = {key: value for key, value in variables.items() if not key.endswith("_CA")}
    env_file.write(file, kept, trustme.CA().cert_pem.bytes().decode(), comment="another authority")
    answer = run_lab(env, "join", str(file), "--name", "ana")
    assert "certificate" in answer.stderr.lower()
    assert run_lab(env, "leave").stdout.strip() == "You have not joined a shared lab."


def test_a_name_belongs_to_one_learner(room: Room, unique: Callable[[str], str]) -> None:
    name = unique("n").replace("-", "")
    first = room.learner(name)
    status = run_lab(first, "status")
    assert status.returncode == 0
    assert f"You use a shared lab as {name}." in status.stdout
    assert name in run_lab(room.env, "status").stdout
    again = run_lab(first, "join", str(room.handout), "--name", name)
    assert again.returncode == 2
    assert "lab leave" in again.stderr

    second = {**first, "LAB_HOME": str(room.folder / "another")}
    answer = run_lab(second, "join", str(room.handout), "--name", name)
    assert answer.returncode == 1
    assert f"The name {name} is taken." in answer.stderr
    assert not lab.Settings.from_environment(second).external
    assert run_lab(second, "join", str(room.handout), "--name", name, "--again").returncode == 0

    assert "free" in run_lab(second, "leave").stdout
    assert not lab.Settings.from_environment(second).joined
    assert name not in run_lab(room.env, "status").stdout


@pytest.mark.slow  # over a minute: four runs of lessons
def test_two_learners_do_the_same_lessons_at_once(room: Room, unique: Callable[[str], str]) -> None:
    ana, ben = ({"name": unique(each).replace("-", "")} for each in ("ana", "ben"))
    for each in (ana, ben):
        each["env"] = room.learner(each["name"])
    running = [
        subprocess.Popen([LAB, "run", "00", "04"], env=each["env"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for each in (ana, ben)
    ]
    for each in running:
        said, _ = each.communicate(timeout=SECONDS)
        assert each.returncode == 0, said.decode()
    instructor = room.here(room.env)

    def made(word: str) -> dict[str, set[str]]:
        return {
            each["name"]: {
                # Some topics are new in each run: their names end with a time.
                re.sub(r"\d{19}$", "", name.removeprefix(each["name"]))
                for name in names(instructor)
                if name.startswith(each["name"])
            }
            for each in (ana, ben)
        } | {"": {name for name in names(instructor) if name.startswith(word)}}

    first = made("log")
    assert first[ana["name"]] == first[ben["name"]]
    assert any(name.startswith("-log") for name in first[ana["name"]])
    assert first[""] == set()  # nothing without a namespace

    # Each clears one's own and nobody else's.
    assert "topic" in run_lab(ana["env"], "reset", "--lesson", "04").stdout
    second = made("log")
    assert not [name for name in second[ana["name"]] if name.startswith("-log")]
    assert second[ben["name"]] == first[ben["name"]]

    # The instructor's own reset touches no learner; asked to, it clears one, or all.
    assert run_lab(room.env, "reset").returncode == 0
    assert made("log")[ben["name"]] == first[ben["name"]]
    everything = run_lab(room.env, "reset", "--all")
    assert everything.returncode == 2
    assert "--all: it is for your own lab" in everything.stderr
    assert "topic" in run_lab(room.env, "reset", "--learner", ben["name"]).stdout
    assert made("log")[ben["name"]] == set()
    run_lab(ana["env"], "run", "00")
    assert run_lab(room.env, "reset", "--everyone").returncode == 0
    assert made("log")[ana["name"]] == set()


def test_a_learner_is_on_the_board_after_a_yes_and_until_leaving(room: Room) -> None:
    quiet, shown = room.learner("carl"), room.learner("dora", "--board")
    for env in (quiet, shown):
        with kernel(env) as notebook:
            notebook.write('from helpers import lab\n\nhere = lab.connect(lesson="start_here")')
            if env is shown:
                wait_until(lambda: brokers.retained(room.here(room.env), f"{BOARD}/#"), "dora is on the board")
    found = brokers.retained(room.here(room.env), f"{BOARD}/#")
    assert {topic.split("/")[2] for topic in found} == {"dora"}
    assert run_lab(shown, "leave").returncode == 0
    assert follow.agreed(Path(shown["LAB_HOME"])) == []
    assert "Entries deleted: " in run_lab(room.env, "board", "--forget").stdout


def test_a_proxy_that_ended_is_seen_and_started_again(room: Room) -> None:
    if room.env["LAB_MQTT_PROVIDER"] == "embedded":
        pytest.skip("by design: the gate is the same whatever the MQTT broker")
    before = room.handout.read_text()
    assert sharing.end(room.settings)
    status = run_lab(room.env, "status")
    assert status.returncode == 3
    assert "refused" in status.stdout
    doctor = run_lab(room.env, "doctor")
    assert doctor.returncode == 1
    assert "✗  Shared registry" in doctor.stdout
    (kafka,) = lab.status(room.settings, only=["kafka"])
    psutil.Process(kafka.pid).kill()
    repaired = run_lab(room.env, "up")
    assert repaired.returncode == 0, repaired.stderr
    assert f"Shared at {ADDRESS}: open." in repaired.stdout
    assert room.handout.read_text() == before


def test_what_was_handed_out_stays_good(room: Room) -> None:
    certificate, password = env_file.read(room.handout)[1], room.password()
    assert run_lab(room.env, "down").returncode == 0
    assert not listeners(room.settings)
    assert "Shared" not in run_lab(room.env, "status").stdout
    answer = run_lab(room.env, "up", "--share", ADDRESS)
    assert answer.returncode == 0, answer.stderr
    assert (env_file.read(room.handout)[1], room.password()) == (certificate, password)
    assert run_lab(room.env, "up", "--share", ADDRESS).returncode == 0  # once more changes nothing
    elsewhere = run_lab(room.env, "up", "--share", "127.0.0.3")
    assert elsewhere.returncode == 1
    assert f"is shared at {ADDRESS}" in elsewhere.stderr
    assert "lab down" in elsewhere.stderr


def test_a_lab_that_is_not_shared_stays_so(own_env: dict[str, str], own: lab.Settings) -> None:
    lab.up(own, only=["mqtt"])
    assert {address for address, _ in listeners(own)} == {"127.0.0.1"}
    answer = run_lab(own_env, "up", "--share", ADDRESS)
    assert answer.returncode == 1
    assert "The lab runs already, and is not shared." in answer.stderr
    assert "lab down" in answer.stderr
    answer = run_lab(own_env, "reset", "--everyone")
    assert answer.returncode == 2
    assert "not shared" in answer.stderr


def test_a_service_does_not_take_the_port_of_its_own_second_listener(
    own_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = lab.Settings.from_environment({key: value for key, value in own_env.items() if key != "LAB_PORTS"})
    port = ports.any_free(ADDRESS)
    monkeypatch.setitem(SERVICES, "mqtt", dataclasses.replace(SERVICES["mqtt"], ports=(port,), shared_port=port))
    (found,) = lab.up(settings, only=["mqtt"], share=ADDRESS)
    assert found.ready
    for_others = {(ADDRESS, each) for address, each in listeners(settings) if address == ADDRESS}
    assert for_others == {(ADDRESS, port)}
    assert found.endpoint.port != port


@pytest.mark.parametrize("address", ["192.0.2.7", "no.such.name.invalid", "0.0.0.0", "127.0.0.1"])  # noqa: S104
def test_an_address_that_others_cannot_reach_is_refused(own_env: dict[str, str], address: str) -> None:
    answer = run_lab(own_env, "up", "--share", address)
    assert answer.returncode == 2
    assert f"other machines cannot reach this one at {address}" in answer.stderr
    assert "lab up --share ADDRESS" in answer.stderr
    assert not (Path(own_env["LAB_HOME"]) / "state.json").exists()


def test_what_is_not_the_labs_cannot_be_shared(own_env: dict[str, str]) -> None:
    env = {**own_env, "LAB_MQTT_HOST": "127.0.0.1", "LAB_NAMESPACE": "ana"}
    answer = run_lab(env, "up", "--share", ADDRESS)
    assert answer.returncode == 1
    assert "mqtt comes from elsewhere" in answer.stderr


def test_leaving_works_when_the_lab_is_gone(own_env: dict[str, str], room: Room) -> None:
    env = {key: value for key, value in own_env.items() if not key.endswith("_PROVIDER")}
    assert run_lab(env, "leave").stdout.strip() == "You have not joined a shared lab."
    home = Path(env["LAB_HOME"])
    home.mkdir(parents=True)
    variables, certificate = env_file.read(room.handout)
    kept = {key: value for key, value in variables.items() if not key.endswith("_CA")}
    with socket.create_server((ADDRESS, 0)) as gone:
        kept["LAB_KAFKA_BOOTSTRAP_SERVERS"] = f"{ADDRESS}:{gone.getsockname()[1]}"
    env_file.write(home / "joined.env", {**kept, "LAB_NAMESPACE": "ana"}, certificate, comment="stored")
    answer = run_lab(env, "leave")
    assert answer.returncode == 0
    assert "could not be released" in answer.stdout
    (home / "joined.env").write_text("scrambled")
    assert "lab leave" in run_lab(env, "status").stderr
    assert run_lab(env, "leave").returncode == 0
    assert not (home / "joined.env").exists()
