"""``docker compose up --wait`` serves the lab, its lessons, clients on the host and clients in other containers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from helpers.lab.services.table import SERVICES
from tests.compose import traces
from tests.compose.stack import Stack

LESSONS = ["00", "06", "10"]  # which between them use every service as the others do


@pytest.fixture(scope="module")
def lab(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run the ``lab`` command as somebody who has Docker and has set nothing."""
    home = tmp_path_factory.mktemp("lab")
    env = {**stack.env, "LAB_HOME": str(home)}

    def run(*arguments: str) -> str:
        answer = subprocess.run(
            [str(Path(sys.executable).with_name("lab")), *arguments],
            env=env,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    return run


def test_the_lab_finds_the_containers_and_starts_nothing_of_its_own(stack: Stack, lab: Callable[..., str]) -> None:
    lab("up")
    seen = {each["service"]: each for each in json.loads(lab("status", "--json"))}
    assert set(seen) == set(SERVICES)
    for name, each in seen.items():
        assert (each["provider"], each["ready"], each["pid"]) == ("compose", True, None)
        assert f"127.0.0.1:{stack.port[name]}" in each["address"]


def test_the_doctor_is_content(lab: Callable[..., str]) -> None:
    assert "✗" not in lab("doctor")


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs(lab: Callable[..., str], lesson: str) -> None:
    assert "✅" in lab("run", lesson)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_listens_on_this_machine_only(stack: Stack, name: str) -> None:
    bindings = json.loads(stack.docker("inspect", "--format", "{{json .NetworkSettings.Ports}}", stack.container(name)))
    published = [each for binding in bindings.values() if binding for each in binding]
    assert published == [{"HostIp": "127.0.0.1", "HostPort": str(stack.port[name])}]


def test_kafka_sends_a_client_on_the_host_to_an_address_of_the_host(stack: Stack) -> None:
    brokers = AdminClient(traces.kafka_conf(stack.port["kafka"])).list_topics(timeout=20).brokers.values()
    assert [(each.host, each.port) for each in brokers] == [("127.0.0.1", stack.port["kafka"])]


def test_kafka_serves_another_container(stack: Stack, unique: Callable[[str], str]) -> None:
    topic = unique("beside")
    conf = traces.kafka_conf(stack.port["kafka"])
    traces.make_topic(conf, topic)
    tool = ["/opt/kafka/bin/kafka-console-producer.sh", "--bootstrap-server", "kafka:19092", "--topic", topic]
    stack.beside("kafka", *tool, stdin="from a container\n")
    assert traces.first_record(conf, topic) == b"from a container"


def test_mqtt_serves_another_container(stack: Stack, unique: Callable[[str], str]) -> None:
    topic = unique("beside")
    stack.beside("mqtt", "mosquitto_pub", "-h", "mqtt", "-t", topic, "-m", "from a container", "-q", "1", "-r")
    assert traces.retained(stack.port["mqtt"], topic) == b"from a container"


def test_the_registry_serves_another_container(stack: Stack) -> None:
    url = "http://registry:8080/apis/ccompat/v7/subjects"
    assert isinstance(json.loads(stack.beside("registry", "curl", "--fail", "--silent", url)), list)


def test_influxdb_serves_another_container(stack: Stack) -> None:
    assert "databases" in stack.beside("influxdb", "influx", "-host", "influxdb", "-execute", "SHOW DATABASES")


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_rights_beyond_its_own_files(stack: Stack, name: str) -> None:
    status = stack.compose("exec", "-T", name, "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(fields["CapEff"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    root = fields["Uid"].split()[0] == "0"
    assert root == (name == "registry")  # docker-compose.yml says why


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_container_that_comes_back_has_its_data(stack: Stack, unique: Callable[[str], str], how: str) -> None:
    word = unique("traces")
    traces.leave(stack.port, word)
    if how == "restart":
        stack.compose("restart", "--timeout", "30")
        expected = set(SERVICES)
    else:
        stack.compose("kill")
        expected = set(SERVICES) - {"mqtt"}  # Mosquitto writes when it is told to stop, or every half hour
    stack.up()
    assert traces.found(stack.port, word) >= expected
