"""Lesson 04's checks, on a real Kafka: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from helpers.checks import Watch, lesson04
from helpers.fleet.fleet import Fleet, Reading
from tests.integration.checks.speaking import Unique

DAY = str(24 * 60 * 60 * 1000)
READINGS = list(Fleet(size=6, seed=11).readings(seconds=20))


@pytest.fixture
def watch(here: Any, unique: Unique) -> Watch:
    return Watch(replace(here, ns=f"{unique('ana')}-"))


def create(watch: Watch, name: str, partitions: int = 1, config: dict[str, str] | None = None) -> str:
    topic = NewTopic(f"{watch.here.ns}{name}", num_partitions=partitions, config=config or {})
    admin = AdminClient({**watch.here.kafka})
    admin.create_topics([topic])[topic.topic].result(timeout=30)
    return str(topic.topic)


@pytest.fixture
def producer(watch: Watch) -> Iterator[Producer]:
    producer = Producer({**watch.here.kafka, "enable.idempotence": True, "log_level": 3})
    yield producer
    assert producer.flush(30) == 0


def refuel(watch: Watch, producer: Producer, readings: Iterable[Reading], **how: Any) -> None:
    """Exercise 1 as the solution does it, but for ``how``: partitions, retention, keys, headers."""
    topic = create(watch, "log-refuelling", how.get("partitions", 3), {"retention.ms": how.get("retention", DAY)})
    for reading in readings:
        key = how["key"](reading) if "key" in how else reading.generator_id
        headers = how["headers"](reading) if "headers" in how else reading.headers()
        producer.produce(topic, key=key, value=reading.to_json(), headers=headers)
    assert producer.flush(30) == 0


def test_readings_by_generator_are_what_exercise_1_wants(watch: Watch, producer: Producer) -> None:
    assert "no topic" in lesson04.exercise_1(watch).reason
    refuel(watch, producer, READINGS)
    assert lesson04.exercise_1(watch).passed


@pytest.mark.parametrize(
    ("how", "reason", "hint"),
    [
        ({"partitions": 1}, "has 1 partition.", "never removed"),
        ({"retention": "86400"}, "for 0.024 h", "milliseconds"),
        ({"key": lambda _: str(uuid4())}, "their order is gone", "Equal keys"),
        ({"headers": lambda _: []}, "no reading with a seq header", "reading.headers()"),
    ],
)
def test_exercise_1_turns_down(watch: Watch, producer: Producer, how: dict[str, Any], reason: str, hint: str) -> None:
    refuel(watch, producer, READINGS, **how)
    result = lesson04.exercise_1(watch)
    assert not result.passed
    assert reason in result.reason
    assert hint in result.hint


@pytest.mark.parametrize(
    ("readings", "hint"),
    [
        ([], "flush()"),
        (READINGS[:60], "flush()"),
        (READINGS[::-1], "begin again"),
        (READINGS * 2, "written twice"),
    ],
)
def test_exercise_1_turns_down_readings_that_are_not_all_there_once(
    watch: Watch, producer: Producer, readings: list[Reading], hint: str
) -> None:
    refuel(watch, producer, readings)
    result = lesson04.exercise_1(watch)
    assert not result.passed
    assert hint in result.hint


def practice(watch: Watch, producer: Producer) -> dict[int, int]:
    """The topic of exercise 2. The first offset of the late shift in each partition."""
    topic = create(watch, "log-practice", 3)
    first = {}
    for partition in range(3):
        for number in range(10):
            shift = "late" if number >= 4 + partition else "early"
            producer.produce(topic, value=b"{}", partition=partition, headers=[("shift", shift)])
        first[partition] = 4 + partition
    assert producer.flush(30) == 0
    return first


def commit(watch: Watch, offsets: dict[int, int], group: str = "log-analysts") -> None:
    consumer = Consumer({**watch.here.kafka, "group.id": f"{watch.here.ns}{group}"})
    topic = f"{watch.here.ns}log-practice"
    consumer.commit(offsets=[TopicPartition(topic, *each) for each in offsets.items()], asynchronous=False)
    consumer.close()


def test_a_group_set_back_to_the_late_shift_is_what_exercise_2_wants(watch: Watch, producer: Producer) -> None:
    assert "Run the cell above" in lesson04.exercise_2(watch).hint
    first = practice(watch, producer)
    assert "committed nothing" in lesson04.exercise_2(watch).reason
    commit(watch, first)
    assert lesson04.exercise_2(watch).passed


@pytest.mark.parametrize(
    ("offsets", "reason", "hint"),
    [
        ({0: 0, 1: 0, 2: 0}, "4 too early", "offsets_for_times"),
        ({0: 10, 1: 10, 2: 10}, "6 too late", "offsets_for_times"),
        ({0: 3, 1: 4, 2: 5}, "1 too early", "*next* record"),
        ({0: 4}, "partition 1 has no committed offset", "several partitions"),
    ],
)
def test_exercise_2_turns_down(
    watch: Watch, producer: Producer, offsets: dict[int, int], reason: str, hint: str
) -> None:
    practice(watch, producer)
    commit(watch, offsets)
    result = lesson04.exercise_2(watch)
    assert not result.passed
    assert reason in result.reason
    assert hint in result.hint


def test_exercise_2_turns_down_another_group(watch: Watch, producer: Producer) -> None:
    commit(watch, practice(watch, producer), group="log-analyst")
    assert "has committed nothing" in lesson04.exercise_2(watch).reason


MISSING = {("G-002", 4), ("G-002", 5), ("G-005", 9)}


def with_gaps(watch: Watch, producer: Producer) -> None:
    topic = create(watch, "log-gaps", 3)
    for reading in READINGS:
        if (reading.generator_id, reading.seq) not in MISSING:
            producer.produce(topic, key=reading.generator_id, value=reading.to_json(), headers=reading.headers())
    assert producer.flush(30) == 0


def report(watch: Watch, producer: Producer, found: Iterable[tuple[str | None, Any]]) -> None:
    topic = create(watch, "log-missing")
    for generator, seq in found:
        producer.produce(topic, key=generator, value=str(seq))
    assert producer.flush(30) == 0


def test_the_missing_readings_are_what_exercise_3_wants(watch: Watch, producer: Producer) -> None:
    assert "Run the cell above" in lesson04.exercise_3(watch).hint
    with_gaps(watch, producer)
    assert "made first" in lesson04.exercise_3(watch).hint
    report(watch, producer, MISSING)
    assert lesson04.exercise_3(watch).passed


@pytest.mark.parametrize(
    ("found", "reason", "hint"),
    [
        ([], "is empty", "flush()"),
        (sorted(MISSING)[1:], "2 of 3", "more than one generator"),
        ([*MISSING, ("G-001", 21)], "G-001 seq 21 is reported missing", "range(first, last + 1)"),
        ([*MISSING, *MISSING], "reported twice", "delete_topics"),
        ([(None, 4)], "no key and number", "key=generator"),
        ([("G-002", "four")], "no key and number", "value=str(seq)"),
    ],
)
def test_exercise_3_turns_down(
    watch: Watch, producer: Producer, found: list[tuple[str | None, Any]], reason: str, hint: str
) -> None:
    with_gaps(watch, producer)
    report(watch, producer, found)
    result = lesson04.exercise_3(watch)
    assert not result.passed
    assert reason in result.reason
    assert hint in result.hint
