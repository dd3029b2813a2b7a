"""Checks of lesson 04: a topic whose keys keep order, a group set back, gaps found."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from helpers.checks.recorder import Here, Watch
from helpers.checks.result import Result, done, not_yet

_REFUELLING, _PARTITIONS, _DAY_MS, _READINGS = "log-refuelling", 3, 24 * 60 * 60 * 1000, 120
_PRACTICE, _ANALYSTS = "log-practice", "log-analysts"
_GAPS, _MISSING = "log-gaps", "log-missing"
_TIMEOUT = 10.0


def exercise_1(watch: Watch) -> Result:
    """A topic of three partitions, kept for a day, in which each generator's readings are in order."""
    name = f"{watch.here.ns}{_REFUELLING}"
    partitions = _partitions(watch.here, name)
    if not partitions:
        return not_yet(f"there is no topic {name}.", "create() from section 1 makes one.")
    if partitions != _PARTITIONS:
        return not_yet(
            f"{name} has {partitions} partition{'s' if partitions > 1 else ''}.",
            "Delete it with admin.delete_topics([...]) and make it anew: partitions can be added, never removed.",
        )
    kept = int(_settings(watch.here, name)["retention.ms"])
    if kept != _DAY_MS:
        return not_yet(
            f"{name} keeps its records for {_hours(kept)}.", "retention.ms counts milliseconds. A day has 86,400,000."
        )
    return _ordered(watch.kafka_records(_REFUELLING))


def _ordered(records: list[Any]) -> Result:  # noqa: PLR0911 - one answer for each mistake
    if not records:
        return not_yet("the topic is there, and empty.", "Produce the readings, and wait for the reports with flush().")
    places: dict[str, set[int]] = defaultdict(set)
    numbers: dict[str, list[int]] = defaultdict(list)
    for record in records:
        try:
            generator = str(json.loads(record.value())["generatorID"])
            seq = int(_headers(record)["seq"])
        except (ValueError, TypeError, KeyError):
            return not_yet(
                f"the record at offset {record.offset()} is no reading with a seq header.",
                "value=reading.to_json(), headers=reading.headers()",
            )
        places[generator].add(record.partition())
        numbers[generator].append(seq)
    torn = sorted(generator for generator, found in places.items() if len(found) > 1)
    if torn:
        return not_yet(
            f"the readings of {torn[0]} lie in {len(places[torn[0]])} partitions: their order is gone.",
            "Equal keys go to one partition. A topic cannot be put right afterwards: delete it and begin again.",
        )
    if any(record.key() is None for record in records):
        return not_yet("some records have no key.", "What must stay in order? That is the key.")
    wrong = sorted(generator for generator, seqs in numbers.items() if seqs != sorted(seqs))
    if wrong:
        return not_yet(
            f"the readings of {wrong[0]} were not written in the order of their seq.",
            "Were they written twice? Delete the topic and begin again.",
        )
    if sum(map(len, numbers.values())) < _READINGS:
        return not_yet(f"{len(records)} readings arrived, of {_READINGS}.", "Did flush() return 0?")
    return done(f"{len(records)} readings of {len(numbers)} generators, each generator in order, kept for a day.")


def exercise_2(watch: Watch) -> Result:
    """The group's committed offsets are those of the first record of the late shift, in every partition."""
    group = f"{watch.here.ns}{_ANALYSTS}"
    wanted: dict[int, int] = {}
    for record in watch.kafka_records(_PRACTICE):
        if _headers(record)["shift"] == "late":
            wanted.setdefault(record.partition(), record.offset())
    if not wanted:
        return not_yet("the practice topic is empty.", "Run the cell above the exercise first.")
    committed = _committed(watch.here, group, f"{watch.here.ns}{_PRACTICE}", wanted)
    if all(offset < 0 for offset in committed.values()):
        return not_yet(f"the group {group} has committed nothing on this topic.", "commit(offsets=[...]) is one way.")
    for partition, offset in sorted(wanted.items()):
        stands = committed[partition]
        if stands == offset:
            continue
        if stands < 0:
            return not_yet(f"partition {partition} has no committed offset.", "The topic has several partitions.")
        early = stands < offset
        return not_yet(
            f"in partition {partition} the group would begin at offset {stands}, "
            + (f"{offset - stands} too early." if early else f"{stands - offset} too late."),
            "A committed offset is that of the *next* record to read."
            if abs(stands - offset) == 1
            else "offsets_for_times finds the first offset at or after a moment.",
        )
    return done("Started again, the analysts read the late shift and nothing else.")


