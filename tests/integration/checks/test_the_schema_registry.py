"""The lesson's checks, on a real registry and Kafka: what a learner may well try is turned down with a hint."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from helpers.checks import Watch, the_schema_registry as checks
from helpers.fleet import Fleet, Reading
from helpers.paths import DATA
from tests.integration.checks.speaking import Record, assert_not_yet, commit, write

pytestmark = pytest.mark.without_mqtt
TEXT = (DATA / "schemas" / "reading-v1.schema.json").read_text(encoding="utf-8")
READINGS = list(Fleet(size=6, seed=11).readings(seconds=3))


@pytest.fixture
def registry(watch: Watch) -> SchemaRegistryClient:
    return SchemaRegistryClient(dict(watch.here.registry))


def framed(watch: Watch, registry: SchemaRegistryClient, topic: str, reading: Reading) -> bytes:
    """The reading as the lesson's serializer writes it, which registers the schema if nobody has."""
    value = JSONSerializer(TEXT, registry)(
        reading.value(), SerializationContext(f"{watch.here.ns}{topic}", MessageField.VALUE)
    )
    assert value is not None
    return value


def good_records(watch: Watch, registry: SchemaRegistryClient, topic: str) -> list[Record]:
    return [(each.generator_id, framed(watch, registry, topic, each), None) for each in READINGS]


def register(watch: Watch, registry: SchemaRegistryClient, topic: str, schema: str, level: str = "BACKWARD") -> None:
    subject = f"{watch.here.ns}{topic}-value"
    registry.set_compatibility(subject, level)
    registry.register_schema(subject, Schema(schema, "JSON"))


# --- exercise 1


def test_a_contract_and_readings_under_it_are_what_exercise_1_wants(
    watch: Watch, registry: SchemaRegistryClient
) -> None:
    assert "no subject" in checks.exercise_1(watch).reason
    register(watch, registry, "tank-readings", TEXT)
    assert "no record" in checks.exercise_1(watch).reason
    write(watch, "tank-readings", good_records(watch, registry, "tank-readings"))
    assert checks.exercise_1(watch).passed


def test_exercise_1_wants_the_compatibility_of_the_subject(watch: Watch, registry: SchemaRegistryClient) -> None:
    register(watch, registry, "tank-readings", TEXT, level="NONE")
    assert_not_yet(checks.exercise_1(watch), "is NONE", "set_compatibility")


@pytest.mark.parametrize(
    ("change", "reason", "hint"),
    [
        ({"additionalProperties": True}, "additional fields", "additionalProperties"),
        ({"required": ["generatorID"]}, "does not require fuel, lat", "reading-v1"),
    ],
)
def test_exercise_1_turns_down_a_loose_contract(
    watch: Watch, registry: SchemaRegistryClient, change: dict[str, Any], reason: str, hint: str
) -> None:
    register(watch, registry, "tank-readings", json.dumps(json.loads(TEXT) | change))
    result = checks.exercise_1(watch)
    assert reason in result.reason
    assert hint in result.hint


@pytest.mark.parametrize(
    ("record", "reason", "hint"),
    [
        (lambda each, _good: (each.generator_id, each.to_json()), "not with the magic byte", "JSONSerializer"),
        (lambda _each, good: (str(uuid4()), good), "but its generator is G-", "one partition"),
        (lambda _each, good: (None, good), "has the key ''", "generator's id"),
        (lambda each, good: (each.generator_id, struct.pack(">bI", 0, 9999) + good[5:]), "schema id", "registered"),
        (lambda each, good: (each.generator_id, good[:5] + b"{}"), "cannot be read", "JSONSerializer"),
        (lambda each, _good: (each.generator_id, None), "not with the magic byte", "JSONSerializer"),
    ],
    ids=["plain JSON", "uuid keys", "no keys", "foreign id", "wrong fields", "no value"],
)
def test_exercise_1_turns_down_records(
    watch: Watch,
    registry: SchemaRegistryClient,
    record: Callable[[Reading, bytes], tuple[Any, Any]],
    reason: str,
    hint: str,
) -> None:
    register(watch, registry, "tank-readings", TEXT)
    pairs = [record(each, framed(watch, registry, "tank-readings", each)) for each in READINGS]
    write(watch, "tank-readings", [(*pair, None) for pair in pairs])
    assert_not_yet(checks.exercise_1(watch), reason, hint)


