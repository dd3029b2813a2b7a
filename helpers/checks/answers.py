"""What several checks read from Kafka: the answers that a learner produced, and the readings they are about."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from helpers.checks.brokers import header, json_object
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, not_yet


def answers(recorder: Recorder, topic: str, field: str) -> list[dict[str, Any]] | Result:
    """The values in a topic that the learner fills, without those that a tombstone took back, or what is wrong.

    Each is an object with ``generatorID``, which is also its key, and ``field``.
    """
    found: list[dict[str, Any]] = []
    for record in recorder.kafka_records(topic):
        key = (record.key() or b"").decode(errors="replace")
        if record.value() is None:
            found = [each for each in found if each["generatorID"] != key]
            continue
        value = json_object(record.value())
        if value is None:
            return not_yet(f"{record.value()!r} is not a JSON object.", "Use json.dumps of a dict.")
        if {"generatorID", field} - value.keys():
            return not_yet(f"A value is {value!r}.", f"It needs the fields generatorID and {field}.")
        if key != value["generatorID"]:
            return not_yet(
                f"A record of {value['generatorID']!r} has the key {key!r}.",
                "Pass the generator's id as key=. begin(...) empties the topic for a new try.",
            )
        found.append(value)
    return found or not_yet(f"There is no record in {topic}.", "Produce one for each row of your answer, and flush.")


def latest(recorder: Recorder, topic: str) -> dict[str, Any]:
    """The latest value of each key in a topic, read as JSON; text that is not JSON stays as it is."""
    found: dict[str, Any] = {}
    for record in recorder.kafka_records(topic):
        text = (record.value() or b"null").decode(errors="replace")
        try:
            found[(record.key() or b"").decode(errors="replace")] = json.loads(text)
        except ValueError:
            found[(record.key() or b"").decode(errors="replace")] = text
    return found


def readings(recorder: Recorder, topic: str) -> list[tuple[datetime, dict[str, Any]]]:
    """The readings in a topic in the order of the log, each with the time it was measured."""
    records = [(moment(header(each, "time")), each) for each in recorder.kafka_records(topic)]
    return [(time, json.loads(each.value())) for time, each in records if time]


def moment(text: object) -> datetime | None:
    """A time in ISO 8601, in UTC if it has no offset; None for anything else."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
