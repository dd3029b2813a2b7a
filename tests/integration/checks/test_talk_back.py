"""The lesson's checks, on real brokers: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.checks import Watch, talk_back as checks
from tests.integration.checks.speaking import assert_not_yet, commit, connected, publish, write

MQTT_FILTERS = ["commands/#"]
START, LOAD = {"do": "start"}, {"do": "set_load", "kw": 75}
STATE = json.dumps({"running": True, "kw": 30})


def order(watch: Watch, command: dict[str, Any], number: str, *, answer: str = "done", **headers: str) -> None:
    """A learner's command, and the answer of a generator that is awake."""
    all_headers = {
        "mqtt.response-topic": f"{watch.here.ns}commands/G-004/reply",
        "mqtt.correlation-data": number,
        "expires": str(time.time() + 60),
    }
    all_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
    given = {name: value for name, value in all_headers.items() if value}
    write(watch, "commands", [("G-004", json.dumps(command), given)])
    if answer:
        write(watch, "commands-replies", [("G-004", json.dumps({"answer": answer}), {"mqtt.correlation-data": number})])


def test_two_commands_answered_are_what_exercise_1_wants(watch: Watch) -> None:
    assert "holds 0 records" in checks.exercise_1(watch).reason
    order(watch, START, "one")
    assert "holds 1 records" in checks.exercise_1(watch).reason
    order(watch, LOAD, "two")
    assert checks.exercise_1(watch).passed


def test_exercise_1_takes_any_json_that_says_the_same(watch: Watch) -> None:
    order(watch, START, "one")
    order(watch, {"kw": 75.0, "do": "set_load"}, "two")
    assert checks.exercise_1(watch).passed


def test_exercise_1_turns_down_the_wrong_order(watch: Watch) -> None:
    order(watch, LOAD, "one")
    order(watch, START, "two")
    assert_not_yet(checks.exercise_1(watch), "take load before starting", "start first")


def test_exercise_1_begins_anew(watch: Watch) -> None:
    order(watch, START, "one")
    order(watch, LOAD, "two")
    watch.begin("commands", "commands-replies")
    assert "holds 0 records" in checks.exercise_1(watch).reason


def test_exercise_1_says_of_what_a_command_died(watch: Watch) -> None:
    order(watch, START, "one")
    order(watch, LOAD, "two", answer="")
    assert_not_yet(checks.exercise_1(watch), "did not answer", "The bridge has stopped")
    commit(watch, "commands-bridge-do", "commands", {0: 2})
    assert_not_yet(checks.exercise_1(watch), "did not answer", "Is the generator awake?")
    write(watch, "commands-dead", [("G-004", "{}", {"dead-letter.reason": "ValueError('tomorrow')"})])
    assert_not_yet(checks.exercise_1(watch), "did not answer", "ValueError('tomorrow')")


def test_exercise_1_takes_a_second_attempt(watch: Watch) -> None:
    order(watch, START, "one", expires="soon")
    order(watch, LOAD, "two", answer="The engine stands")
    assert not checks.exercise_1(watch).passed
    order(watch, START, "three")
    order(watch, LOAD, "four")
    assert checks.exercise_1(watch).passed


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({"number": "one"}, "the same correlation data"),
        ({"number": "two", "answer": ""}, "did not answer both commands"),
        ({"number": "two", "answer": "too much"}, "answered: too much"),
        ({"number": "two", "expires": "tomorrow"}, "'tomorrow'"),
        ({"number": "two", "expires": "120"}, "had expired when it was written"),
        ({"number": "two", "mqtt.response-topic": "commands/G-004/answer"}, "where to answer"),
        ({"number": ""}, "no correlation data"),
        ({"number": "two", "expires": ""}, "expires is ''"),
    ],
)
def test_exercise_1_turns_down(watch: Watch, second: dict[str, str], reason: str) -> None:
    order(watch, START, "one")
    order(watch, LOAD, **second)
    assert_not_yet(checks.exercise_1(watch), reason)


