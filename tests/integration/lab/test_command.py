"""The ``lab`` command as people meet it: exit codes, messages, and what `lab reset` leaves alone."""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from helpers import lessons
from helpers.checks.brokers import retained
from helpers.lab import doctor
from helpers.lab.runtime import artifacts, ports
from helpers.lab.services import mqtt
from helpers.lab.services.table import PROGRAMS
from helpers.lab.settings import Settings

Command = Callable[..., CompletedProcess[str]]
SCHEMA = Schema('{"type": "object", "properties": {"fuel": {"type": "number"}}}', "JSON")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["run", "77"], "there is no lesson '77'"),
        (["logs", "teapot"], "is not one of"),
        (["prefetch", "--to", "x", "--from", "."], "contradict each other"),
        (["simulate", "--rate", "0"], "Use 0.001 to 6000"),
        (["simulate", "--topic", "a/#"], "Leave out + and #"),
        (["bridge", "--from", "a/{b"], "has no level named device"),
    ],
)
def test_a_mistake_is_answered_without_a_traceback(
    lab_env: dict[str, str], command: Command, arguments: list[str], said: str
) -> None:
    answer = command(lab_env, *arguments)
    assert answer.returncode in {1, 2}
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


def test_help_names_every_command(lab_env: dict[str, str], command: Command) -> None:
    answer = command(lab_env, "--help")
    assert answer.returncode == 0
    for name in (
        "start",
        "run",
        "up",
        "down",
        "status",
        "doctor",
        "logs",
        "reset",
        "prefetch",
        "simulate",
        "bridge",
        "join",
        "leave",
    ):
        assert f"\n  {name} " in answer.stdout


def test_status_for_programs(lab_env: dict[str, str], command: Command) -> None:
    answer = command(lab_env, "status", "--json")
    assert answer.returncode == 0, answer.stdout
    services = {each["service"]: each for each in json.loads(answer.stdout)}
    assert set(services) == {"mqtt", "kafka", "registry", "influxdb"}
    assert services["kafka"]["ready"]
    assert services["kafka"]["memory_bytes"] > 0


def test_logs_are_shown(lab_env: dict[str, str], command: Command) -> None:
    answer = command(lab_env, "logs", "kafka")
    assert answer.returncode == 0
    assert "INFO" in answer.stdout


def test_the_doctor_finds_a_healthy_lab(lab_env: dict[str, str], command: Command) -> None:
    answer = command(lab_env, "doctor")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    for what in ("Lessons", "Java", "Memory", "Disk", "Ports", "Packages", "Widgets", "MQTT", "Kafka", "Schema"):
        assert what in answer.stdout
    # A report of a problem begins with it: versions, the system, and where each service is and what provides it.
    for told in (metadata.version("mqtt-and-kafka-lessons"), platform.python_version(), platform.platform()):
        assert told in answer.stdout
    for each in json.loads(command(lab_env, "status", "--json").stdout):
        assert not each["ready"] or f"({each['address']}, {PROGRAMS[each['provider']].title})" in answer.stdout


def test_the_version_is_shown(lab_env: dict[str, str], command: Command) -> None:
    assert command(lab_env, "--version").stdout == f"lab, version {metadata.version('mqtt-and-kafka-lessons')}\n"


def test_the_doctor_names_a_remedy(here: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert here.ns == ""
    monkeypatch.setattr(doctor.metadata, "version", lambda _name: "0.0.1")
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *_: [str(tmp_path)])
    found = {each.name: each for each in doctor.preflight().checks}
    assert not found["Packages"].passed
    assert "uv sync" in found["Packages"].remedy
    assert not found["Widgets"].passed
    assert not doctor.preflight().passed
    assert "→" in repr(doctor.preflight())


def test_an_external_service_that_is_away_is_named(lab_env: dict[str, str], command: Command) -> None:
    port = ports.any_free()
    env = {k: v for k, v in lab_env.items() if k != "LAB_MQTT_PROVIDER"}
    env |= {"LAB_MQTT_HOST": "127.0.0.1", "LAB_MQTT_PORT": str(port), "LAB_NAMESPACE": "ana"}
    for arguments in (["run", "00"], ["reset"], ["simulate", "--duration", "1"]):
        answer = command(env, *arguments)
        assert answer.returncode == 1
        assert "Traceback" not in answer.stderr
    assert f"mqtt://127.0.0.1:{port}" in answer.stderr


def test_run_tells_how_it_went(lab_env: dict[str, str], command: Command) -> None:
    answer = command(lab_env, "run", "00")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"✅ 00 {lessons.LESSONS['00'].title}" in answer.stdout


def test_simulate_publishes_what_it_says(lab_env: dict[str, str], command: Command, unique: Any) -> None:
    topic = unique("fleet")
    answer = command(
        lab_env, "simulate", "--duration", "1", "--rate", "50", "--size", "5", "--topic", f"{topic}/{{device}}"
    )
    assert answer.returncode == 0, answer.stderr
    assert "50 readings published and acknowledged." in answer.stdout
    answer = command(lab_env, "simulate", "--duration", "1", "--qos", "0", "--topic", f"{topic}/{{device}}")
    assert "6 readings published: QoS 0 has no acknowledgement." in answer.stdout


