"""Checks of lesson 07: a session emptied into Kafka, repetitions taken out, a bridge configured."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from helpers.checks.brokers import MqttClient, header
from helpers.checks.recorder import Recorder, Seen
from helpers.checks.result import Result, done, not_yet

_FILLED, _DEAD = "bridge-exercise", "bridge-exercise-dead"
_TWICE, _ONCE = "bridge-twice", "bridge-once"
_YARD, _YARD_DEAD = "bridge-yard", "bridge-yard-dead"
_REASON = "dead-letter.reason"
_QUIET = 1.0


def exercise_1(recorder: Recorder) -> Result:
    """All messages of the session are in Kafka, each in its topic, and the session is empty."""
    good, bad = _good_and_bad(recorder.messages("bridge/exercise/+"))
    stored, dead = recorder.kafka_records(_FILLED), recorder.kafka_records(_DEAD)
    if not stored and not dead:
        return not_yet(
            f"Neither {_FILLED} nor {_DEAD} holds a record.",
            "Begin with on_message: produce each message, and keep it until its delivery report comes.",
        )
    problem = (
        _forwarded(good, stored, _FILLED, key=lambda message: str(json.loads(message.payload)["generatorID"]))
        or _dead_letters(bad, dead, _DEAD)
        or _in_order(
            [(_text(record.key()), record.value()) for record in stored],
            [(str(json.loads(each.payload)["generatorID"]), each.payload) for each in good],
            _FILLED,
        )
    )
    if problem:
        return problem
    with MqttClient(recorder.here, _FILLED, keep_session=True, manual_ack=True) as client:
        time.sleep(_QUIET)  # what comes is not acknowledged, so it stays in the session
        left = client.inbox.qsize() if client.session_present else None
    if left is None:
        return not_yet(
            f"The MQTT broker no longer has a session for the client {_FILLED}.",
            "Connect with clean_start=False and persistent(), or the session ends. fill_session() starts again.",
        )
    if left:
        return not_yet(
            f"Everything is in Kafka, but the session still holds {left} messages.",
            "Call client.ack(message.mid, message.qos) for each one that is stored; the client needs manual_ack=True, "
            "and a last client.loop() to send its acknowledgements.",
        )
    return done(f"{len(good)} readings and {len(bad)} dead letters are in Kafka, and the session is empty.")


def exercise_2(recorder: Recorder) -> Result:
    """Each reading of ``bridge-twice`` is in ``bridge-once`` exactly once, in its generator's order."""
    wanted = Counter(_name(record) for record in recorder.kafka_records(_TWICE))  # in order of first appearance
    stored = recorder.kafka_records(_ONCE)
    if not stored:
        return not_yet(f"{_ONCE} is empty.", "Read with auto.offset.reset=earliest, and flush the producer at the end.")
    unnamed = [record for record in stored if _name(record) is None]
    if unnamed:
        return not_yet(
            f"{len(unnamed)} records in {_ONCE} have no key, or lack the headers boot and seq.",
            "Pass on headers=record.headers() and key=record.key().",
        )
    found = Counter(_name(record) for record in stored)
    if missing := [name for name in wanted if name not in found]:
        generator, _boot, seq = missing[0] or ("", "", "")
        return not_yet(
            f"{len(missing)} readings are missing, for example number {seq} of {generator}.",
            "G-002 was restarted, and its numbers began again at 1. What else is in the headers?"
            if all(name and name[0] == "G-002" for name in missing)
            else "Read up to the end offsets of bridge-twice, and flush the producer.",
        )
    if repeated := [name for name, times in found.items() if times > 1]:
        return not_yet(
            f"{len(repeated)} readings are there more than once.",
            "Generator, boot and seq together identify a reading. An earlier attempt counts too: write_twice() in the "
            "exercise cell starts again.",
        )
    pairs = [(name[0], name) for name in map(_name, stored) if name]
    if problem := _in_order(pairs, [(name[0], name) for name in wanted if name], _ONCE):
        return problem
    return done(f"{sum(wanted.values())} records went in, and {len(found)} readings came out, each once and in order.")


