"""Runs of one job on one Kafka: topics of its own for each run, and its answers compared with the right ones."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from helpers.errors import LessonError
from helpers.fleet import Reading


def new_run(kafka: Mapping[str, Any], readings: Iterable[Reading] = (), *, partitions: int = 4) -> str:
    """Make topics for readings, alarms, windows and late readings, and fill the first.

    Return what their names begin with; ``operator-`` and one of these words follow.
    """
    ns, admin = f"run-{time.time_ns()}-", AdminClient(dict(kafka))
    words = {"readings": partitions, "alarms": 1, "windows": 1, "late": 1}
    # A simulated fleet's time is long past: retention would delete its readings at once.
    topics = [NewTopic(f"{ns}operator-{word}", count, config={"retention.ms": "-1"}) for word, count in words.items()]
    for made in admin.create_topics(topics).values():
        made.result()
    feed(kafka, ns, readings)
    return ns


def feed(kafka: Mapping[str, Any], ns: str, readings: Iterable[Reading]) -> None:
    """Write readings into a run's topic in their order. A record's time is when the device measured."""
    refused: list[Any] = []
    producer = Producer({**kafka, "enable.idempotence": True, "on_delivery": lambda error, _: refused.append(error)})
    for each in readings:
        more: Any = {"headers": dict(each.headers()), "timestamp": int(each.time.timestamp() * 1000)}
        producer.produce(f"{ns}operator-readings", each.to_json(), each.generator_id, **more)
    if producer.flush(30) or any(refused):
        raise LessonError("Kafka did not take all readings.", remedy="Run the lesson's first cell again.")


def fates(expected: Mapping[tuple[str, str, float], Any], records: Iterable[Any]) -> dict[tuple[str, str, float], str]:
    """Compare records with the answers that there must be; each has one fate: once, repeated, lost or wrong.

    The name of an answer is the last word of its topic, its key, and its time in seconds since 1970.
    """
    found = [(_name(each), json.loads(each.value())) for each in records]
    counts = Counter(name for name, _ in found)
    known = {name: "lost" if not counts[name] else "once" if counts[name] == 1 else "repeated" for name in expected}
    return known | {name: "wrong" for name, answer in found if expected.get(name) != answer}


def _name(record: Any) -> tuple[str, str, float]:  # noqa: ANN401 - confluent_kafka.Message
    return record.topic().rpartition("-")[2], record.key().decode(), record.timestamp()[1] / 1000
