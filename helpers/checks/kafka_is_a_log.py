"""Checks: a topic whose keys keep order, a group set back, gaps found."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from helpers.checks import brokers
from helpers.checks.brokers import header, json_object
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_REFUELLING, _PARTITIONS, _DAY_MS, _READINGS = "log-refuelling", 3, 24 * 60 * 60 * 1000, 120
_PRACTICE, _ANALYSTS = "log-practice", "log-analysts"
_GAPS, _MISSING = "log-gaps", "log-missing"
_OFF = {
    -1: "A committed offset is that of the *next* record to read.",
    1: "commit(record) says that this record is done: the group would begin behind it.",
}
_TOO_EARLY = "offsets_for_times finds the first offset at or after a moment, which it takes in milliseconds."
_TOO_LATE = "A consumer that reads commits its own place at close(), unless enable.auto.commit is False. Read nothing."
_KEYLESS = "Records without a key go anywhere. What must stay in order? That is the key."


def exercise_1(recorder: Recorder) -> Result:
    """A topic of three partitions, kept for a day, in which each generator's readings are in order."""
    name = f"{recorder.here.ns}{_REFUELLING}"
    partitions = brokers.topics(recorder.here).get(_REFUELLING)
    if not partitions:
        return not_yet(f"There is no topic {name}.", "create() makes one, and puts ns in front of its name.")
    if partitions != _PARTITIONS:
        return not_yet(
            f"{name} has {partitions} partition{'s' if partitions > 1 else ''}.",
            "Partitions can be added, never removed. create() makes the topic anew: run your cell again, corrected.",
        )
    kept = int(brokers.topic_settings(recorder.here, _REFUELLING)["retention.ms"])
    if kept != _DAY_MS:
        return not_yet(f"{name} keeps records {_duration(kept)}.", "retention.ms is in milliseconds: 86,400,000 a day.")
    return _ordered(recorder.kafka_records(_REFUELLING))


def _ordered(records: list[Any]) -> Result:
    if not records:
        return not_yet("The topic is empty.", "Produce the readings, and wait for the delivery reports with flush().")
    for record in records:
        if problem := _not_a_reading(record):
            return problem
    generators = {_generator_and_seq(record)[0] for record in records}
    return next((wrong for each in sorted(generators) if (wrong := _out_of_order(each, records))), None) or (
        done(f"{len(records)} readings of {len(generators)} generators, each generator in order, kept for a day.")
        if len(records) == _READINGS
        else not_yet(f"{len(records)} of {_READINGS} readings arrived.", "Did flush() return 0?")
    )


def _out_of_order(generator: str, records: list[Any]) -> Result | None:
    """What is wrong with the order of a generator's readings among ``records``, if anything."""
    own = [record for record in records if _generator_and_seq(record)[0] == generator]
    spread, seqs = {record.partition() for record in own}, [_generator_and_seq(record)[1] for record in own]
    without_key = any(record.key() is None for record in own)
    if len(spread) > 1:
        return not_yet(
            f"The readings of {generator} are spread over {len(spread)} partitions: their order is lost.",
            _KEYLESS
            if without_key
            else "Equal keys go to the same partition. Records cannot be moved later: create() makes the topic anew.",
        )
    if without_key and len({record.partition() for record in records}) == 1:
        return not_yet("No record has a key. It is luck that all are in one partition.", _KEYLESS)
    if len(set(seqs)) < len(seqs):
        return not_yet(f"Readings of {generator} were written twice.", "create() makes a new topic: write them once.")
    if seqs != sorted(seqs):
        return not_yet(
            f"The readings of {generator} are not in the order of their seq.",
            "A partition keeps the order in which you call produce(). In what order does tanks hold the readings?",
        )
    return None