def exercise_3(watch: Watch) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """One record for each missing reading: key generator, value sequence number."""
    name = f"{watch.here.ns}{_MISSING}"
    present: dict[str, set[int]] = defaultdict(set)
    for record in watch.kafka_records(_GAPS):
        present[json.loads(record.value())["generatorID"]].add(int(_headers(record)["seq"]))
    wanted = {
        (generator, seq)
        for generator, numbers in present.items()
        for seq in set(range(min(numbers), max(numbers))) - numbers
    }
    if not wanted:
        return not_yet("the topic with the gaps is empty.", "Run the cell above the exercise first.")
    if not _partitions(watch.here, name):
        return not_yet(f"there is no topic {name}.", "Kafka topics are made first.")
    found: list[tuple[str, int]] = []
    for record in watch.kafka_records(_MISSING):
        try:
            found.append((record.key().decode(), int(record.value())))
        except (AttributeError, ValueError, TypeError):
            return not_yet(
                f"the record at offset {record.offset()} is no key and number.",
                "produce(..., key=generator, value=str(seq))",
            )
    if not found:
        return not_yet(f"{name} is empty.", "Does every record have a delivery report? flush() waits for them.")
    if too_many := sorted(set(found) - wanted):
        return not_yet(
            f"{too_many[0][0]} seq {too_many[0][1]} is reported missing, and it is there.",
            "Compare what each generator has with range(first, last + 1). Delete the topic to begin again.",
        )
    if too_few := wanted - set(found):
        return not_yet(
            f"{len(wanted) - len(too_few)} of {len(wanted)} missing readings are reported.",
            "A gap can be longer than one reading, and more than one generator has gaps.",
        )
    if len(found) > len(wanted):
        return not_yet("some gaps are reported twice.", "Delete the topic with admin.delete_topics([...]), and again.")
    return done(f"All {len(wanted)} missing readings are found, and no other.")


def _headers(record: Any) -> dict[str, str]:  # noqa: ANN401  confluent_kafka.Message has no public constructor
    return {name: bytes(value).decode() for name, value in record.headers() or []}


def _hours(milliseconds: int) -> str:
    return "ever" if milliseconds < 0 else f"{milliseconds / 3_600_000:g} h"


def _partitions(here: Here, name: str) -> int:
    """How many partitions a topic has; 0 if there is no such topic."""
    topics = AdminClient({**here.kafka}).list_topics(timeout=_TIMEOUT).topics
    return len(topics[name].partitions) if name in topics and topics[name].error is None else 0


def _settings(here: Here, name: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, name)
    admin = AdminClient({**here.kafka})  # named, so that it outlives the answer
    answer = admin.describe_configs([resource], request_timeout=_TIMEOUT)
    return {key: entry.value for key, entry in answer[resource].result(_TIMEOUT).items()}


def _committed(here: Here, group: str, topic: str, partitions: dict[int, int]) -> dict[int, int]:
    """The committed offset of each partition, negative where there is none."""
    consumer = Consumer({**here.kafka, "group.id": group, "enable.auto.commit": False})
    try:
        places = consumer.committed([TopicPartition(topic, each) for each in partitions], timeout=_TIMEOUT)
    except KafkaException:
        return dict.fromkeys(partitions, -1)
    finally:
        consumer.close()
    return {each.partition: each.offset for each in places}
