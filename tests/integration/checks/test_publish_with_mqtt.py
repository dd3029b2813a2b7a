"""The lesson's checks, on a real lab: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from helpers.checks import Watch, publish_with_mqtt as checks
from helpers.fleet import Fleet, Reading
from tests.integration.checks.speaking import Unique, assert_not_yet, connected, publish

MQTT_FILTERS = ["generators/#", "depot/#"]


@pytest.fixture
def readings() -> list[Reading]:
    return Fleet(size=6, seed=7).step(1)


def test_six_topics_with_headers_beside_are_all_exercise_1_wants(watch: Watch, readings: list[Reading]) -> None:
    assert not checks.exercise_1(watch).passed
    for each in readings:
        publish(watch, f"depot/{each.generator_id}", each.to_json(), beside=each.headers())
    assert checks.exercise_1(watch).passed


@pytest.mark.parametrize(
    ("topic", "payload", "beside", "reason", "hint"),
    [
        ("depot", bytes, True, "Something came to depot, but not", "ends with the id"),
        ("depot/readings", bytes, True, "Something came to depot/readings, but not", "ends with the id"),
        ("depot/G-003", bytes, True, "depot/G-003 got a reading of G-006", "reading.generator_id"),
        ("depot/{id}", bytes, False, "no user property seq", "properties="),
        ("depot/{id}", lambda _json: b"12.5", True, "not a JSON object", "to_json"),
        ("depot/{id}", lambda json: json.replace(b"}", b',"seq":1}'), True, "not a complete reading", "beside it"),
        ("depot/{id}", lambda json: json.replace(b'"', b"'"), True, "not a JSON object", "to_json"),
    ],
)
def test_exercise_1_turns_down(  # noqa: PLR0917
    watch: Watch,
    readings: list[Reading],
    topic: str,
    payload: Callable[[bytes], bytes],
    beside: bool,  # noqa: FBT001
    reason: str,
    hint: str,
) -> None:
    for each in readings:
        headers = each.headers() if beside else None
        publish(watch, topic.format(id=each.generator_id), payload(each.to_json()), beside=headers)
    assert_not_yet(checks.exercise_1(watch), reason, hint)


def test_exercise_1_misses_the_generators_that_were_left_out(watch: Watch, readings: list[Reading]) -> None:
    publish(watch, "depot/G-001", readings[0].to_json(), beside=readings[0].headers())
    assert_not_yet(checks.exercise_1(watch), "depot/G-002", "inside the loop")


def test_a_dashboard_that_drew_all_six_passes_exercise_2(watch: Watch, readings: list[Reading]) -> None:
    result = checks.exercise_2(watch)
    assert "drew nothing" in result.reason
    for each in readings:
        publish(watch, f"generators/{each.generator_id}", each.to_json())
    publish(watch, "depot/drawn/G-001", json.dumps(readings[0].temperature).encode())
    assert_not_yet(checks.exercise_2(watch), "drew G-001, but never G-002", "wildcard")
    publish(watch, "depot/drawn/G-002", b"1000000")
    assert "no generator reported" in checks.exercise_2(watch).reason
    for each in readings:
        publish(watch, f"depot/drawn/{each.generator_id}", json.dumps(each.temperature).encode())
    assert checks.exercise_2(watch).passed


def sorter(watch: Watch, answer: Callable[[bytes], tuple[str, str]], *, last: int = -1) -> Any:
    """What exercise 3 says of a sorter that answers ``(pile, text)`` to a payload, to the topic's level ``last``."""

    def sort(client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        pile, text = answer(message.payload)
        client.publish(f"{watch.here.ns}depot/{pile}/{message.topic.split('/')[last]}", text, qos=1)

    with connected(watch, lambda client: setattr(client, "on_message", sort), subscribe_to="depot/in/+"):
        return checks.exercise_3(watch)


def fuel_of(payload: bytes) -> float:
    value = json.loads(payload)
    if not isinstance(value, dict) or not isinstance(value.get("fuel"), int | float):
        raise TypeError(value)
    return float(value["fuel"])


def well(payload: bytes) -> tuple[str, str]:
    try:
        return "fuel", str(fuel_of(payload))
    except (ValueError, TypeError) as error:
        return "bad", repr(error)


def test_a_sorter_that_lives_on_passes_exercise_3_again_and_again(watch: Watch) -> None:
    assert sorter(watch, well).passed
    assert sorter(watch, well).passed


def test_exercise_3_without_a_sorter_says_what_to_do(watch: Watch) -> None:
    assert "loop_start" in checks.exercise_3(watch).hint


@pytest.fixture
def silent_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _crash: None)


