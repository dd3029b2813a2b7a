"""Checks of lesson 05: a contract of one's own, dead letters, and a version 2."""

from __future__ import annotations

import json
import struct
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError

from helpers.checks.recorder import Watch
from helpers.checks.result import Result, done, not_yet

FIELDS = {"generatorID", "lat", "lon", "temperature", "pressure", "fuel"}
_TIMEOUT = 10.0
_NOT_FOUND = 404
_FRAME = 5


def exercise_1(watch: Watch) -> Result:
    """A subject with BACKWARD compatibility, and ten readings of three generators under it."""
    subject = f"{watch.here.ns}tank-readings-value"
    registry = SchemaRegistryClient(dict(watch.here.registry))
    records = watch.kafka_records("tank-readings")
    generators = {each.key() for each in records}
    return (
        _contract(registry, subject, minimum=1)
        or next((wrong for each in records if (wrong := _under_contract(registry, subject, each))), None)
        or _enough(len(records), len(generators))
        or done(f"{len(records)} readings of {len(generators)} generators, each under the contract of {subject}.")
    )


def exercise_2(watch: Watch) -> Result:
    """Every unreadable record of mixed-readings is a dead letter with a reason, and the group has read to the end."""
    registry = SchemaRegistryClient(dict(watch.here.registry))
    deserialize = JSONDeserializer(None, schema_registry_client=registry)
    records = watch.kafka_records("mixed-readings")
    if not records:
        return not_yet("mixed-readings is empty.", "Run the cell that fills it.")
    bad = [(each.key(), each.value()) for each in records if _parsed(deserialize, each)[0] is None]
    return (
        _dead_letters(bad, watch.kafka_records("mixed-readings-dead"))
        or _read_to_the_end(watch, "mixed-readings-analyst", "mixed-readings")
        or done(f"{len(records)} records read, {len(bad)} of them kept as dead letters, none lost, nobody stuck.")
    )


def exercise_3(watch: Watch) -> Result:
    """Version 2 of service-readings allows ``hours``, stays closed, and was not forced through."""
    subject = f"{watch.here.ns}service-readings-value"
    registry = SchemaRegistryClient(dict(watch.here.registry))
    if trouble := _contract(registry, subject, minimum=2):
        return trouble
    schema = json.loads(registry.get_latest_version(subject).schema.schema_str or "{}")
    hours = schema["properties"].get("hours")
    if hours is None:
        return not_yet("The newest version has no field hours.", "Add it to the schema's properties.")
    if hours.get("type") not in ("number", "integer"):
        return not_yet(f"hours has the type {hours.get('type')!r}.", 'Hours are counted: {"type": "number"}.')
    if "hours" in schema["required"]:
        return not_yet("hours is required, and old readings lack it.", "Take hours out of required.")
    if hours.get("minimum") != 0:
        return not_yet("hours may be negative.", 'JSON Schema says "minimum".')
    return done(f"Version {len(registry.get_versions(subject))} allows hours, and every old reading is still valid.")


def _under_contract(registry: SchemaRegistryClient, subject: str, record: Message) -> Result | None:
    """What is wrong with a record that should be a reading under one of the subject's schemas, keyed by generator."""
    place = f"The record at partition {record.partition()}, offset {record.offset()},"
    value = record.value() or b""
    if len(value) < _FRAME or value[0] != 0:
        return not_yet(
            f"{place} begins with {value[:8]!r}: no magic byte.",
            "Let JSONSerializer make the value. To start again, run the first cell, then this exercise.",
        )
    ids = {registry.get_version(subject, version).schema_id for version in registry.get_versions(subject)}
    if struct.unpack(">bI", value[:_FRAME])[1] not in ids:
        return not_yet(
            f"{place} carries a schema id that is not one of {subject}.",
            "Give the serializer the schema that you registered, and a context with this topic.",
        )
    reading, reason = _parsed(JSONDeserializer(None, schema_registry_client=registry), record)
    if reading is None:
        return not_yet(f"{place} cannot be read: {reason}.", "Let JSONSerializer make the value.")
    key = (record.key() or b"").decode(errors="replace")
    if key != reading["generatorID"]:
        return not_yet(
            f"{place} has the key {key!r}, and its generator is {reading['generatorID']}.",
            "Pass key=: the generator's id, so that its readings stay in one partition and in order.",
        )
    return None


