"""Every check with brokers stopped: one error names what was waited for and what to type, and nothing is logged."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import duckdb
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from helpers.checks import (
    Result,
    Watch,
    alarms_and_the_big_screen,
    brokers,
    talk_back,
    the_schema_registry,
    topics_two_ways,
)
from helpers.errors import LessonError
from helpers.lab.runtime.ports import any_free
from helpers.lab.services.influxdb import InfluxEndpoint
from helpers.lessons import LESSONS
from helpers.relay import Relay
from tests.integration.checks.speaking import Unique, assert_not_yet, commit, publish, write

# What these tests see of the MQTT broker is that it is away.
pytestmark = pytest.mark.any_mqtt

NAMES = {"mqtt": "the MQTT broker", "kafka": "Kafka", "registry": "the schema registry", "influxdb": "InfluxDB"}
Check = Callable[..., Result]
EVERY_CHECK = pytest.mark.parametrize(
    "check",
    [
        pytest.param(function, id=f"{lesson.slug}-{name}")
        for lesson in LESSONS.values()
        # These have brokers of their own, and name their nodes and users.
        if lesson.slug not in {"copies", "locks_and_keys", "break_it"}
        for name, function in inspect.getmembers(import_module(f"helpers.checks.{lesson.slug}"), inspect.isfunction)
        if name.startswith("exercise_")
    ],
)


@pytest.fixture
def relay(here: Any) -> Iterator[Relay]:
    with Relay(here.mqtt.host, here.mqtt.port) as relay:
        yield relay


@pytest.fixture
def watch(here: Any, unique: Unique, relay: Relay) -> Iterator[Watch]:
    """A recorder that was started while all brokers ran, and reaches the MQTT broker through ``relay``."""
    mqtt = replace(here.mqtt, host=relay.host, port=relay.port)
    recorder = Watch(replace(here, ns=f"{unique('ana')}-", mqtt=mqtt), mqtt_filters=["hello/#"])
    yield recorder
    recorder.close()


@pytest.fixture
def stop(watch: Watch, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that stops services, as far as ``watch`` can see: its connections end, and new ones are refused."""

    def stop(*services: str) -> None:
        free = f"127.0.0.1:{any_free()}"
        gone = {
            "kafka": {"bootstrap.servers": free},
            "registry": {"url": f"http://{free}"},
            "influxdb": InfluxEndpoint(url=f"http://{free}", provider="test"),
        }
        if "mqtt" in services:
            relay.close()
        if "kafka" in services:  # which is waited for; enough is left for the MQTT broker, if that runs
            monkeypatch.setattr(brokers, "TIMEOUT", 0.5 if "mqtt" in services else 2)
        monkeypatch.setattr(brokers, "_RECONNECTED_WITHIN", 0.5)
        watch.here = replace(watch.here, **{name: gone[name] for name in services if name in gone})  # type: ignore[type-var]

    return stop


def outcome(check: Check, watch: Watch, relay: Relay) -> Result | LessonError:
    """What a learner sees of a check, which may want a line to cut, or the database of lessons 09 and 10."""
    with duckdb.connect() as store:
        store.execute('CREATE TABLE kept (partition INTEGER, "offset" BIGINT)')
        store.execute("CREATE TABLE deaths (dies_at INTEGER)")
        store.execute("CREATE TABLE coolant (generator VARCHAR, time TIMESTAMP, temperature DOUBLE)")
        given = [store if name == "store" else relay for name in inspect.signature(check).parameters][1:]
        return _outcome(check, watch, *given)


def _outcome(check: Check, watch: Watch, *given: object) -> Result | LessonError:
    try:
        return check(watch, *given)
    except LessonError as error:
        return error