@pytest.mark.usefixtures("silent_crashes")
def test_exercise_3_notices_a_sorter_that_dies(watch: Watch) -> None:
    result = sorter(watch, lambda payload: ("fuel", str(fuel_of(payload))))
    assert r"\x80 nonsense" in result.reason
    assert "ends the network thread" in result.hint


@pytest.mark.usefixtures("silent_crashes")
def test_exercise_3_notices_a_sorter_that_knows_only_json_errors(watch: Watch) -> None:
    def half_careful(payload: bytes) -> tuple[str, str]:
        try:
            return "fuel", str(json.loads(payload)["fuel"])
        except ValueError as error:
            return "bad", str(error)

    assert "[500]" in sorter(watch, half_careful).reason


def test_exercise_3_turns_down_a_number_in_a_wrapping(watch: Watch) -> None:
    def wrapped(payload: bytes) -> tuple[str, str]:
        pile, text = well(payload)
        return pile, f"fuel: {text}"

    assert_not_yet(sorter(watch, wrapped), hint="the number alone")


def test_exercise_3_turns_down_a_sorter_that_trusts_any_fuel(watch: Watch) -> None:
    def trusting(payload: bytes) -> tuple[str, str]:
        try:
            return "fuel", str(json.loads(payload)["fuel"])
        except Exception as error:  # noqa: BLE001
            return "bad", repr(error)

    assert '"lots"' in sorter(watch, trusting).reason


def test_exercise_3_turns_down_answers_to_the_wrong_topic(watch: Watch) -> None:
    assert "last level" in sorter(watch, well, last=-2).hint


def test_exercise_3_turns_down_a_sorter_that_calls_everything_bad(watch: Watch) -> None:
    assert "called a good reading bad" in sorter(watch, lambda _payload: ("bad", "no")).reason


def test_mosquitto_tells_a_publisher_that_nobody_listens(
    watch: Watch, scratch_mosquitto: AbstractContextManager[Any]
) -> None:
    """As the lesson says of Mosquitto; Artemis answers 0."""
    codes: queue.Queue[int] = queue.Queue()

    def prepare(client: mqtt.Client) -> None:
        client.on_publish = lambda _client, _data, _mid, code, _properties: codes.put(code.value)

    with scratch_mosquitto as broker, connected(watch, prepare, address=broker.mqtt) as client:
        client.publish("nobody/listens", "hello?", qos=1)
        assert codes.get(timeout=30) == 16


def test_the_older_of_two_clients_with_one_id_is_thrown_out(watch: Watch) -> None:
    ended: queue.Queue[Any] = queue.Queue()

    def prepare(client: mqtt.Client) -> None:
        client.on_disconnect = lambda *_: ended.put("thrown out")

    with connected(watch, prepare, client_id="depot-twin"), connected(watch, client_id="depot-twin"):
        assert ended.get(timeout=30) == "thrown out"


def test_a_client_of_the_old_version_gets_its_answer_as_a_reason_code_too(here: Any, unique: Unique) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=unique("depot-old"), protocol=mqtt.MQTTv311)
    client.on_connect = lambda _client, _data, _flags, code, _properties: answers.put(code)
    client.connect(here.mqtt.host, here.mqtt.port)
    client.loop_start()
    code = answers.get(timeout=30)
    client.disconnect()
    client.loop_stop()
    assert isinstance(code, ReasonCode)
    assert not code.is_failure


@pytest.fixture
def scratch_mosquitto(lab_env: dict[str, str]) -> AbstractContextManager[Any]:
    from helpers import lab
    from helpers.lab.runtime.program import on_path

    assert lab_env
    if not on_path("mosquitto"):
        pytest.skip("Mosquitto is not installed")
    return lab.scratch("mqtt", provider="mosquitto")
