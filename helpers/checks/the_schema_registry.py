"""Checks: a contract of one's own, dead letters, and a version 2."""

from __future__ import annotations

import json
import struct
from typing import Any

from confluent_kafka import Message
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError
from jsonschema import Draft7Validator

from helpers.checks import brokers
from helpers.checks.brokers import header
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_FIELDS = {"generatorID", "lat", "lon", "temperature", "pressure", "fuel"}
_NOT_FOUND = 404
_FRAME = 5
_GO_ON = "Commit the bad records too, once their dead letters are stored, and go on while unread() finds some."


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
        bad = {record.offset(): reason for record in records if (reason := _parsed(deserialize, record)[1])}
    group, letters = f"{recorder.here.ns}mixed-readings-analyst", recorder.kafka_records("mixed-readings-dead")
    read = brokers.committed(recorder.here, "mixed-readings-analyst").get((f"{recorder.here.ns}mixed-readings", 0))
    if read is None:
        return not_yet(
            f"The group {group} has committed nothing.",
            "Set group.id, and commit. poll() also gives None while the group is forming: see unread() in section 1.",
        )
    problem = _dead_letters(records, bad, letters, read)
    if not problem and read < len(records):
        problem = not_yet(f"The group {group} has {len(records) - read} records left.", _GO_ON)
    return problem or done(f"{len(records)} records read, {len(bad)} of them kept as dead letters, and none lost.")


def exercise_3(recorder: Recorder) -> Result:
    """Version 2 of service-readings allows ``hours``, stays closed, and was not forced through."""
    subject = f"{recorder.here.ns}service-readings-value"
    with brokers.registry(recorder.here) as registry:
        if problem := _contract(registry, subject, minimum=2):
            return problem
        schema = json.loads(registry.get_latest_version(subject).schema.schema_str or "{}")
        versions = len(registry.get_versions(subject))
    if "hours" in schema["required"]:
        return not_yet("hours is required, but older readings do not have it.", "Remove hours from required.")
    hours = {"none": 0, "many": 1200.5, "whole": 1200, "negative": -1, "a text": "1200"}
    allowed = {name for name, each in hours.items() if _allows(schema, hours=each)}
    if not allowed - {"none"}:
        return not_yet("The latest version has no field hours.", "Add it to the schema's properties.")
    if "a text" in allowed:
        return not_yet("hours may be text.", 'It is a number of hours: {"type": "number"}.')
    if allowed - {"many"} != {"none", "whole"}:
        return not_yet(
            "hours may be negative." if "negative" in allowed else "hours may not be 0.",
            'The keyword in JSON Schema is "minimum". To change a version, start again with first_version().',
        )
    return done(f"Version {versions} allows hours, and every older reading is still valid.")


def _allows(schema: dict[str, Any], **more: object) -> bool:
    """Whether a good reading with more fields is valid under the schema."""
    return bool(Draft7Validator(schema).is_valid(dict.fromkeys(_FIELDS, 1) | {"generatorID": "G-001"} | more))


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
    if key != reading.get("generatorID"):  # an earlier version may not have asked for it
        return not_yet(
            f"{place} has the key {key!r}, but its generator is {reading.get('generatorID')}.",
            "Pass the generator's id as key=, so that its readings stay in one partition and in order.",
        )
    return None


def _enough(readings: int, generators: int) -> Result | None:
    if not readings:
        return not_yet("There is no record in tank-readings.", "Create the topic, produce to it, and flush.")
    if readings < 10 or generators < 3:  # noqa: PLR2004 - as the exercise says
        return not_yet(
            f"There are {readings} readings of {generators} generators.", "Send ten or more, of three or more."
        )
    return None


def _dead_letters(records: list[Any], bad: dict[int, str], letters: list[Any], read: int) -> Result | None:
    """What is wrong with dead letters that should be the ``bad`` records, offset → reason, each with a reason.

    ``read`` is the offset that the group committed.
    """
    values = {record.value(): record for record in records}
    for letter in letters:
        place = f"The dead letter at offset {letter.offset()}"
        record = values.get(letter.value())
        if record is None:
            return not_yet(f"{place} is not a record of mixed-readings.", "Pass the bytes on unchanged: value().")
        if record.offset() not in bad:
            return not_yet(f"{place} is a readable record.", "Dead-letter only what the deserializer rejects.")
        if letter.key() != record.key():
            return not_yet(f"{place} has the key {letter.key()!r}.", "Pass on the record's own key: key().")
        if not header(letter, "dead-letter.reason"):
            return not_yet(f"{place} has no reason.", "Add a header: ('dead-letter.reason', the reason).")
    stored = {letter.value() for letter in letters}
    missing = next((each for each in records if each.offset() in bad and each.value() not in stored), None)
    if missing is None:
        return None
    return not_yet(
        f"The record at offset {missing.offset()} is not a dead letter, though it cannot be read: "
        f"{bad[missing.offset()]}.",
        "It was committed: produce its dead letter first, and flush before you commit."
        if missing.offset() < read
        else "The group stopped there. Not every bad record raises SerializationError: see read_or_reason()."
        if missing.offset() == read
        else _GO_ON,
    )


def _contract(registry: SchemaRegistryClient, subject: str, *, minimum: int) -> Result | None:
    """What is wrong with a subject that should hold ``minimum`` versions or more of a closed schema of readings."""
    if subject not in registry.get_subjects():
        return not_yet(f"There is no subject {subject}.", "A subject is named after its topic, with -value at the end.")
    if len(registry.get_versions(subject)) < minimum:
        return not_yet(
            f"{subject} has 1 version.",
            "Register the changed schema under this subject; the registry numbers the versions. "
            "Its error 409 means that older readings would not be valid.",
        )
    if (level := _level(registry, subject)) != "BACKWARD":
        return not_yet(
            f"The compatibility of {subject} is {level or 'not set'}.",
            'Set it for the subject: set_compatibility(subject, "BACKWARD"). '
            "If BACKWARD would have rejected what is registered, run the exercise cell from its first line.",
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


def _level(registry: SchemaRegistryClient, subject: str) -> str:
    """How a subject may change; empty if that is not set."""
    try:
        return registry.get_compatibility(subject)
    except SchemaRegistryError as error:
        if error.http_status_code != _NOT_FOUND:
            raise
        return ""


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
