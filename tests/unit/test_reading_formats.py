"""A reading is the same in all its formats: six fields, of one name and kind, in JSON Schema, Avro and Protobuf."""

from __future__ import annotations

import json
import re

from fastavro.schema import parse_schema

from helpers.fleet.fleet import Fleet
from helpers.paths import DATA
from helpers.schemas.reading_pb2 import DESCRIPTOR, Reading

SCHEMAS = DATA / "schemas"
KINDS = {"string": "string", "number": "double"}


def expected() -> dict[str, str]:
    """Field → its kind, as Avro and Protobuf call it."""
    properties = json.loads((SCHEMAS / "reading-v1.schema.json").read_text("utf-8"))["properties"]
    return {name: KINDS[rules["type"]] for name, rules in properties.items()}


def test_avro_has_the_fields_of_the_json_schema() -> None:
    schema = json.loads((SCHEMAS / "reading.avsc").read_text("utf-8"))
    parse_schema(schema)
    assert {field["name"]: field["type"] for field in schema["fields"]} == expected()


def test_protobuf_has_the_fields_of_the_json_schema() -> None:
    text = (SCHEMAS / "reading.proto").read_text("utf-8")
    assert {name: kind for kind, name in re.findall(r"^  (\w+) (\w+) = \d+;", text, re.MULTILINE)} == expected()


def test_the_generated_code_is_that_of_the_proto_file() -> None:
    text = (SCHEMAS / "reading.proto").read_text("utf-8")
    numbers = {name: int(number) for name, number in re.findall(r"^  \w+ (\w+) = (\d+);", text, re.MULTILINE)}
    assert {field.name: field.number for field in Reading.DESCRIPTOR.fields} == numbers
    assert {field.name: field.type == field.TYPE_DOUBLE for field in Reading.DESCRIPTOR.fields} == {
        name: kind == "double" for name, kind in expected().items()
    }
    assert DESCRIPTOR.package in re.findall(r"^package (\w+);", text, re.MULTILINE)


def test_a_reading_survives_protobuf() -> None:
    [reading] = Fleet(size=1).step(1)
    message = Reading.FromString(Reading(**reading.value()).SerializeToString())
    assert {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields} == reading.value()
