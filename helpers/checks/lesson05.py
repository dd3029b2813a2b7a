"""Checks of lesson 05: a contract of one's own, dead letters, and a version 2."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import Message
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError

from helpers.checks import brokers
from helpers.checks.brokers import header
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_Answer = TypeVar("_Answer")

_FIELDS = {"generatorID", "lat", "lon", "temperature", "pressure", "fuel"}
_NOT_FOUND = 404
_FRAME = 5


def exercise_1(recorder: Recorder) -> Result:
    """A subject with BACKWARD compatibility, and ten readings of three generators under it."""
    subject = f"{recorder.here.ns}tank-readings-value"
    records = recorder.kafka_records("tank-readings")
    generators = {each.key() for each in records}
    with brokers.registry(recorder.here) as registry:
        return (
            _contract(registry, subject, minimum=1)
            or next((wrong for each in records if (wrong := _under_contract(registry, subject, each))), None)
            or _enough(len(records), len(generators))
            or done(f"{len(records)} readings of {len(generators)} generators, all valid under the contract {subject}.")
        )


def exercise_2(recorder: Recorder) -> Result:
    """Every unreadable record of mixed-readings is a dead letter with a reason, and the group has read to the end."""
    records = recorder.kafka_records("mixed-readings")
    if not records:
        return not_yet("mixed-readings is empty.", "Run the cell that fills it.")
    with brokers.registry(recorder.here) as registry:
        deserialize = JSONDeserializer(None, schema_registry_client=registry)
        bad = [(each.key(), each.value()) for each in records if _parsed(deserialize, each)[0] is None]
    return (
        _dead_letters(bad, recorder.kafka_records("mixed-readings-dead"))
        or _read_to_the_end(recorder, "mixed-readings-analyst", "mixed-readings")
        or done(f"{len(records)} records read, {len(bad)} of them kept as dead letters, and none lost.")
    )


def exercise_3(recorder: Recorder) -> Result:
    """Version 2 of service-readings allows ``hours``, stays closed, and was not forced through."""
    subject = f"{recorder.here.ns}service-readings-value"
    with brokers.registry(recorder.here) as registry:
        if problem := _contract(registry, subject, minimum=2):
            return problem
        schema = json.loads(registry.get_latest_version(subject).schema.schema_str or "{}")
        versions = len(registry.get_versions(subject))
    hours = schema["properties"].get("hours")
    if hours is None:
        return not_yet("The latest version has no field hours.", "Add it to the schema's properties.")
    if hours.get("type") not in ("number", "integer"):
        return not_yet(f"hours has the type {hours.get('type')!r}.", 'It is a number of hours: {"type": "number"}.')
    if "hours" in schema["required"]:
        return not_yet("hours is required, but older readings do not have it.", "Remove hours from required.")
    if hours.get("minimum") != 0:
        return not_yet("hours may be negative.", 'The keyword in JSON Schema is "minimum".')
    return done(f"Version {versions} allows hours, and every older reading is still valid.")


def _under_contract(registry: SchemaRegistryClient, subject: str, record: Message) -> Result | None:
    """What is wrong with a record that should be a reading under one of the subject's schemas, keyed by generator."""
    place = f"The record at partition {record.partition()}, offset {record.offset()},"
    value = record.value() or b""
    if len(value) < _FRAME or value[0] != 0:
        return not_yet(
            f"{place} begins with {value[:8]!r}, not with the magic byte.",
            "Let JSONSerializer make the value. To start again, run the exercise cell: start_over() is in it.",
        )
    ids = {registry.get_version(subject, version).schema_id for version in registry.get_versions(subject)}
    if struct.unpack(">bI", value[:_FRAME])[1] not in ids:
        return not_yet(
            f"{place} has a schema id that does not belong to {subject}.",
            "Give the serializer the schema that you registered, and a context with this topic.",
        )
    reading, reason = _parsed(JSONDeserializer(None, schema_registry_client=registry), record)
    if reading is None:
        return not_yet(f"{place} cannot be read: {reason}.", "Let JSONSerializer make the value.")
    key = (record.key() or b"").decode(errors="replace")
    if key != reading["generatorID"]:
        return not_yet(
            f"{place} has the key {key!r}, but its generator is {reading['generatorID']}.",
            "Pass the generator's id as key=, so that its readings stay in one partition and in order.",
        )
    return None


def _enough(readings: int, generators: int) -> Result | None:
    if not readings:
        return not_yet(
            "The subject exists, but there is no record in tank-readings.",
            "Create the topic, produce to it, and flush: a producer sends in the background.",
        )
    if readings < 10 or generators < 3:  # noqa: PLR2004 - as the exercise says
        return not_yet(
            f"There are only {readings} readings of {generators} generators.",
            "Send at least ten readings of at least three generators.",
        )
    return None