def _enough(readings: int, generators: int) -> Result | None:
    if not readings:
        return not_yet(
            "The subject is there. There is no record in tank-readings.",
            "Create the topic, produce to it, and flush: a producer sends in the background.",
        )
    if readings < 10 or generators < 3:  # noqa: PLR2004 - as the exercise says
        return not_yet(
            f"There are {readings} readings of {generators} generators.",
            "Send at least ten readings, of at least three generators.",
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
        return not_yet(f"A dead letter has the key {strange.key()!r}.", "Pass on the record's own key: key().")
    if strange is not None:
        return not_yet(
            f"The dead letter at offset {strange.offset()}, {(strange.value() or b'')[:24]!r} …, is a record that can "
            "be read, or not the bytes that were sent.",
            "Dead-letter only what the deserializer refuses, and pass value() on as it is. "
            "To start again, run the first cell, then this exercise.",
        )
    if missing := [value for key, value in bad if (key, value) not in found]:
        return not_yet(
            f"{len(bad) - len(missing)} of {len(bad)} unreadable records are dead letters. One that is missing begins "
            f"with {missing[0][:12]!r}.",
            "Not every bad record raises SerializationError: think of those that are too short, or not JSON.",
        )
    if any(not dict(each.headers() or []).get("dead-letter.reason") for each in letters):
        return not_yet("A dead letter does not say why.", "Add a header: ('dead-letter.reason', the reason).")
    return None


def _read_to_the_end(watch: Watch, group: str, topic: str) -> Result | None:
    behind = _behind(watch, group, topic)
    if behind is None:
        return not_yet(
            f"The group {group} has committed nothing.",
            "Set group.id, and commit each record when you are done with it.",
        )
    if behind:
        return not_yet(
            f"The group {group} has {behind} records left to read.",
            "Commit the bad records too, once their dead letters are stored, and go on to the end.",
        )
    return None


def _contract(registry: SchemaRegistryClient, subject: str, *, minimum: int) -> Result | None:
    """What is wrong with a subject that should hold ``minimum`` versions or more of a closed schema of readings."""
    try:
        versions = registry.get_versions(subject)
    except SchemaRegistryError as error:
        if error.http_status_code != _NOT_FOUND:
            raise
        return not_yet(f"There is no subject {subject}.", "Its name is the topic's, and -value.")
    if len(versions) < minimum:
        return not_yet(
            f"{subject} has {len(versions)} version.",
            "Register the changed schema under this subject; the registry counts.",
        )
    level = _compatibility(registry, subject)
    if level != "BACKWARD":
        return not_yet(
            f"The compatibility of {subject} is {level or 'not set'}.",
            'Set it for the subject: set_compatibility(subject, "BACKWARD"). '
            "If something was registered meanwhile that BACKWARD refuses, start again from the first cell.",
        )
    schema = json.loads(registry.get_latest_version(subject).schema.schema_str or "{}")
    missing = FIELDS - set(schema.get("required", [])) | FIELDS - set(schema.get("properties", {}))
    if missing:
        return not_yet(
            f"The newest schema does not demand {', '.join(sorted(missing))}.",
            "Begin with data/schemas/reading-v1.schema.json and keep what it has.",
        )
    if schema.get("additionalProperties") is not False:
        return not_yet("The newest schema allows any further field.", "Keep additionalProperties false.")
    return None


def _compatibility(registry: SchemaRegistryClient, subject: str) -> str | None:
    """The subject's own compatibility level; ``None`` when it has none."""
    try:
        return registry.get_compatibility(subject)
    except SchemaRegistryError as error:
        if error.http_status_code != _NOT_FOUND:
            raise
        return None


def _parsed(deserialize: JSONDeserializer, record: Message) -> tuple[dict[str, Any] | None, str]:
    """The reading in ``record``, or ``None`` and the reason."""
    context = SerializationContext(record.topic() or "", MessageField.VALUE)
    try:
        reading = deserialize(record.value(), context)
    except (SerializationError, ValueError, struct.error) as error:
        return None, str(error)
    except SchemaRegistryError as error:
        if error.http_status_code != _NOT_FOUND:
            raise
        return None, error.error_message
    return (reading, "") if isinstance(reading, dict) else (None, "there is no value")


def _behind(watch: Watch, group: str, topic: str) -> int | None:
    """How many records of ``topic`` the group has not committed; ``None`` if it has committed nothing."""
    name = f"{watch.here.ns}{topic}"
    admin = AdminClient({**watch.here.kafka, "log_level": 0})
    request = [ConsumerGroupTopicPartitions(f"{watch.here.ns}{group}")]
    [future] = admin.list_consumer_group_offsets(request, request_timeout=_TIMEOUT).values()
    try:
        places = future.result(_TIMEOUT).topic_partitions
    except KafkaException:
        return None
    committed = {each.partition: each.offset for each in places if each.topic == name}
    if not any(offset >= 0 for offset in committed.values()):
        return None
    consumer = Consumer({**watch.here.kafka, "group.id": f"{watch.here.ns}{group}"})
    try:
        partitions = consumer.list_topics(name, timeout=_TIMEOUT).topics[name].partitions
        ends = {
            each: consumer.get_watermark_offsets(TopicPartition(name, each), timeout=_TIMEOUT) for each in partitions
        }
    finally:
        consumer.close()
    return int(sum(high - max(low, committed.get(each, low)) for each, (low, high) in ends.items()))