@EVERY_CHECK
def test_a_check_with_every_broker_stopped(
    check: Check, watch: Watch, relay: Relay, stop: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    stop(*NAMES)
    error = outcome(check, watch, relay)
    assert isinstance(error, LessonError)
    assert any(f"could not use {name} at " in error.cause for name in NAMES.values())
    assert "`lab up`" in error.remedy
    assert not capfd.readouterr().err


@EVERY_CHECK
@pytest.mark.parametrize("service", ["mqtt", "kafka"])
def test_a_check_with_one_broker_stopped(  # noqa: PLR0917
    check: Check, service: str, watch: Watch, relay: Relay, stop: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """It may see on the others that the exercise is not solved yet, and then looks no further."""
    stop(service)
    seen = outcome(check, watch, relay)
    if isinstance(seen, LessonError):
        assert f"could not use {NAMES[service]} at " in seen.cause
        assert "`lab up`" in seen.remedy
    else:
        assert_not_yet(seen)
    assert not capfd.readouterr().err


STATE = json.dumps({"running": True, "kw": 30})


def _mapping(watch: Watch) -> None:
    kinds = [
        {"pattern": f"design/{{company}}/{{device}}/{kind}", "topic": f"design-{kind}", "key": "{company}/{device}"}
        for kind in ("reading", "status", "alarm")
    ]
    publish(watch, "design/mapping", json.dumps(kinds), retain=True)


@pytest.mark.parametrize(
    ("check", "service", "prepare"),
    [
        (the_schema_registry.exercise_1, "registry", lambda _watch: None),
        (
            the_schema_registry.exercise_2,
            "registry",
            lambda watch: write(watch, "mixed-readings", [("G-001", b"\0\0\0\0\1{}", None)]),
        ),
        (the_schema_registry.exercise_3, "registry", lambda _watch: None),
        (topics_two_ways.exercise_3, "kafka", _mapping),
        (
            talk_back.exercise_2,
            "mqtt",
            lambda watch: write(
                watch, "commands-desired", [("Y-001", STATE, None), ("Y-002", STATE, None), ("Y-002", None, None)]
            ),
        ),
        (alarms_and_the_big_screen.exercise_3, "influxdb", lambda _watch: None),
    ],
)
def test_a_check_that_has_seen_something_before_its_broker_is_missing(  # noqa: PLR0917
    check: Check, service: str, prepare: Callable[[Watch], None], watch: Watch, relay: Relay, stop: Any
) -> None:
    prepare(watch)
    stop(service)
    assert f"could not use {NAMES[service]} at " in str(outcome(check, watch, relay))


@pytest.mark.parametrize("service", ["mqtt", "kafka"])
def test_a_recorder_that_cannot_start_leaves_nothing_behind(service: str, watch: Watch, stop: Any) -> None:
    stop(service)
    ns = f"{watch.here.ns}again-"
    with pytest.raises(LessonError, match=f"could not use {NAMES[service]} at"):
        Watch(replace(watch.here, ns=ns), mqtt_filters=["hello/#"])  # type: ignore[type-var]
    assert not [each.name for each in threading.enumerate() if ns in each.name]


def test_a_recorder_whose_broker_came_back_goes_on(watch: Watch, relay: Relay) -> None:
    def recorded(text: bytes) -> bool:
        publish(watch, "hello/me", text)
        return watch.wait_for(lambda: text in [each.payload for each in watch.messages()])

    assert recorded(b"before")
    relay.cut()
    assert watch.wait_for(lambda: recorded(b"after"), seconds=30)


def test_what_retention_deleted_is_not_left_to_read(watch: Watch) -> None:
    write(watch, "hello-me", [(None, str(number), None) for number in range(5)])
    place = TopicPartition(f"{watch.here.ns}hello-me", 0, 3)
    admin = AdminClient({**watch.here.kafka})
    [deleted] = admin.delete_records([place]).values()
    deleted.result(30)
    assert brokers.lag(watch.here, "nobody", "hello-me") == 2
    commit(watch, "late", "hello-me", {0: 1})
    assert brokers.lag(watch.here, "late", "hello-me") == 2
    commit(watch, "late", "hello-me", {0: 4})
    assert brokers.lag(watch.here, "late", "hello-me") == 1
