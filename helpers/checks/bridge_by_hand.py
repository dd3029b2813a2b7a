"""Checks: a session emptied into Kafka, repetitions taken out, a bridge configured."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

from helpers.checks import brokers
from helpers.checks.brokers import MqttClient, header, json_object
from helpers.checks.recorder import Recorder, Seen
from helpers.checks.result import Result, done, not_yet

_FILLED, _DEAD = "bridge-exercise", "bridge-exercise-dead"
_TWICE, _ONCE = "bridge-twice", "bridge-once"
_YARD, _YARD_DEAD = "bridge-yard", "bridge-yard-dead"
_REASON = "dead-letter.reason"
_QUIET = 0.5
# Records have times in milliseconds, by a clock that may be a container's.
_TICK = 0.01
_ACKNOWLEDGE = "Call client.ack(message.mid, message.qos) for what is stored, or the broker stops after a hundred."
_OTHERS = "Every generator counts on its own: several have a reading with the same boot and seq."
# What people take for the identity of a reading, and why it is not.
_MISTAKEN = {
    ("key", "seq"): "A generator was restarted, and its numbers began again at 1. What else is in the headers?",
    ("seq",): _OTHERS,
    ("boot", "seq"): _OTHERS,
    ("value",): "A stopped generator sends equal values. They are not one reading.",
}


class Line(Protocol):
    """The part of a relay that a check uses."""

    @property
    def now(self) -> float:
        """The time on the clock of ``Packet.at``."""

    def packets(self, *, since: float) -> list[Any]:
        """The packets that passed from then on."""


def exercise_1(recorder: Recorder, line: Line) -> Result:
    """All messages of the session are in Kafka, each in its topic, and none was acknowledged before it was."""
    sent = recorder.messages("bridge/exercise/+")
    left = _left_in_session(recorder)  # which gives the producer a moment, if the exercise ended in an error
    received, acknowledged = _passed(line, f"{recorder.here.ns}{_FILLED}", since=sent[0].at) if sent else ([], [])
    stored, dead = recorder.kafka_records(_FILLED), recorder.kafka_records(_DEAD)
    if not stored and not dead:
        return _nothing_stored(acknowledged, left)
    return (
        _wrong_readings(sent, stored, _FILLED)
        or _missing(sent, stored, left, acknowledged)
        or _wrong_dead_letters(sent, dead, _DEAD)
        or _in_order(
            [(record.key(), record.value()) for record in stored], [(_generator(m), m.payload) for m in sent], _FILLED
        )
        or _wrong_session(left, acknowledged)
        or _premature(recorder, line, received, acknowledged, [*stored, *dead])
        or done(f"{len(sent)} messages are in Kafka, and each was acknowledged after that.")
    )


def exercise_2(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """Each reading of ``bridge-twice`` is in ``bridge-once`` exactly once, in its generator's order."""
    originals, stored = recorder.kafka_records(_TWICE), recorder.kafka_records(_ONCE)
    wanted = {_name(record): record for record in originals}  # in order of first appearance
    if not wanted:
        return not_yet(f"{_TWICE} is empty.", "Begin with write_twice().")
    for record in stored:
        if record.key() is None:
            return not_yet(f"A record in {_ONCE} has no key.", "Pass on key=record.key().")
        if _name(record) not in wanted:
            return not_yet(f"A record in {_ONCE} lacks the header boot or seq.", "Pass on headers=record.headers().")
        if record.value() != wanted[_name(record)].value():
            return not_yet(f"A record in {_ONCE} has another value.", "Pass on value=record.value(), unchanged.")
    found = Counter(map(_name, stored))
    if missing := [name for name in wanted if name not in found]:
        return not_yet(
            f"{len(missing)} readings are missing, for example number {missing[0][2]} of {missing[0][0].decode()}.",
            _mistaken_identity(wanted.values(), stored) or _left_out(brokers.lag(recorder.here, _ONCE, _TWICE)),
        )
    if repeated := [name for name, times in found.items() if times > 1]:
        return not_yet(
            f"{len(repeated)} readings are there more than once.",
            "An earlier attempt counts too: begin with write_twice()."
            if len(repeated) == len(wanted)
            else "Generator, boot and seq together identify a reading: remember those that you have written.",
        )
    names = [(record.key(), _name(record)) for record in stored]
    return _in_order(names, [(name[0], name) for name in wanted], _ONCE) or done(
        f"{len(originals)} records went in, and {len(found)} readings came out, each once and in order."
    )


