"""Checks: PUBACKs that mean *stored*, partitions for the day after an outage, jobs done once."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from helpers.checks import brokers
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_PROXIED, _PUBACKS, _PUBLISHED, _TOO_LARGE = "grow-proxied", "grow-pubacks", 20, 5
_ORDERS, _RATE, _CAPACITY, _AWAY, _PATIENCE = "grow-orders", 180, 50, 3, 10  # per second, and seconds
_JOBS, _DONE, _RECEIPTS, _POISON = "grow-jobs", "grow-done", "grow-receipts", b"poison"


def exercise_1(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """No PUBACK came before its reading was in Kafka, and one came for each that is."""
    records = [(each, _number(each)) for each in recorder.kafka_records(_PROXIED)]
    if changed := [each for each, number in records if number is None]:
        return not_yet(
            f"Offset {changed[0].offset()} of {_PROXIED} is not a reading as it was sent.",
            "A proxy passes on message.payload, unchanged.",
        )
    stored = {number: each.timestamp()[1] / 1000 for each, number in records}
    came = {int(each.key()): float(each.value()) for each in recorder.kafka_records(_PUBACKS)}
    if not stored:
        return not_yet(
            f"There are no readings in {_PROXIED}.",
            "Produce each message to it, then acknowledge; trial(step) sends messages.",
        )
    if missing := _PUBLISHED - 1 - len(stored):
        return not_yet(
            f"{missing} readings are not in {_PROXIED}.", "Every message is produced, whatever became of the last one."
        )
    if not came:
        return not_yet("No PUBACK came.", "Who calls acknowledge(), and when? A delivery report calls a function.")
    early = [number for number, at in came.items() if number in stored and at < stored[number]]
    if early:
        return not_yet(
            f"{len(early)} PUBACKs came before Kafka had the reading.",
            "produce() only queues a record. When do you know that it is stored?",
        )
    if _TOO_LARGE in came:
        return not_yet(
            f"Reading {_TOO_LARGE} was acknowledged, and Kafka refused it.", "A delivery report may bring an error."
        )
    if missing := len(stored.keys() - came.keys()):
        return not_yet(
            f"{missing} readings are in Kafka and got no PUBACK.", "Each stored message is acknowledged, not only some."
        )
    return done(f"{len(came)} PUBACKs, each after its reading was stored. Reading {_TOO_LARGE}, refused, got none.")


def exercise_2(recorder: Recorder) -> Result:
    """The orders' partitions let their consumers catch up in time, and are at most twice as many as that takes."""
    here = recorder.here
    partitions = brokers.topics(here).get(_ORDERS, 0)
    if not partitions:
        return not_yet(f"There is no topic {_ORDERS}.", "make() creates one.")
    fewest = next(number for number in range(1, _RATE) if _falls_behind(number) <= 0)
    if partitions > 2 * fewest:
        return not_yet(
            f"{_ORDERS} has {partitions} partitions.",
            "That is more than twice as many as it takes. Each has its price.",
        )
    behind = _drive(recorder, partitions)
    if behind[-1] > behind[_AWAY - 1]:
        return not_yet(
            f"{_PATIENCE} s after the outage the lag is {behind[-1]}, and it grows.",
            "The consumers handle less than arrives. How many does it take on a good day?",
        )
    if behind[-1]:
        return not_yet(
            f"{_PATIENCE} s after the outage the lag is still {behind[-1]}.",
            "On a good day they keep up. What must they handle in these ten seconds?",
        )
    return done(f"{partitions} partitions: {max(behind)} orders behind after the outage, none {_PATIENCE} s later.")


def exercise_3(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """Each job was done once, by more workers than partitions, and poison was rejected the first time."""
    jobs = {(each.partition(), each.offset()): each.value() for each in recorder.kafka_records(_JOBS)}
    receipts = [(each.key(), *json.loads(each.value())) for each in recorder.kafka_records(_RECEIPTS)]
    finished = Counter(each.value() for each in recorder.kafka_records(_DONE))
    if not receipts:
        return not_yet("No worker took a job.", "begin_jobs(), and then crew(handle, workers=...).")
    wanted = {str(json.loads(each)["job"]).encode() for each in jobs.values() if each != _POISON}
    if not finished:
        return not_yet(f"None of {len(wanted)} jobs is done.", "work(record) does one; the answer is about the record.")
    if twice := sum(count > 1 for count in finished.values()):
        return not_yet(
            f"{twice} jobs were done more than once.", "What is done is accepted, and work() is called once."
        )
    if missing := len(wanted - finished.keys()):
        return not_yet(
            f"{missing} jobs are not done.", "A busy generator's job must come again. Which answer does that?"
        )
    poison = [(answer, count) for _, partition, offset, answer, count in receipts if jobs[partition, offset] == _POISON]
    if any(count > 1 for _, count in poison):
        return not_yet(
            f"Poison was delivered {max(count for _, count in poison)} times.",
            "It gets no better by coming again. Which answer means never?",
        )
    if any(answer != "REJECT" for answer, _ in poison):
        return not_yet("Poison was accepted.", "Accepted means that it is done, and poison never will be.")
    workers, partitions = len({name for name, *_ in receipts}), brokers.topics(recorder.here)[_JOBS]
    if workers <= partitions:
        return not_yet(
            f"{workers} workers took jobs, for {partitions} partitions.",
            "A consumer group could do that. crew() takes a number.",
        )
    return done(f"{len(wanted)} jobs are done, each once, by {workers} workers; {len(poison)} records were rejected.")


def _number(record: Any) -> int | None:  # noqa: ANN401 - confluent_kafka.Message
    """The number of the reading that a record holds, or None if a device never sent it so."""
    found = re.fullmatch(rb"(\d+) x{20}", record.value() or b"")
    return int(found[1]) if found else None


def _falls_behind(partitions: int) -> int:
    """How many orders are left when the consumers should have caught up, if they are spread evenly."""
    return _RATE * (_AWAY + _PATIENCE) - partitions * _CAPACITY * _PATIENCE


def _drive(recorder: Recorder, partitions: int) -> list[int]:
    """Send orders as in an outage, one round for each second, and return the lag after each round."""
    here, topic = recorder.here, f"{recorder.here.ns}{_ORDERS}"
    places = [TopicPartition(topic, number) for number in range(partitions)]
    behind: list[int] = []
    errors: list[KafkaError] = []

    def report(error: KafkaError | None, _record: object) -> None:
        if error:
            errors.append(error)

    with brokers.consumer(here) as consumer:

        def ends() -> list[int]:
            return [consumer.get_watermark_offsets(each, timeout=brokers.TIMEOUT)[1] for each in places]

        producer, read = Producer({**here.kafka, "log_level": 0, "on_delivery": report}), ends()
        for second in range(_AWAY + _PATIENCE):
            for number in range(_RATE):
                producer.produce(topic, b"an order", partition=number % partitions)
            if producer.flush(brokers.TIMEOUT):
                raise TimeoutError
            if errors:
                raise KafkaException(errors[0])
            high = ends()
            if second >= _AWAY:
                read = [min(end, at + _CAPACITY) for end, at in zip(high, read, strict=True)]
            behind.append(sum(high) - sum(read))
    return behind
