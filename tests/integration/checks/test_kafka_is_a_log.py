"""The lesson's checks, on a real Kafka: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from helpers.checks import Watch, kafka_is_a_log as checks
from helpers.fleet import Fleet, Reading
from tests.integration.checks.speaking import Record, assert_not_yet, commit, create_topic, write

pytestmark = pytest.mark.without_mqtt
DAY = str(24 * 60 * 60 * 1000)
READINGS = list(Fleet(size=6, seed=11).readings(seconds=20))


def records(readings: Iterable[Reading], **how: Any) -> list[Record]:
    """Readings as the solution of exercise 1 writes them, but for ``how``: functions that give key or headers."""
    key, headers = how.get("key", lambda each: each.generator_id), how.get("headers", Reading.headers)
    return [(key(each), each.to_json(), headers(each)) for each in readings]


def refuel(watch: Watch, readings: Iterable[Reading], **how: Any) -> None:
    """Exercise 1 as the solution does it, but for ``how``: partitions, retention, key, headers."""
    create_topic(watch, "log-refuelling", how.get("partitions", 3), {"retention.ms": how.get("retention", DAY)})
    write(watch, "log-refuelling", records(readings, **how))


def test_readings_by_generator_are_what_exercise_1_wants(watch: Watch) -> None:
    assert "no topic" in checks.exercise_1(watch).reason
    refuel(watch, READINGS)
    assert checks.exercise_1(watch).passed


@pytest.mark.parametrize(
    ("how", "reason", "hint"),
    [
        ({"partitions": 1}, "has 1 partition.", "never removed"),
        ({"retention": "86400"}, "for 0.024 h", "milliseconds"),
        ({"key": lambda _: str(uuid4())}, "their order is lost", "Equal keys"),
        ({"key": lambda _: None}, "", "What must stay in order?"),
        ({"headers": lambda _: []}, "has no header seq", "reading.headers()"),
    ],
)
def test_exercise_1_turns_down(watch: Watch, how: dict[str, Any], reason: str, hint: str) -> None:
    refuel(watch, READINGS, **how)
    assert_not_yet(checks.exercise_1(watch), reason, hint)


@pytest.mark.parametrize(
    ("readings", "hint"),
    [
        ([], "flush()"),
        (READINGS[:60], "flush()"),
        (READINGS[::-1], "the order in which you call produce()"),
        (READINGS * 2, "write them once"),
    ],
)
def test_exercise_1_turns_down_readings_that_are_not_all_there_once(
    watch: Watch, readings: list[Reading], hint: str
) -> None:
    refuel(watch, readings)
    assert_not_yet(checks.exercise_1(watch), hint=hint)


def by_hand(watch: Watch, partition: Callable[[Reading], int]) -> None:
    """Exercise 1 with partitions in place of keys."""
    create_topic(watch, "log-refuelling", 3, {"retention.ms": DAY})
    producer = Producer({**watch.here.kafka, "log_level": 3})
    for each in READINGS:
        headers: Any = each.headers()
        producer.produce(f"{watch.here.ns}log-refuelling", each.to_json(), headers=headers, partition=partition(each))
    assert producer.flush(30) == 0


def test_exercise_1_takes_a_partition_for_each_generator(watch: Watch) -> None:
    by_hand(watch, lambda each: int(each.generator_id[-1]) % 3)
    assert checks.exercise_1(watch).passed


def test_exercise_1_turns_down_what_is_in_order_by_chance(watch: Watch) -> None:
    by_hand(watch, lambda _each: 1)
    assert_not_yet(checks.exercise_1(watch), "luck", "What must stay in order?")


def practice(watch: Watch) -> dict[int, int]:
    """The topic of exercise 2. The first offset of the late shift in each partition."""
    first = {partition: 4 + partition for partition in range(3)}
    create_topic(watch, "log-practice", 3)
    producer = Producer({**watch.here.kafka, "log_level": 3})
    for partition, late in first.items():
        for number in range(10):
            shift = "late" if number >= late else "early"
            producer.produce(
                f"{watch.here.ns}log-practice", value=b"{}", partition=partition, headers=[("shift", shift)]
            )
    assert producer.flush(30) == 0
    return first


def test_a_group_set_back_to_the_late_shift_is_what_exercise_2_wants(watch: Watch) -> None:
    assert "run the exercise cell" in checks.exercise_2(watch).hint
    first = practice(watch)
    assert "committed nothing" in checks.exercise_2(watch).reason
    commit(watch, "log-analysts", "log-practice", first)
    assert checks.exercise_2(watch).passed


@pytest.mark.parametrize(
    ("offsets", "reason", "hint"),
    [
        ({0: 0, 1: 0, 2: 0}, "4 records too early", "in milliseconds"),
        ({0: 10, 1: 10, 2: 10}, "6 records too late", "enable.auto.commit"),
        ({0: 3, 1: 4, 2: 5}, "1 records too early", "*next* record"),
        ({0: 5, 1: 6, 2: 7}, "1 records too late", "this record is done"),
        ({0: 4}, "Partition 1 has no committed offset", "several partitions"),
    ],
)
def test_exercise_2_turns_down(watch: Watch, offsets: dict[int, int], reason: str, hint: str) -> None:
    practice(watch)
    commit(watch, "log-analysts", "log-practice", offsets)
    assert_not_yet(checks.exercise_2(watch), reason, hint)


def test_exercise_2_turns_down_another_group(watch: Watch) -> None:
    commit(watch, "log-analyst", "log-practice", practice(watch))
    assert "has committed nothing" in checks.exercise_2(watch).reason


MISSING = {("G-002", 4), ("G-002", 5), ("G-005", 9)}


def with_gaps(watch: Watch) -> None:
    kept = [each for each in READINGS if (each.generator_id, each.seq) not in MISSING]
    write(watch, "log-gaps", records(kept), partitions=3)


def report(watch: Watch, found: Iterable[tuple[str | None, Any]]) -> None:
    write(watch, "log-missing", [(generator, str(seq), None) for generator, seq in found])


def test_the_missing_readings_are_what_exercise_3_wants(watch: Watch) -> None:
    assert "run the exercise cell" in checks.exercise_3(watch).hint
    with_gaps(watch)
    assert "must be created" in checks.exercise_3(watch).hint
    report(watch, MISSING)
    assert checks.exercise_3(watch).passed


def test_exercise_3_turns_down_an_answer_in_the_topic_with_gaps(watch: Watch) -> None:
    with_gaps(watch)
    producer = Producer(watch.here.kafka)
    producer.produce(f"{watch.here.ns}log-gaps", key="G-002", value="4")
    assert producer.flush(30) == 0
    assert_not_yet(checks.exercise_3(watch), "not a reading", "log-missing")


@pytest.mark.parametrize(
    ("found", "reason", "hint"),
    [
        ([], "is empty", "flush()"),
        (sorted(MISSING)[1:], "Of 3 missing readings, 2", "longer than one"),
        (sorted(MISSING)[:2], "Of 3 missing readings, 2", "More than one generator"),
        ([*MISSING, ("G-001", 20)], "G-001 seq 20 is reported missing, but it is there", "range(first, last + 1)"),
        ([*MISSING, ("G-001", 21)], "not between", "first and last"),
        ([*MISSING, *MISSING], "reported twice", "anew"),
        ([(None, 4)], "not a name and a number", "key=generator"),
        ([("G-002", "four")], "not a name and a number", "value=str(seq)"),
    ],
)
def test_exercise_3_turns_down(watch: Watch, found: list[tuple[str | None, Any]], reason: str, hint: str) -> None:
    with_gaps(watch)
    report(watch, found)
    assert_not_yet(checks.exercise_3(watch), reason, hint)