def test_exercise_1_turns_down_a_deadline_in_a_year(watch: Watch) -> None:
    order(watch, START, "one")
    order(watch, LOAD, "two", expires=str(time.time() + 3e7))
    assert "at most 300 seconds" in checks.exercise_1(watch).hint


def desire(watch: Watch, key: str, value: str | None, *, bridged: bool = True) -> None:
    """A learner's desired state, and what the lesson's bridge makes of it."""
    write(watch, "commands-desired", [(key, value, None)])
    if bridged:
        publish(watch, f"commands/{key}/desired", value, retain=True)


def test_a_withdrawn_desire_is_what_exercise_2_wants(watch: Watch) -> None:
    assert "no record with the key Y-001" in checks.exercise_2(watch).reason
    desire(watch, "Y-001", STATE)
    assert "no record with the key Y-002" in checks.exercise_2(watch).reason
    desire(watch, "Y-002", STATE)
    assert "The last record of Y-002 has a value" in checks.exercise_2(watch).reason
    desire(watch, "Y-002", None)
    assert checks.exercise_2(watch).passed


@pytest.mark.parametrize("nothing", ["", "null", "{}"])
def test_exercise_2_turns_down_what_is_not_quite_nothing(watch: Watch, nothing: str) -> None:
    for key in ("Y-001", "Y-002"):
        desire(watch, key, STATE)
    desire(watch, "Y-002", nothing)
    assert "value=None" in checks.exercise_2(watch).hint


def test_exercise_2_sees_whether_mqtt_follows(watch: Watch) -> None:
    desire(watch, "Y-001", STATE, bridged=False)
    desire(watch, "Y-002", STATE)
    desire(watch, "Y-002", None, bridged=False)
    assert "MQTT does not have the desired state of Y-001" in checks.exercise_2(watch).reason
    desire(watch, "Y-001", STATE)
    assert "MQTT still keeps" in checks.exercise_2(watch).reason


Answer = Callable[[mqtt.MQTTMessage], "bytes | None"]


def answers(watch: Watch, answer: Answer, *, correlated: bool = True) -> Any:
    """A learner's X-001, which answers what ``answer`` says."""

    def on_message(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        payload = answer(message)
        if payload is not None:
            properties = Properties(PacketTypes.PUBLISH)
            if correlated:
                properties.CorrelationData = message.properties.CorrelationData
            client.publish(message.properties.ResponseTopic, payload, qos=1, properties=properties)

    return connected(watch, lambda client: setattr(client, "on_message", on_message), subscribe_to="commands/X-001/do")


def is_ping(message: mqtt.MQTTMessage) -> bool:
    return bytes(message.payload) == b'{"do": "ping"}'


def test_a_device_that_answers_is_what_exercise_3_wants(watch: Watch) -> None:
    assert "got no answer" in checks.exercise_3(watch).reason
    for refusal in (b'{"answer": "what?"}', b'{"error": "no such command"}', b"no!"):
        with answers(watch, lambda message, refusal=refusal: b'{"answer": "done"}' if is_ping(message) else refusal):
            assert checks.exercise_3(watch).passed
            assert checks.exercise_3(watch).passed


@pytest.mark.parametrize(
    ("answer", "correlated", "reason", "hint"),
    [
        (lambda _message: b'{"answer": "done"}', True, "explode", "Only a ping"),
        (lambda message: b'{"answer": "done"}' if is_ping(message) else None, True, "was not", "silence"),
        (lambda _message: b"done", True, "The answer to a ping was b'done'", "as JSON"),
        (lambda _message: b'{"answer": "done"}', False, "not have its correlation data", "CorrelationData"),
    ],
)
def test_exercise_3_turns_down(
    watch: Watch,
    answer: Answer,
    correlated: bool,  # noqa: FBT001
    reason: str,
    hint: str,
) -> None:
    with answers(watch, answer, correlated=correlated):
        assert_not_yet(checks.exercise_3(watch), reason, hint)