def exercise_3(recorder: Recorder) -> Result:
    """The yard's readings are in ``bridge-yard``, keyed by generator, forwarded by ``helpers.bridge``."""
    sent = recorder.messages("bridge/yard/+/readings")
    if not sent:
        return not_yet("Nothing was published under bridge/yard.", "Call publish_yard() inside the with block.")
    stored, dead = recorder.kafka_records(_YARD), recorder.kafka_records(_YARD_DEAD)
    if not stored:
        return not_yet(
            f"{_YARD} is empty.",
            "The pattern is bridge/yard/{device}/readings, with ns. Publish while the bridge runs.",
        )
    if any(not header(record, "mqtt.topic") for record in stored):
        return not_yet(f"{_YARD} holds records without the header mqtt.topic.", "Use helpers.bridge.")
    missing, problem = _not_in(stored, filter(_is_reading, sent)), _wrong_readings(sent, stored, _YARD)
    if missing and not problem:
        return not_yet(
            f"{len(missing)} readings are not in {_YARD}.", f"Let the bridge run until counts.acked is {len(sent)}."
        )
    good = len(sent) - len(dead)
    found = f"{good} readings are in {_YARD} under their generators, and {len(dead)} in {_YARD_DEAD}."
    return problem or _wrong_dead_letters(sent, dead, _YARD_DEAD) or done(found)


def _nothing_stored(acknowledged: list[float], left: int | None) -> Result:
    if acknowledged:
        return not_yet("All messages were acknowledged, and none is in Kafka.", "poll() until each report has come.")
    if left:
        return not_yet("Neither Kafka topic holds a record.", "Begin with on_message: produce each message.")
    return not_yet("Nothing is in Kafka, and the session is gone.", "Connect with clean_start=False and persistent().")


def _missing(sent: list[Seen], stored: list[Any], left: int | None, acknowledged: list[float]) -> Result | None:
    """Which readings are not in Kafka, and why."""
    if not (missing := _not_in(stored, filter(_is_reading, sent))):
        return None
    return not_yet(
        f"{len(missing)} readings are not in {_FILLED}.",
        "They came after one that is not JSON. An exception in on_message ends the loop: catch it."
        if not _is_reading(sent[sent.index(missing[0]) - 1])
        else _ACKNOWLEDGE
        if left and not acknowledged
        else "They still wait in the session. It is empty when nothing has come for two seconds, not sooner."
        if left
        else "They were acknowledged all the same. poll() until no delivery report is outstanding.",
    )


def _wrong_session(left: int | None, acknowledged: list[float]) -> Result | None:
    """What is wrong with a session that should be there and empty, if anything."""
    if left is None:
        return not_yet(f"The session of {_FILLED} is gone.", "It ends with the connection without persistent().")
    if left:
        return not_yet(
            f"Everything is in Kafka, but the session still holds {left} messages.",
            "Disconnect when the last report has come, and client.loop() has sent the last acknowledgement."
            if acknowledged
            else _ACKNOWLEDGE,
        )
    return None


def _premature(
    recorder: Recorder, line: Line, received: list[float], acknowledged: list[float], records: list[Any]
) -> Result | None:
    """Whether messages were acknowledged before they were stored; times are those of their packets."""
    if not acknowledged:
        return not_yet("No acknowledgement passed the line.", "Connect to lab_line.host and lab_line.port.")
    stored = sorted(record.timestamp()[1] / 1000 for record in records)
    ahead = time.time() - line.now
    if not recorder.here.kafka["bootstrap.servers"].startswith(("127.", "localhost")):  # then it has another clock
        # No message is stored before it is received: that bounds the difference.
        ahead = min(there - here for there, here in zip(stored, received, strict=False))
    if early := sum(here + _TICK < there - ahead for there, here in zip(stored, acknowledged, strict=False)):
        return not_yet(
            f"{early} messages were acknowledged before Kafka had them. A crash would have lost them.",
            "paho acknowledges when on_message returns, unless manual_ack=True. Acknowledge after the delivery report.",
        )
    return None