@pytest.mark.slow  # half a minute: 225 MB there and back, and three archives made
@pytest.mark.without_mqtt
def test_prefetch_copies_everything_and_takes_it_back(
    lab_env: dict[str, str], command: Command, tmp_path: Path
) -> None:
    stick, cache = tmp_path / "stick", tmp_path / "cache"
    assert command(lab_env, "prefetch", "--to", str(stick)).returncode == 0
    taken = command({**lab_env, "LAB_CACHE": str(cache)}, "prefetch", "--from", str(stick), seconds=400)
    assert taken.returncode == 0
    assert "more slowly" not in taken.stdout
    assert artifacts.missing(artifacts.listed(), cache) == []
    assert len(list(cache.glob("archives/*.jsa"))) == 3
    assert not (stick / "archives").exists()


def _make(here: Any, ns: str, word: str) -> None:
    """A topic, a group with an offset, a subject and a retained message, all named with the word."""
    admin = AdminClient({**here.kafka})
    topic = f"{ns}{word}-readings"
    admin.create_topics([NewTopic(topic, num_partitions=1)])[topic].result(20)
    producer = Producer({**here.kafka})
    producer.produce(topic, b"x")
    assert producer.flush(20) == 0
    consumer = Consumer({**here.kafka, "group.id": f"{ns}{word}-group"})
    consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    consumer.close()
    SchemaRegistryClient({**here.registry}).register_schema(f"{topic}-value", SCHEMA)
    client = mqtt.client(here.mqtt, f"{ns}{word}-maker")
    with mqtt.connected(client, here.mqtt):
        client.publish(f"{ns}{word}/state", b"on", qos=1, retain=True).wait_for_publish(20)


def _there(here: Any) -> set[str]:
    """Every name on the brokers that this test may have made."""
    admin = AdminClient({**here.kafka})
    names = set(admin.list_topics(timeout=20).topics)
    names |= {each.group_id for each in admin.list_consumer_groups(request_timeout=20).result(20).valid}
    names |= set(SchemaRegistryClient({**here.registry}).get_subjects())
    return {name for name in names if not name.startswith("_")}


def test_reset_deletes_ones_own_and_nothing_else(lab_env: dict[str, str], here: Any, command: Command) -> None:
    me = f"n{uuid.uuid4().hex[:8]}"  # a namespace that no lesson of this run has used
    longer, other = f"{me}b", f"o{uuid.uuid4().hex[:8]}"
    for owner, word in [(me, "generators"), (me, "log"), (longer, "generators"), (other, "generators")]:
        _make(here, f"{owner}-", word)
    env = {**lab_env, "LAB_NAMESPACE": me}

    one = command(env, "reset", "--lesson", "02")
    assert one.returncode == 0, one.stderr
    assert "1 group, 1 retained message, 1 subject, 1 topic" in one.stdout
    left = _there(here)
    assert {f"{me}-log-readings", f"{me}-log-group", f"{longer}-generators-readings"} <= left
    assert not {name for name in left if name.startswith(f"{me}-generators")}

    rest = command(env, "reset")
    assert "1 group, 1 retained message, 1 subject, 1 topic" in rest.stdout
    left = _there(here)
    assert not {name for name in left if name.startswith(f"{me}-")}
    for theirs in (longer, other):
        names = {f"{theirs}-generators-{what}" for what in ("readings", "group", "readings-value")}
        assert names <= left
        assert command({**lab_env, "LAB_NAMESPACE": theirs}, "reset").returncode == 0
    assert command(env, "reset").stdout.strip() == "There was nothing to delete."


def test_what_one_made_for_oneself_goes_only_with_all(
    lab_env: dict[str, str], here: Any, command: Command, unique: Callable[[str], str]
) -> None:
    mine = unique("acme")
    _make(here, "", mine)
    _make(here, "", "log")  # a lesson's word
    names = {f"{mine}-{what}" for what in ("readings", "group", "readings-value")}
    assert "Deleted:" in command(lab_env, "reset").stdout  # an earlier test may have left something, too
    left = _there(here)
    assert names <= left
    assert "log-readings" not in left
    everything = command(lab_env, "reset", "--all")
    assert everything.returncode == 0, everything.stderr
    assert not names & _there(here)
    assert retained(here, f"{mine}/#") == {}


@pytest.mark.parametrize(
    ("env", "more"),
    [
        ({"LAB_NAMESPACE": "ana"}, []),
        ({}, ["--lesson", "02"]),
        ({"LAB_REGISTRY_URL": "https://other.example", "LAB_REGISTRY_PROVIDER": "given", "LAB_NAMESPACE": "ana"}, []),
    ],
    ids=["a namespace", "one lesson", "external"],
)
def test_all_is_refused_where_it_could_mean_less_or_be_anothers(
    lab_env: dict[str, str], command: Command, env: dict[str, str], more: list[str]
) -> None:
    answer = command({**lab_env, **env}, "reset", "--all", *more)
    assert answer.returncode == 2
    assert "--all: it is for your own lab" in answer.stderr


def test_the_settings_of_the_tests_lab_are_those_of_its_environment(lab_env: dict[str, str]) -> None:
    assert Settings.from_environment(lab_env).any_port