def _dead_letters(bad: list[tuple[Any, Any]], letters: list[Any]) -> Result | None:
    """What is wrong with dead letters that should be the ``bad`` records, as key and value, each with a reason."""
    if not letters:
        return not_yet(
            "There is no dead letter.", "Produce each record that cannot be read to mixed-readings-dead, and flush."
        )
    found = [(each.key(), each.value()) for each in letters]
    strange = next((each for each in letters if (each.key(), each.value()) not in bad), None)
    if strange is not None and strange.value() in [value for _, value in bad]:
        return not_yet(
            f"A dead letter has the key {strange.key()!r}, not the record's.", "Pass on the record's own key: key()."
        )
    if strange is not None:
        return not_yet(
            f"The dead letter at offset {strange.offset()}, {(strange.value() or b'')[:24]!r} …, is a readable record, "
            "or its bytes were changed.",
            "Dead-letter only what the deserializer rejects, and pass value() on unchanged. "
            "To start again, run the exercise cell: fill_mixed() is in it.",
        )
    if missing := [value for key, value in bad if (key, value) not in found]:
        return not_yet(
            f"{len(bad) - len(missing)} of {len(bad)} unreadable records are dead letters. A missing one begins "
            f"with {missing[0][:12]!r}.",
            "Not every bad record raises SerializationError: some are too short, some are not JSON.",
        )
    if any(not header(each, "dead-letter.reason") for each in letters):
        return not_yet("A dead letter has no reason.", "Add a header: ('dead-letter.reason', the reason).")
    return None


def _read_to_the_end(recorder: Recorder, group: str, topic: str) -> Result | None:
    name = f"{recorder.here.ns}{topic}"
    if not any(topic == name for topic, _ in brokers.committed(recorder.here, group)):
        return not_yet(
            f"The group {group} has committed nothing.",
            "Set group.id, and commit each record once you have dealt with it.",
        )
    if lag := brokers.lag(recorder.here, group, topic):
        return not_yet(
            f"The group {group} has {lag} records left to read.",
            "Commit the bad records too, once their dead letters are stored, and go on to the end.",
        )
    return None


def _contract(registry: SchemaRegistryClient, subject: str, *, minimum: int) -> Result | None:
    """What is wrong with a subject that should hold ``minimum`` versions or more of a closed schema of readings."""
    versions = _unless_missing(registry.get_versions, subject)
    if versions is None:
        return not_yet(f"There is no subject {subject}.", "A subject is named after its topic, with -value at the end.")
    if len(versions) < minimum:
        return not_yet(
            f"{subject} has {len(versions)} version.",
            "Register the changed schema under this subject; the registry numbers the versions.",
        )
    level = _unless_missing(registry.get_compatibility, subject)
    if level != "BACKWARD":
        return not_yet(
            f"The compatibility of {subject} is {level or 'not set'}.",
            'Set it for the subject: set_compatibility(subject, "BACKWARD"). '
            "If BACKWARD would have rejected what is registered, first_version() in the exercise cell starts again.",
        )
    schema = json.loads(registry.get_latest_version(subject).schema.schema_str or "{}")
    missing = _FIELDS - set(schema.get("required", [])) | _FIELDS - set(schema.get("properties", {}))
    if missing:
        return not_yet(
            f"The latest schema does not require {', '.join(sorted(missing))}.",
            "Start from data/schemas/reading-v1.schema.json, and keep everything in it.",
        )
    if schema.get("additionalProperties") is not False:
        return not_yet("The latest schema allows additional fields.", "Keep additionalProperties: false.")
    return None


def _unless_missing(ask: Callable[[str], _Answer], subject: str) -> _Answer | None:
    """The registry's answer about a subject; None if the subject, or its setting, does not exist."""
    try:
        return ask(subject)
    except SchemaRegistryError as error:
        if error.http_status_code != _NOT_FOUND:
            raise
        return None


def _parsed(deserialize: JSONDeserializer, record: Message) -> tuple[dict[str, Any] | None, str]:
    """The reading in ``record``, or None and the reason why it cannot be read."""
    context = SerializationContext(record.topic() or "", MessageField.VALUE)
    try:
        reading = deserialize(record.value(), context)
    except (SerializationError, ValueError, struct.error) as error:
        return None, str(error)
    except SchemaRegistryError as error:
        if error.http_status_code != _NOT_FOUND:
            raise
        return None, error.error_message
    return (reading, "") if isinstance(reading, dict) else (None, "it has no value")
