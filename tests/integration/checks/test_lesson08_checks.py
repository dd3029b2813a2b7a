"""Lesson 08's checks, on real brokers: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.checks import Watch, lesson08
from tests.integration.checks.speaking import Unique, connected

START, LOAD = {"do": "start"}, {"do": "set_load", "kw": 75}
STATE = json.dumps({"running": True, "kw": 30})


@pytest.fixture
def watch(here: Any, unique: Unique) -> Iterator[Watch]:
    watch = Watch(replace(here, ns=f"{unique('ana')}-"), mqtt_filters=["commands/#"])
    admin = AdminClient({**here.kafka, "log_level": 3})
    names = [f"{watch.here.ns}{each}" for each in ("commands", "commands-replies", "commands-desired")]
    for made in admin.create_topics([NewTopic(name, num_partitions=1) for name in names]).values():
        made.result(30)
    yield watch
    watch.close()


def write(watch: Watch, topic: str, key: str, value: str | None, headers: dict[str, str] | None = None) -> None:
    producer = Producer({**watch.here.kafka})
    producer.produce(f"{watch.here.ns}{topic}", key=key, value=value, headers=headers or {})
    assert producer.flush(30) == 0


def order(watch: Watch, command: dict[str, Any], number: str, *, answer: str = "done", **headers: str) -> None:
    """A learner's command, and the answer of a generator that is awake."""
    told = {
        "mqtt.response-topic": f"{watch.here.ns}commands/G-004/reply",
        "mqtt.correlation-data": number,
        "expires": str(time.time() + 60),
    }
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    write(watch, "commands", "G-004", json.dumps(command), {name: value for name, value in told.items() if value})
    if answer:
        write(watch, "commands-replies", "G-004", json.dumps({"answer": answer}), {"mqtt.correlation-data": number})


def test_two_commands_answered_are_what_exercise_1_wants(watch: Watch) -> None:
    assert "no record with the key" in lesson08.exercise_1(watch).reason
    order(watch, START, "one")
    assert "set_load" in lesson08.exercise_1(watch).reason
    order(watch, LOAD, "two")
    assert lesson08.exercise_1(watch).passed


def test_exercise_1_takes_a_second_attempt(watch: Watch) -> None:
    order(watch, START, "one", expires="soon")
    order(watch, LOAD, "two", answer="The engine stands")
    assert not lesson08.exercise_1(watch).passed
    order(watch, START, "three")
    order(watch, LOAD, "four")
    assert lesson08.exercise_1(watch).passed


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({"number": "one"}, "the same correlation data"),
        ({"number": "two", "answer": ""}, "did not answer both times"),
        ({"number": "two", "answer": "too much"}, "answered: too much"),
        ({"number": "two", "expires": "tomorrow"}, "'tomorrow'"),
        ({"number": "two", "expires": "120"}, "deadline was -"),
        ({"number": "two", "expires": ""}, "expires is ''"),
    ],
)
def test_exercise_1_turns_down(watch: Watch, second: dict[str, str], reason: str) -> None:
    order(watch, START, "one")
    order(watch, LOAD, **second)
    result = lesson08.exercise_1(watch)
    assert not result.passed
    assert reason in result.reason


def test_exercise_1_turns_down_a_deadline_in_a_year(watch: Watch) -> None:
    order(watch, START, "one")
    order(watch, LOAD, "two", expires=str(time.time() + 3e7))
    assert "time.time() plus some seconds" in lesson08.exercise_1(watch).hint


def desire(watch: Watch, key: str, value: str | None, *, bridged: bool = True) -> None:
    """A learner's desired state, and what the lesson's bridge makes of it."""
    write(watch, "commands-desired", key, value)
    if bridged:
        with connected(watch) as client:
            topic = f"{watch.here.ns}commands/{key}/desired"
            client.publish(topic, value, qos=1, retain=True).wait_for_publish(30)


def test_a_withdrawn_desire_is_what_exercise_2_wants(watch: Watch) -> None:
    assert "no record with the key Y-001" in lesson08.exercise_2(watch).reason
    desire(watch, "Y-001", STATE)
    assert "no record with the key Y-002" in lesson08.exercise_2(watch).reason
    desire(watch, "Y-002", STATE)
    assert "the last record of Y-002 has a value" in lesson08.exercise_2(watch).reason
    desire(watch, "Y-002", None)
    assert lesson08.exercise_2(watch).passed


@pytest.mark.parametrize("nothing", ["", "null", "{}"])
def test_exercise_2_turns_down_what_is_not_quite_nothing(watch: Watch, nothing: str) -> None:
    for key in ("Y-001", "Y-002"):
        desire(watch, key, STATE)
    desire(watch, "Y-002", nothing)
    assert "value=None" in lesson08.exercise_2(watch).hint


def test_exercise_2_sees_whether_mqtt_follows(watch: Watch) -> None:
    desire(watch, "Y-001", STATE, bridged=False)
    desire(watch, "Y-002", STATE)
    desire(watch, "Y-002", None, bridged=False)
    assert "MQTT keeps nothing for Y-001" in lesson08.exercise_2(watch).reason
    desire(watch, "Y-001", STATE)
    assert "MQTT still keeps" in lesson08.exercise_2(watch).reason


Answer = Callable[[mqtt.MQTTMessage], "bytes | None"]


def answers(watch: Watch, answer: Answer, *, correlated: bool = True) -> Any:
    """A learner's X-001, which answers what ``answer`` says."""
    subscribed = threading.Event()

    def on_message(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        payload = answer(message)
        if payload is not None:
            properties = Properties(PacketTypes.PUBLISH)
            if correlated:
                properties.CorrelationData = message.properties.CorrelationData
            client.publish(message.properties.ResponseTopic, payload, qos=1, properties=properties)

    def prepare(client: mqtt.Client) -> None:
        client.on_connect = lambda client, *_: client.subscribe(f"{watch.here.ns}commands/X-001/do", 1)
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_message = on_message

    return connected(watch, prepare)


def is_ping(message: mqtt.MQTTMessage) -> bool:
    return bytes(message.payload) == b'{"do": "ping"}'


def test_a_device_that_answers_is_what_exercise_3_wants(watch: Watch) -> None:
    assert "got no answer" in lesson08.exercise_3(watch).reason
    with answers(watch, lambda message: b'{"answer": "done"}' if is_ping(message) else b'{"answer": "what?"}'):
        assert lesson08.exercise_3(watch).passed
        assert lesson08.exercise_3(watch).passed


@pytest.mark.parametrize(
    ("answer", "correlated", "reason"),
    [
        (lambda _message: b'{"answer": "done"}', True, "explode"),
        (lambda message: b'{"answer": "done"}' if is_ping(message) else None, True, "was not"),
        (lambda _message: b"done", True, "the answer to a ping was {}"),
        (lambda _message: b'{"answer": "done"}', False, "got no answer"),
    ],
)
def test_exercise_3_turns_down(watch: Watch, answer: Answer, correlated: bool, reason: str) -> None:  # noqa: FBT001
    with answers(watch, answer, correlated=correlated):
        result = lesson08.exercise_3(watch)
    assert not result.passed
    assert reason in result.reason
