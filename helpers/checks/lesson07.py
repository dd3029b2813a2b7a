"""Checks of lesson 07: a session emptied into Kafka, repetitions taken out, a bridge configured."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.checks.recorder import Here, Seen, Watch, begin
from helpers.checks.result import Result, done, not_yet

_FILLED, _DEAD = "bridge-exercise", "bridge-exercise-dead"
_TWICE, _ONCE = "bridge-twice", "bridge-once"
_YARD, _YARD_DEAD = "bridge-yard", "bridge-yard-dead"
_REASON = "dead-letter.reason"
_TIMEOUT = 10.0
_QUIET = 1.0
_KEEP = 3600


def exercise_1(watch: Watch) -> Result:
    """All messages of the session are in Kafka, each in its topic, and the session is empty."""
    sent = watch.messages("bridge/exercise/+")
    good, bad = [each for each in sent if _is_json(each.payload)], [each for each in sent if not _is_json(each.payload)]
    stored, dead = watch.kafka_records(_FILLED), watch.kafka_records(_DEAD)
    if not stored and not dead:
        return not_yet(
            f"neither {_FILLED} nor {_DEAD} holds a record.",
            "Begin with on_message: produce each message, and keep it until its delivery report comes.",
        )
    problem = (
        _carried(good, stored, _FILLED, key=lambda message: str(json.loads(message.payload)["generatorID"]))
        or _dead_letters(bad, dead, _DEAD)
        or _in_order(
            [(_text(record.key()), record.value()) for record in stored],
            [(str(json.loads(each.payload)["generatorID"]), each.payload) for each in good],
            _FILLED,
        )
    )
    if problem:
        return problem
    left = _left_in_session(watch.here, _FILLED)
    if left is None:
        return not_yet(
            f"the MQTT broker has no session of the client {_FILLED} any more.",
            "Connect with clean_start=False and persistent(), or the session is thrown away. Run the lesson again.",
        )
    if left:
        return not_yet(
            f"everything is in Kafka, and the session still holds {left} messages.",
            "client.ack(message.mid, message.qos) for each one that is stored; the client needs manual_ack=True, and "
            "a last client.loop() to send what it has to say.",
        )
    return done(f"{len(good)} readings and {len(bad)} dead letters are in Kafka, and nothing is left in the session.")


def exercise_2(watch: Watch) -> Result:
    """Each reading of ``bridge-twice`` is in ``bridge-once`` exactly once, in its generator's order."""
    wanted = Counter(_name(record) for record in watch.kafka_records(_TWICE))  # in order of first occurrence
    stored = watch.kafka_records(_ONCE)
    if not stored:
        return not_yet(f"{_ONCE} is empty.", "Read with auto.offset.reset=earliest, and flush the producer at the end.")
    nameless = [record for record in stored if _name(record) is None]
    if nameless:
        return not_yet(
            f"{len(nameless)} records in {_ONCE} lack their key, or the headers boot and seq.",
            "Pass on headers=record.headers() and key=record.key().",
        )
    found = Counter(_name(record) for record in stored)
    if missing := [name for name in wanted if name not in found]:
        generator, _boot, seq = missing[0] or ("", "", "")
        return not_yet(
            f"{len(missing)} readings are missing, for example number {seq} of {generator}.",
            "G-002 was restarted, and its numbers began again. What else is in the headers?"
            if all(name and name[0] == "G-002" for name in missing)
            else "Read on until poll(3) gives None, and flush the producer.",
        )
    if repeated := [name for name, times in found.items() if times > 1]:
        return not_yet(
            f"{len(repeated)} readings are there more than once.",
            "A reading is named by its generator, boot and seq together. An earlier attempt counts too: run the "
            "cell that fills bridge-twice again, it makes both topics anew.",
        )
    came = [(name[0], name) for name in map(_name, stored) if name]
    if problem := _in_order(came, [(name[0], name) for name in wanted if name], _ONCE):
        return problem
    return done(f"{sum(wanted.values())} records went in, and {len(found)} readings came out, each once and in order.")


def exercise_3(watch: Watch) -> Result:
    """The readings of the yards are in ``bridge-yard``, keyed by generator, carried by ``helpers.bridge``."""
    sent = watch.messages("bridge/yard/+/readings")
    if not sent:
        return not_yet("nothing was published under bridge/yard.", "Call publish_yard() inside the with block.")
    good, bad = [each for each in sent if _is_json(each.payload)], [each for each in sent if not _is_json(each.payload)]
    stored, dead = watch.kafka_records(_YARD), watch.kafka_records(_YARD_DEAD)
    if not stored:
        return not_yet(
            f"{len(sent)} messages were published, and {_YARD} is empty.",
            "The pattern is bridge/yard/{device}/readings, with here.ns in front. Publish while the bridge runs.",
        )
    if any(not _header(record, "mqtt.topic") for record in stored):
        return not_yet(
            f"{_YARD} holds records without the header mqtt.topic.",
            "Let helpers.bridge carry them: with Bridge(config).",
        )
    problem = _carried(good, stored, _YARD, key=lambda message: message.topic.split("/")[-2]) or _dead_letters(
        bad, dead, _YARD_DEAD
    )
    if problem:
        return problem
    return done(f"{len(good)} readings are in {_YARD} under their generators, and {len(bad)} messages in {_YARD_DEAD}.")


