"""The lesson's checks, on a real broker: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.checks import Watch, delivery_in_mqtt as checks
from helpers.relay import Relay
from tests.integration.checks.speaking import assert_not_yet, connected, leave_session, publish

MQTT_FILTERS = ["delivery/#"]
NOTICE, STATUS, SUNDAY = "delivery/notice/G-003", "delivery/guard/status", "delivery-sunday"


@pytest.fixture
def line(here: Any) -> Iterator[Relay]:
    with Relay(here.mqtt.host, here.mqtt.port) as relay:
        yield relay


def test_a_retained_notice_is_what_exercise_1_wants(watch: Watch) -> None:
    assert not checks.exercise_1(watch).passed
    publish(watch, NOTICE, "half full", retain=True)
    assert checks.exercise_1(watch).passed


@pytest.mark.parametrize(
    ("published", "reason", "hint"),
    [
        ([("delivery/notices/G-003", "half full", True)], "Nothing was published to", "spelling"),
        ([(NOTICE, "half full", False)], "receives nothing", "Which argument"),
        ([(NOTICE, "half empty", True)], "receives half empty", "last retained message"),
        ([(NOTICE, "half full", True), (NOTICE, "", True)], "an empty payload", "clears the topic"),
    ],
)
def test_exercise_1_turns_down(watch: Watch, published: list[tuple[str, str, bool]], reason: str, hint: str) -> None:
    for topic, payload, retain in published:
        publish(watch, topic, payload, retain=retain)
    assert_not_yet(checks.exercise_1(watch), reason, hint)


@contextmanager
def guard(watch: Watch, line: Relay | None, *, will: str | None = "offline", retain: bool = True) -> Iterator[None]:
    """A learner's guard, which connects through ``line`` and leaves ``will``."""
    topic, published = f"{watch.here.ns}{STATUS}", threading.Event()

    def prepare(client: mqtt.Client) -> None:
        if will is not None:
            client.will_set(topic, will, qos=1, retain=retain)
        ready = client.on_connect
        client.on_connect = lambda client, *details: (
            client.publish(topic, "online", qos=1, retain=True),
            ready(client, *details),
        )
        client.on_publish = lambda *_: published.set()

    with connected(watch, prepare, client_id="delivery-guard", address=line):
        assert published.wait(30)
        yield


def test_a_retained_will_is_what_exercise_2_wants_and_it_may_be_looked_at_twice(watch: Watch, line: Relay) -> None:
    assert "Nothing was published" in checks.exercise_2(watch, line).reason
    with guard(watch, line):
        assert checks.exercise_2(watch, line).passed
        # paho reconnects by itself, and its on_connect publishes online again.
        count = len(watch.messages(STATUS))
        assert watch.wait_for(lambda: len(watch.messages(STATUS)) > count, seconds=30)
        assert checks.exercise_2(watch, line).passed


@pytest.mark.parametrize(
    ("how", "reason", "hint"),
    [
        ({"will": None}, "no will was published", "will_set() comes before connect()"),
        ({"retain": False}, "The broker published offline", "can be retained too"),
        ({"will": "gone"}, "the broker published gone", "payload must be offline"),
    ],
)
def test_exercise_2_turns_down(watch: Watch, line: Relay, how: dict[str, Any], reason: str, hint: str) -> None:
    with guard(watch, line, **how):
        assert_not_yet(checks.exercise_2(watch, line), reason, hint)


def test_exercise_2_turns_down_a_guard_that_does_not_use_the_line(watch: Watch, line: Relay) -> None:
    with guard(watch, None):
        assert_not_yet(checks.exercise_2(watch, line), hint="line.host and line.port")


def test_exercise_2_turns_down_a_guard_that_says_offline_itself(watch: Watch, line: Relay) -> None:
    with guard(watch, line):
        publish(watch, STATUS, "offline", retain=True)
        assert_not_yet(checks.exercise_2(watch, line), "The line is still up")


def test_exercise_2_turns_down_an_online_that_is_not_retained(watch: Watch, line: Relay) -> None:
    publish(watch, STATUS, "online")
    assert_not_yet(checks.exercise_2(watch, line), hint="retained")


def test_a_session_that_waits_is_what_exercise_3_wants_and_it_may_be_looked_at_twice(watch: Watch) -> None:
    assert "no session" in checks.exercise_3(watch).reason
    assert "no session" in checks.exercise_3(watch).reason, "the first look left a session behind"
    leave_session(watch, SUNDAY, subscribe_to="delivery/sunday/#")
    assert checks.exercise_3(watch).passed
    assert checks.exercise_3(watch).passed


@pytest.mark.parametrize(
    ("how", "hint"),
    [
        ({"subscribe_to": "delivery/sunday/#", "expiry": 0}, "SessionExpiryInterval"),
        ({"subscribe_to": "delivery/sunday/+"}, "however many levels"),
        ({"subscribe_to": "delivery/monday/#"}, "however many levels"),
    ],
)
def test_exercise_3_turns_down(watch: Watch, how: dict[str, Any], hint: str) -> None:
    leave_session(watch, SUNDAY, **how)
    assert_not_yet(checks.exercise_3(watch), hint=hint)


def test_exercise_3_turns_down_a_subscription_with_qos_0(watch: Watch) -> None:
    leave_session(watch, SUNDAY, subscribe_to="delivery/sunday/#", qos=0)
    result = checks.exercise_3(watch)
    assert not result.passed
    # Mosquitto discards it, Artemis keeps it; both hints mention the QoS.
    assert "QoS" in result.hint


def test_exercise_3_turns_down_a_client_that_stayed(watch: Watch) -> None:
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    with connected(watch, client_id=SUNDAY, subscribe_to="delivery/sunday/#", properties=properties):
        assert_not_yet(checks.exercise_3(watch), hint="disconnect")