def _passed(line: Line, client: str, *, since: float) -> tuple[list[float], list[float]]:
    """When a client received messages and when it acknowledged them, ``since`` a time of ``time.monotonic()``."""
    packets = [each for each in line.packets(since=since - time.monotonic() + line.now) if each.client == client]
    received = [each.at for each in packets if each.kind == "PUBLISH" and not each.to_broker]
    return received, [each.at for each in packets if each.kind == "PUBACK" and each.to_broker]


def _left_in_session(recorder: Recorder) -> int | None:
    """How many messages wait in the session of the exercise's client, None if there is no session."""
    left = 0
    with MqttClient(recorder.here, _FILLED, keep_session=True, manual_ack=True) as client:
        while client.session_present and client.next(within=_QUIET):
            left += 1  # it is not acknowledged, so it stays in the session
    if client.session_present:
        return left
    with MqttClient(recorder.here, _FILLED):
        return None  # this ends the session that the look has made


def _not_in(stored: list[Any], sent: Iterable[Seen]) -> list[Seen]:
    """The messages for which there is no record. Each of several equal ones needs its own."""
    records = Counter(record.value() or b"" for record in stored)
    missing = []
    for each in sent:
        records[each.payload] -= 1
        missing += [each] if records[each.payload] < 0 else []
    return missing


def _mistaken_identity(wanted: Iterable[Any], stored: list[Any]) -> str:
    """A hint if ``stored`` has one record for each value of something that does not identify a reading; or nothing."""
    for parts, hint in _MISTAKEN.items():
        kept = {_name(each, *parts) for each in stored}
        if len(kept) == len(stored) and kept == {_name(each, *parts) for each in wanted}:
            return hint
    return ""


def _left_out(lag: int) -> str:
    if lag:
        return 'Begin at "earliest", and read up to the end offsets of bridge-twice: poll() gives None sooner, too.'
    return "You have read everything. A producer sends in the background: flush it at the end."


def _wrong_readings(sent: list[Seen], stored: list[Any], topic: str) -> Result | None:
    """What is wrong with records that should be the readings among the messages, keyed by generator, if anything."""
    generators = {each.payload: _generator(each) for each in sent}
    for record in stored:
        if json_object(record.value()) is None:
            return not_yet(
                f"A record in {topic} is not JSON.", 'It is a dead letter. For helpers.bridge: serializer="json"'
            )
        if record.key() != generators.get(record.value(), record.key()):
            return not_yet(
                f"{topic} holds the key {record.key()!r}.", "The key should be the id of its generator, alone."
            )
    return None


def _wrong_dead_letters(sent: list[Seen], dead: list[Any], topic: str) -> Result | None:
    """What is wrong with records that should be the bad ones among the messages, if anything."""
    bad = [each for each in sent if not _is_reading(each)]
    if missing := _not_in(dead, bad):
        return not_yet(
            f"{len(missing)} bad messages are not in {topic}.",
            "Catch the error of json.loads, and produce the bytes there.",
        )
    if any(json_object(record.value()) is not None for record in dead):
        return not_yet(f"{topic} holds more than the {len(bad)} bad messages.", "Good readings do not belong there.")
    if any(not header(record, _REASON) for record in dead):
        return not_yet(f"A record in {topic} has no reason.", f'Pass headers=[("{_REASON}", str(error))] to produce.')
    return None


def _in_order(stored: Iterable[tuple[bytes, Any]], wanted: Iterable[tuple[bytes, Any]], topic: str) -> Result | None:
    """Whether the first occurrences of ``stored``, pairs of key and identity, keep each key's order in ``wanted``."""
    position = {pair: number for number, pair in reversed(list(enumerate(wanted)))}
    last: dict[bytes, int] = {}
    for pair in dict.fromkeys(stored):
        key, _identity = pair
        if position.get(pair, 0) < last.get(key, 0):
            return not_yet(f"In {topic}, {key.decode()} is not in the order sent.", "Produce in the order of receipt.")
        last[key] = position.get(pair, 0)
    return None


def _name(record: Any, *parts: str) -> tuple[Any, ...]:  # noqa: ANN401
    """Which reading a record is, or other parts of it."""
    found = {"key": record.key(), "value": record.value(), "boot": header(record, "boot"), "seq": header(record, "seq")}
    return tuple(found[each] for each in parts or ("key", "boot", "seq"))


def _generator(message: Seen) -> bytes:
    return message.topic.split("/")[2].encode()


def _is_reading(message: Seen) -> bool:
    return json_object(message.payload) is not None