def test_exercise_1_turns_down_a_record_of_an_earlier_version_without_generator(
    watch: Watch, registry: SchemaRegistryClient
) -> None:
    register(watch, registry, "tank-readings", json.dumps(json.loads(TEXT) | {"required": ["fuel"]}), level="NONE")
    first = registry.get_latest_version(f"{watch.here.ns}tank-readings-value").schema_id
    register(watch, registry, "tank-readings", TEXT, level="NONE")
    registry.set_compatibility(f"{watch.here.ns}tank-readings-value", "BACKWARD")
    write(watch, "tank-readings", [("G-001", struct.pack(">bI", 0, first) + b'{"fuel": 1}', None)])
    assert_not_yet(checks.exercise_1(watch), "its generator is None", "generator's id")


def test_exercise_1_wants_several_generators(watch: Watch, registry: SchemaRegistryClient) -> None:
    register(watch, registry, "tank-readings", TEXT)
    same = framed(watch, registry, "tank-readings", READINGS[0])
    write(watch, "tank-readings", [("G-001", same, None)] * 12)
    assert "12 readings of 1 generators" in checks.exercise_1(watch).reason


# --- exercise 2


BAD = [b"{}", struct.pack(">bI", 0, 999_999), b"\x00\x00"]


@pytest.fixture
def mixed(watch: Watch, registry: SchemaRegistryClient) -> list[tuple[Any, Any]]:
    """``mixed-readings`` as the lesson fills it; gives the records that cannot be read."""
    good = good_records(watch, registry, "mixed-readings")
    bad = [(READINGS[place].generator_id, value) for place, value in enumerate(BAD)]
    poison: list[Record] = [(*each, None) for each in bad]
    write(watch, "mixed-readings", [*good[:2], poison[0], *good[2:9], *poison[1:], *good[9:]])
    return bad


def dead_letter(watch: Watch, letters: list[tuple[Any, Any]], reason: str | None) -> None:
    headers = [("dead-letter.reason", reason)] if reason else None
    write(watch, "mixed-readings-dead", [(*each, headers) for each in letters])


def read_to(watch: Watch, offset: int) -> None:
    commit(watch, "mixed-readings-analyst", "mixed-readings", {0: offset})


def test_dead_letters_with_reasons_are_what_exercise_2_wants(watch: Watch, mixed: list[tuple[Any, Any]]) -> None:
    assert_not_yet(checks.exercise_2(watch), "has committed nothing", "while the group is forming")
    read_to(watch, 2)
    assert_not_yet(checks.exercise_2(watch), "offset 2 is not a dead letter", "SerializationError")
    read_to(watch, 6)
    assert_not_yet(checks.exercise_2(watch), "offset 2 is not a dead letter", "flush before you commit")
    dead_letter(watch, mixed, "because")
    read_to(watch, len(READINGS) + len(BAD) - 4)
    assert_not_yet(checks.exercise_2(watch), "has 4 records left", "while unread()")
    read_to(watch, len(READINGS) + len(BAD))
    assert checks.exercise_2(watch).passed


def test_a_dead_letter_written_twice_is_no_mistake(watch: Watch, mixed: list[tuple[Any, Any]]) -> None:
    dead_letter(watch, mixed + mixed[:1], "because")
    read_to(watch, len(READINGS) + len(BAD))
    assert checks.exercise_2(watch).passed