def exercise_3(recorder: Recorder) -> Result:
    """The yard's readings are in ``bridge-yard``, keyed by generator, forwarded by ``helpers.bridge``."""
    sent = recorder.messages("bridge/yard/+/readings")
    if not sent:
        return not_yet("Nothing was published under bridge/yard.", "Call publish_yard() inside the with block.")
    good, bad = _good_and_bad(sent)
    stored, dead = recorder.kafka_records(_YARD), recorder.kafka_records(_YARD_DEAD)
    if not stored:
        return not_yet(
            f"{len(sent)} messages were published, but {_YARD} is empty.",
            "The pattern is bridge/yard/{device}/readings, with here.ns in front. Publish while the bridge runs.",
        )
    if any(not header(record, "mqtt.topic") for record in stored):
        return not_yet(
            f"{_YARD} holds records without the header mqtt.topic.",
            "Let helpers.bridge forward them: with Bridge(config).",
        )
    problem = _forwarded(good, stored, _YARD, key=lambda message: message.topic.split("/")[-2]) or _dead_letters(
        bad, dead, _YARD_DEAD
    )
    if problem:
        return problem
    return done(f"{len(good)} readings are in {_YARD} under their generators, and {len(bad)} messages in {_YARD_DEAD}.")


def _forwarded(sent: list[Seen], stored: list[Any], topic: str, *, key: Callable[[Seen], str]) -> Result | None:
    """What is wrong with ``stored`` as the records of ``sent``, where ``key`` names a message's key, if anything."""
    if poison := [record for record in stored if not _is_json(record.value())]:
        return not_yet(
            f"{len(poison)} records in {topic} are not JSON.", "They belong in the dead-letter topic, unchanged."
        )
    found = {record.value() for record in stored}
    if missing := [each for each in sent if each.payload not in found]:
        return not_yet(
            f"{len(missing)} of {len(sent)} readings are not in {topic}.",
            "Wait for all delivery reports before you stop: poll until none is outstanding.",
        )
    expected = {each.payload: key(each) for each in sent}
    wrong = [record for record in stored if _text(record.key()) != expected.get(record.value(), _text(record.key()))]
    if wrong:
        return not_yet(
            f"A record in {topic} has the key {_text(wrong[0].key())!r}, but its generator is "
            f"{expected[wrong[0].value()]}.",
            "The key determines the partition, and so the order: use the generator's id alone.",
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
    if any(not header(record, _REASON) for record in dead):
        return not_yet(f"A record in {topic} has no reason.", f'Pass headers=[("{_REASON}", str(error))] to produce.')
    return None


def _in_order(
    stored: Iterable[tuple[str, Hashable]], wanted: Iterable[tuple[str, Hashable]], topic: str
) -> Result | None:
    """Whether the first occurrences of ``stored``, pairs of key and identity, keep each key's order in ``wanted``."""
    position = {pair: number for number, pair in reversed(list(enumerate(wanted)))}
    last: dict[str, int] = {}
    for pair in dict.fromkeys(stored):
        key, _identity = pair
        if pair in position and position[pair] < last.get(key, -1):
            return not_yet(
                f"In {topic}, the readings of {key} are not in the order in which they were sent.",
                "Produce in the order of receipt, with the generator's id as the key, so that they share a partition.",
            )
        last[key] = max(last.get(key, -1), position.get(pair, -1))
    return None


def _name(record: Any) -> tuple[str, str, int] | None:  # noqa: ANN401
    boot, seq = header(record, "boot"), header(record, "seq")
    if record.key() is None or not boot or not seq or not seq.isdigit():
        return None
    return _text(record.key()), boot, int(seq)


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def _good_and_bad(sent: list[Seen]) -> tuple[list[Seen], list[Seen]]:
    """Those messages whose payload is JSON, and the others."""
    return [each for each in sent if _is_json(each.payload)], [each for each in sent if not _is_json(each.payload)]


def _is_json(payload: bytes | None) -> bool:
    try:
        json.loads(payload or b"")
    except ValueError:
        return False
    return True
