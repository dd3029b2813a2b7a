"""Lesson 03's checks, on a real broker: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from queue import Queue
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.checks import Watch, lesson03
from helpers.relay.relay import Relay
from tests.integration.checks.speaking import Unique, connected

NOTICE, STATUS = "delivery/notice/G-003", "delivery/guard/status"


@pytest.fixture
def watch(here: Any, unique: Unique) -> Iterator[Watch]:
    watch = Watch(replace(here, ns=f"{unique('ana')}-"), mqtt_filters=["delivery/#"])
    yield watch
    watch.close()


@pytest.fixture
def line(here: Any) -> Iterator[Relay]:
    with Relay(here.mqtt.host, here.mqtt.port) as relay:
        yield relay


def say(watch: Watch, topic: str, payload: str, *, retain: bool) -> None:
    with connected(watch) as client:
        client.publish(f"{watch.here.ns}{topic}", payload, qos=1, retain=retain).wait_for_publish(30)


def test_a_retained_notice_is_what_exercise_1_wants(watch: Watch) -> None:
    assert not lesson03.exercise_1(watch).passed
    say(watch, NOTICE, "half full", retain=True)
    assert lesson03.exercise_1(watch).passed


@pytest.mark.parametrize(
    ("said", "reason", "hint"),
    [
        ([("delivery/notices/G-003", "half full", True)], "nothing was published on", "spelling"),
        ([(NOTICE, "half full", False)], "gets nothing", "Which argument"),
        ([(NOTICE, "half empty", True)], "is told half empty", "last retained message"),
        ([(NOTICE, "half full", True), (NOTICE, "", True)], "an empty payload", "clears the topic"),
    ],
)
def test_exercise_1_turns_down(watch: Watch, said: list[tuple[str, str, bool]], reason: str, hint: str) -> None:
    for topic, payload, retain in said:
        say(watch, topic, payload, retain=retain)
    result = lesson03.exercise_1(watch)
    assert not result.passed
    assert reason in result.reason
    assert hint in result.hint


class Guard:
    """A learner's guard: what it leaves as a will, what it says, and how it connects."""

    def __init__(self, watch: Watch, line: Relay | None, *, will: str | None = "offline", retain: bool = True) -> None:
        topic = f"{watch.here.ns}{STATUS}"
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"{watch.here.ns}delivery-guard", protocol=mqtt.MQTTv5
        )
        if will is not None:
            self.client.will_set(topic, will, qos=1, retain=retain)
        said: Queue[None] = Queue()
        self.client.on_connect = lambda client, *_: client.publish(topic, "online", qos=1, retain=True)
        self.client.on_publish = lambda *_: said.put(None)
        address = line or watch.here.mqtt
        self.client.connect(address.host, address.port)
        self.client.loop_start()
        said.get(timeout=30)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def guard(watch: Watch, line: Relay | None, **how: Any) -> Iterator[Guard]:
    with ExitStack() as stack:
        made = Guard(watch, line, **how)
        stack.callback(made.close)
        yield made


def test_a_retained_will_is_what_exercise_2_wants_and_it_may_be_looked_at_twice(watch: Watch, line: Relay) -> None:
    assert "nothing was published" in lesson03.exercise_2(watch, line).reason
    with guard(watch, line):
        assert lesson03.exercise_2(watch, line).passed
        # paho connects again by itself, and its on_connect says online again.
        count = len(watch.messages(STATUS))
        assert watch.wait_for(lambda: len(watch.messages(STATUS)) > count, seconds=30)
        assert lesson03.exercise_2(watch, line).passed


@pytest.mark.parametrize(
    ("how", "reason", "hint"),
    [
        ({"will": None}, "nobody said that the guard is gone", "will_set() comes before connect()"),
        ({"retain": False}, "said offline once", "can be retained too"),
        ({"will": "gone"}, "the broker said gone", "payload is offline"),
    ],
)
def test_exercise_2_turns_down(watch: Watch, line: Relay, how: dict[str, Any], reason: str, hint: str) -> None:
    with guard(watch, line, **how):
        result = lesson03.exercise_2(watch, line)
    assert not result.passed
    assert reason in result.reason
    assert hint in result.hint


def test_exercise_2_turns_down_a_guard_that_does_not_use_the_line(watch: Watch, line: Relay) -> None:
    with guard(watch, None):
        result = lesson03.exercise_2(watch, line)
    assert not result.passed
    assert "line.host and line.port" in result.hint


def test_exercise_2_turns_down_a_guard_that_says_offline_itself(watch: Watch, line: Relay) -> None:
    with guard(watch, line) as made:
        made.client.publish(f"{watch.here.ns}{STATUS}", "offline", qos=1, retain=True).wait_for_publish(30)
        result = lesson03.exercise_2(watch, line)
    assert not result.passed
    assert "with the line still up" in result.reason


def test_exercise_2_turns_down_an_online_that_is_not_retained(watch: Watch, line: Relay) -> None:
    say(watch, STATUS, "online", retain=False)
    result = lesson03.exercise_2(watch, line)
    assert not result.passed
    assert "retained" in result.hint


def sunday(watch: Watch, topic_filter: str, *, qos: int = 1, expiry: int = 3600, leave: bool = True) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"{watch.here.ns}delivery-sunday", protocol=mqtt.MQTTv5)
    answers: Queue[str] = Queue()
    client.on_connect = lambda *_: answers.put("connected")
    client.on_subscribe = lambda *_: answers.put("subscribed")
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = expiry
    client.connect(watch.here.mqtt.host, watch.here.mqtt.port, properties=properties)
    client.loop_start()
    answers.get(timeout=30)
    client.subscribe(f"{watch.here.ns}{topic_filter}", qos)
    answers.get(timeout=30)
    if leave:
        client.disconnect()
        client.loop_stop()
    return client


def test_a_session_that_waits_is_what_exercise_3_wants_and_it_may_be_looked_at_twice(watch: Watch) -> None:
    assert "no session" in lesson03.exercise_3(watch).reason
    assert "no session" in lesson03.exercise_3(watch).reason, "the first look left a session behind"
    sunday(watch, "delivery/sunday/#")
    assert lesson03.exercise_3(watch).passed
    assert lesson03.exercise_3(watch).passed


@pytest.mark.parametrize(
    ("how", "hint"),
    [
        ({"topic_filter": "delivery/sunday/#", "expiry": 0}, "SessionExpiryInterval"),
        ({"topic_filter": "delivery/sunday/+"}, "everything below that level"),
        ({"topic_filter": "delivery/monday/#"}, "everything below that level"),
    ],
)
def test_exercise_3_turns_down(watch: Watch, how: dict[str, Any], hint: str) -> None:
    sunday(watch, **how)
    result = lesson03.exercise_3(watch)
    assert not result.passed
    assert hint in result.hint


def test_exercise_3_turns_down_a_subscription_with_qos_0(watch: Watch) -> None:
    sunday(watch, "delivery/sunday/#", qos=0)
    result = lesson03.exercise_3(watch)
    assert not result.passed
    # Mosquitto lets it fall, Artemis keeps it; both hints speak of the QoS.
    assert "QoS" in result.hint


def test_exercise_3_turns_down_a_client_that_stayed(watch: Watch) -> None:
    client = sunday(watch, "delivery/sunday/#", leave=False)
    try:
        result = lesson03.exercise_3(watch)
    finally:
        client.disconnect()
        client.loop_stop()
    assert not result.passed
    assert "disconnect" in result.hint