def _carried(sent: list[Seen], stored: list[Any], topic: str, *, key: Any) -> Result | None:  # noqa: ANN401
    """What is wrong with ``stored`` as the records of ``sent``, where ``key`` names a message's key, if anything."""
    if poison := [record for record in stored if not _is_json(record.value())]:
        return not_yet(
            f"{len(poison)} records in {topic} are no JSON.", "They belong into the dead-letter topic, as they are."
        )
    found = {record.value() for record in stored}
    if missing := [each for each in sent if each.payload not in found]:
        return not_yet(
            f"{len(missing)} of {len(sent)} readings are not in {topic}.",
            "Wait for all delivery reports before you end: poll until nothing is waiting any more.",
        )
    expected = {each.payload: key(each) for each in sent}
    wrong = [record for record in stored if _text(record.key()) != expected.get(record.value(), _text(record.key()))]
    if wrong:
        return not_yet(
            f"a record in {topic} has the key {_text(wrong[0].key())!r}, and its generator is "
            f"{expected[wrong[0].value()]}.",
            "The key decides the partition, and so the order: use the generator's id alone.",
        )
    return None


def _dead_letters(sent: list[Seen], dead: list[Any], topic: str) -> Result | None:
    """What is wrong with ``dead`` as the dead letters of ``sent``, if anything."""
    found = {record.value() or b"" for record in dead}
    if missing := [each for each in sent if each.payload not in found]:
        return not_yet(
            f"{len(missing)} of {len(sent)} bad messages are not in {topic}.",
            "Catch the error of json.loads, and produce the original bytes there.",
        )
    if len(found) > len({each.payload for each in sent}):
        return not_yet(f"{topic} holds more than the {len(sent)} bad messages.", "Good readings do not belong there.")
    if any(not _header(record, _REASON) for record in dead):
        return not_yet(f"a record in {topic} says no reason.", f'Give headers=[("{_REASON}", str(error))] to produce.')
    return None


def _in_order(
    stored: Iterable[tuple[str, Hashable]], wanted: Iterable[tuple[str, Hashable]], topic: str
) -> Result | None:
    """Whether the first occurrences of ``stored``, pairs of key and identity, keep each key's order in ``wanted``."""
    place = {pair: number for number, pair in reversed(list(enumerate(wanted)))}
    last: dict[str, int] = {}
    for pair in dict.fromkeys(stored):
        key, _identity = pair
        if pair in place and place[pair] < last.get(key, -1):
            return not_yet(
                f"in {topic}, the readings of {key} are not in the order in which they came.",
                "Produce in the order of receipt, with the generator's id as the key, so that they share a partition.",
            )
        last[key] = max(last.get(key, -1), place.get(pair, -1))
    return None


def _left_in_session(here: Here, client_id: str) -> int | None:
    """How many messages the MQTT broker still keeps for ``client_id``; None when it has no such session.

    Nothing is acknowledged, so they stay where they are.
    """
    received: list[int] = []
    present: list[bool] = []
    connected = threading.Event()
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=f"{here.ns}{client_id}", protocol=mqtt.MQTTv5, manual_ack=True
    )

    def on_connect(_client: object, _data: object, flags: Any, _reason: object, _properties: object) -> None:  # noqa: ANN401
        present.append(bool(flags.session_present))
        connected.set()

    client.on_connect = on_connect
    client.on_message = lambda _client, _data, message: received.append(message.mid)
    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    session.SessionExpiryInterval = _KEEP
    begin(client, here.mqtt, clean_start=False, properties=session)
    connected.wait(_TIMEOUT)
    time.sleep(_QUIET)
    client.disconnect()
    client.loop_stop()
    return len(received) if present and present[0] else None


def _name(record: Any) -> tuple[str, str, int] | None:  # noqa: ANN401
    boot, seq = _header(record, "boot"), _header(record, "seq")
    if record.key() is None or not boot or not seq or not seq.isdigit():
        return None
    return _text(record.key()), boot, int(seq)


def _header(record: Any, name: str) -> str:  # noqa: ANN401
    return next((_text(value) for key, value in record.headers() or [] if key == name), "")


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def _is_json(payload: bytes | None) -> bool:
    try:
        json.loads(payload or b"")
    except ValueError:
        return False
    return True