def exercise_2(recorder: Recorder) -> Result:
    """The group's committed offsets are those of the first record of the late shift, in every partition."""
    ns = recorder.here.ns
    wanted: dict[int, int] = {}
    for record in recorder.kafka_records(_PRACTICE):
        if header(record, "shift") == "late":
            wanted.setdefault(record.partition(), record.offset())
    if not wanted:
        return not_yet(f"The topic {ns}{_PRACTICE} is empty.", "two_shifts() fills it: run the exercise cell.")
    places = brokers.committed(recorder.here, _ANALYSTS)
    committed = {partition: places.get((f"{ns}{_PRACTICE}", partition), -1) for partition in wanted}
    if all(offset < 0 for offset in committed.values()):
        return not_yet(
            f"The group {ns}{_ANALYSTS} has committed nothing on {ns}{_PRACTICE}.",
            "seek() and assign() move one consumer. commit(offsets=[...], asynchronous=False) moves its group.",
        )
    for partition, offset in sorted(wanted.items()):
        if (stands := committed[partition]) == offset:
            continue
        if stands < 0:
            return not_yet(f"Partition {partition} has no committed offset.", "The topic has several partitions.")
        off = stands - offset
        return not_yet(
            f"In partition {partition} the group begins {abs(off)} records too {'early' if off < 0 else 'late'}.",
            _OFF.get(off, _TOO_EARLY if off < 0 else _TOO_LATE),
        )
    return done("When the analysts start again, they read the late shift and nothing else.")


def exercise_3(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """One record for each missing reading: key generator, value sequence number."""
    ns = recorder.here.ns
    present = _with_gaps(recorder)
    if isinstance(present, Result):
        return present
    wanted = {
        (generator, seq)
        for generator, numbers in present.items()
        for seq in set(range(min(numbers), max(numbers))) - numbers
    }
    if not wanted:
        return not_yet(f"The topic {ns}{_GAPS} is empty.", "with_gaps() fills it: run the exercise cell.")
    if _MISSING not in brokers.topics(recorder.here):
        return not_yet(f"There is no topic {ns}{_MISSING}.", "A Kafka topic must be created before you produce to it.")
    found: list[tuple[str, int]] = []
    for record in recorder.kafka_records(_MISSING):
        try:
            found.append((record.key().decode(), int(record.value())))
        except (AttributeError, ValueError, TypeError):
            return not_yet(f"Offset {record.offset()} is not a name and a number.", "key=generator, value=str(seq)")
    if not found:
        return not_yet(f"The topic {ns}{_MISSING} is empty.", "flush() waits for the delivery reports.")
    if strange := sorted(set(found) - wanted):
        generator, seq = strange[0]
        there = seq in present[generator]
        return not_yet(
            f"{generator} seq {seq} is reported missing, but it is "
            + ("there." if there else "not between the generator's first and last reading."),
            "Subtract what is there from range(first, last + 1), for each generator separately."
            if there
            else "min() and max() of a generator's numbers are its first and last.",
        )
    if too_few := wanted - set(found):
        return not_yet(
            f"Of {len(wanted)} missing readings, {len(wanted) - len(too_few)} are reported.",
            "A gap can be longer than one reading."
            if {generator for generator, _ in wanted} == {generator for generator, _ in found}
            else "More than one generator has gaps.",
        )
    if len(found) > len(wanted):
        return not_yet("Some missing readings are reported twice.", "Report each once; create() makes the topic anew.")
    return done(f"All {len(wanted)} missing readings are reported, and no others.")


def _with_gaps(recorder: Recorder) -> dict[str, set[int]] | Result:
    """The sequence numbers of each generator in the topic with gaps, or what is wrong with that topic."""
    present: dict[str, set[int]] = defaultdict(set)
    for record in recorder.kafka_records(_GAPS):
        if _not_a_reading(record):
            return not_yet(
                f"{recorder.here.ns}{_GAPS} holds a record that is not a reading.",
                f"Yours belong in {_MISSING}. with_gaps() makes the topic anew: run the exercise cell.",
            )
        generator, seq = _generator_and_seq(record)
        present[generator].add(seq)
    return present


def _not_a_reading(record: Any) -> Result | None:  # noqa: ANN401
    """What is wrong with a record that should be a reading, if anything."""
    if not isinstance((json_object(record.value()) or {}).get("generatorID"), str):
        return not_yet(f"The record at offset {record.offset()} is not a reading.", "value=reading.to_json()")
    if not header(record, "seq").isdecimal():
        return not_yet(f"The record at offset {record.offset()} has no header seq.", "headers=reading.headers()")
    return None


def _generator_and_seq(record: Any) -> tuple[str, int]:  # noqa: ANN401
    return (json_object(record.value()) or {})["generatorID"], int(header(record, "seq"))


def _duration(milliseconds: int) -> str:
    return "for ever" if milliseconds < 0 else f"for {milliseconds / 3_600_000:g} h"