@pytest.mark.parametrize(
    ("letters", "given", "reason", "hint"),
    [
        (lambda bad, _good: bad, None, "has no reason", "dead-letter.reason"),
        (lambda bad, _good: bad[:1], "r", "is not a dead letter", "before you commit"),
        (lambda bad, good: [*bad, good], "r", "a readable record", "Dead-letter only"),
        (
            lambda bad, _good: [(key, value + b"!") for key, value in bad],
            "r",
            "not a record of mixed-readings",
            "value()",
        ),
        (lambda bad, _good: [(None, value) for _, value in bad], "r", "has the key None", "key()"),
    ],
    ids=["no reason", "some missing", "good ones too", "changed bytes", "no key"],
)
def test_exercise_2_turns_down(  # noqa: PLR0917
    watch: Watch,
    registry: SchemaRegistryClient,
    mixed: list[tuple[Any, Any]],
    letters: Callable[[Any, Any], list[tuple[Any, Any]]],
    given: str | None,
    reason: str,
    hint: str,
) -> None:
    good = (READINGS[0].generator_id, framed(watch, registry, "mixed-readings", READINGS[0]))
    dead_letter(watch, letters(mixed, good), given)
    read_to(watch, len(READINGS) + len(BAD))
    assert_not_yet(checks.exercise_2(watch), reason, hint)


# --- exercise 3


def changed(**change: Any) -> str:
    """Version 1 with other properties, required fields or rules."""
    schema = json.loads(TEXT)
    schema["properties"] |= change.pop("properties", {})
    schema["required"] += change.pop("required", [])
    return json.dumps(schema | change)


HOURS = {"hours": {"type": "number", "minimum": 0}}


@pytest.mark.parametrize(
    "hours",
    [HOURS, {"hours": {"type": "integer", "minimum": 0}}, {"hours": {"allOf": [{"type": "number"}, {"minimum": 0}]}}],
    ids=["a number", "a whole number", "by two rules"],
)
def test_an_optional_field_is_what_exercise_3_wants(
    watch: Watch, registry: SchemaRegistryClient, hours: dict[str, Any]
) -> None:
    register(watch, registry, "service-readings", TEXT)
    assert_not_yet(checks.exercise_3(watch), "has 1 version", "409")
    register(watch, registry, "service-readings", changed(properties=hours))
    assert checks.exercise_3(watch).passed


@pytest.mark.parametrize(
    ("schema", "level", "reason", "hint"),
    [
        (changed(properties=HOURS, required=["hours"]), "NONE", "is NONE", "set_compatibility"),
        (changed(properties={"hours": {"type": "number"}}), "BACKWARD", "may be negative", "minimum"),
        (changed(properties={"hours": {"type": "string"}}), "BACKWARD", "may be text", "number"),
        (changed(properties={"hours": {"exclusiveMinimum": 0, "type": "number"}}), "BACKWARD", "not be 0", "minimum"),
        (changed(properties={"load": {"type": "number"}}), "BACKWARD", "no field hours", "properties"),
        (changed(additionalProperties=True), "BACKWARD", "additional fields", "additionalProperties"),
    ],
    ids=["forced through", "no minimum", "a text", "above 0", "another field", "opened"],
)
def test_exercise_3_turns_down(  # noqa: PLR0917
    watch: Watch, registry: SchemaRegistryClient, schema: str, level: str, reason: str, hint: str
) -> None:
    register(watch, registry, "service-readings", TEXT)
    register(watch, registry, "service-readings", schema, level=level)
    assert_not_yet(checks.exercise_3(watch), reason, hint)


def test_exercise_3_sees_a_required_field_behind_restored_compatibility(
    watch: Watch, registry: SchemaRegistryClient
) -> None:
    register(watch, registry, "service-readings", TEXT)
    register(watch, registry, "service-readings", changed(properties=HOURS, required=["hours"]), level="NONE")
    registry.set_compatibility(f"{watch.here.ns}service-readings-value", "BACKWARD")
    assert "hours is required" in checks.exercise_3(watch).reason
