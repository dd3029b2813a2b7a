"""Checks of lesson 04: a topic whose keys keep order, a group set back, gaps found."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from helpers.checks import brokers
from helpers.checks.brokers import header
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_REFUELLING, _PARTITIONS, _DAY_MS, _READINGS = "log-refuelling", 3, 24 * 60 * 60 * 1000, 120
_PRACTICE, _ANALYSTS = "log-practice", "log-analysts"
_GAPS, _MISSING = "log-gaps", "log-missing"


def exercise_1(recorder: Recorder) -> Result:
    """A topic of three partitions, kept for a day, in which each generator's readings are in order."""
    name = f"{recorder.here.ns}{_REFUELLING}"
    partitions = brokers.topics(recorder.here).get(_REFUELLING)
    if not partitions:
        return not_yet(f"There is no topic {name}.", "create() from section 1 makes one.")
    if partitions != _PARTITIONS:
        return not_yet(
            f"{name} has {partitions} partition{'s' if partitions > 1 else ''}.",
            "Partitions can be added, never removed. create() makes the topic anew: run your cell again, corrected.",
        )
    kept = int(brokers.topic_settings(recorder.here, _REFUELLING)["retention.ms"])
    if kept != _DAY_MS:
        return not_yet(
            f"{name} keeps its records {_duration(kept)}.",
            "retention.ms counts milliseconds. A day has 86,400,000.",
        )
    return _ordered(recorder.kafka_records(_REFUELLING))


def _ordered(records: list[Any]) -> Result:  # noqa: PLR0911 - one answer for each mistake
    if not records:
        return not_yet(
            "The topic exists, but it is empty.",
            "Produce the readings, and wait for the delivery reports with flush().",
        )
    places: dict[str, set[int]] = defaultdict(set)
    numbers: dict[str, list[int]] = defaultdict(list)
    for record in records:
        try:
            generator = str(json.loads(record.value())["generatorID"])
            seq = int(header(record, "seq"))
        except (ValueError, TypeError, KeyError):
            return not_yet(
                f"The record at offset {record.offset()} is not a reading with a seq header.",
                "value=reading.to_json(), headers=reading.headers()",
            )
        places[generator].add(record.partition())
        numbers[generator].append(seq)
    torn = sorted(generator for generator, found in places.items() if len(found) > 1)
    if torn:
        return not_yet(
            f"The readings of {torn[0]} are spread over {len(places[torn[0]])} partitions: their order is lost.",
            "Equal keys go to the same partition. Records cannot be moved later: create() makes the topic anew.",
        )
    if any(record.key() is None for record in records):
        return not_yet("Some records have no key.", "What must stay in order? That is the key.")
    wrong = sorted(generator for generator, seqs in numbers.items() if seqs != sorted(seqs))
    if wrong:
        return not_yet(
            f"The readings of {wrong[0]} were not written in the order of their seq.",
            "Were they written twice? create() makes the topic anew.",
        )
    if sum(map(len, numbers.values())) < _READINGS:
        return not_yet(f"{len(records)} of {_READINGS} readings arrived.", "Did flush() return 0?")
    return done(f"{len(records)} readings of {len(numbers)} generators, each generator in order, kept for a day.")


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
            f"The group {ns}{_ANALYSTS} has committed nothing on {ns}{_PRACTICE}.", "commit(offsets=[...]) is one way."
        )
    for partition, offset in sorted(wanted.items()):
        stands = committed[partition]
        if stands == offset:
            continue
        if stands < 0:
            return not_yet(f"Partition {partition} has no committed offset.", "The topic has several partitions.")
        early = stands < offset
        return not_yet(
            f"In partition {partition} the group would begin at offset {stands}, "
            + (f"{offset - stands} too early." if early else f"{stands - offset} too late."),
            "A committed offset is that of the *next* record to read."
            if abs(stands - offset) == 1
            else "offsets_for_times finds the first offset at or after a moment.",
        )
    return done("When the analysts start again, they read the late shift and nothing else.")


def exercise_3(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """One record for each missing reading: key generator, value sequence number."""
    ns = recorder.here.ns
    present: dict[str, set[int]] = defaultdict(set)
    for record in recorder.kafka_records(_GAPS):
        present[json.loads(record.value())["generatorID"]].add(int(header(record, "seq")))
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
            return not_yet(
                f"The record at offset {record.offset()} is not a generator and a number.",
                "produce(..., key=generator, value=str(seq))",
            )
    if not found:
        return not_yet(
            f"The topic {ns}{_MISSING} is empty.", "Does every record have a delivery report? flush() waits for them."
        )
    if too_many := sorted(set(found) - wanted):
        return not_yet(
            f"{too_many[0][0]} seq {too_many[0][1]} is reported missing, but it is there.",
            "Compare each generator's numbers with range(first, last + 1), and let create() make the topic anew.",
        )
    if too_few := wanted - set(found):
        return not_yet(
            f"Of {len(wanted)} missing readings, {len(wanted) - len(too_few)} are reported.",
            "A gap can be longer than one reading, and more than one generator has gaps.",
        )
    if len(found) > len(wanted):
        return not_yet(
            "Some missing readings are reported twice.",
            "Report each once, and let create() make the topic anew.",
        )
    return done(f"All {len(wanted)} missing readings are reported, and no others.")


def _duration(milliseconds: int) -> str:
    return "for ever" if milliseconds < 0 else f"for {milliseconds / 3_600_000:g} h"
