"""A reading is the same in all its formats: six fields, of one name and kind, in JSON Schema, Avro and Protobuf.

And the generated code of each Protobuf file is that of the file.
"""

from __future__ import annotations

import json
import re
import struct

from fastavro.schema import parse_schema

from helpers.fleet.fleet import Fleet
from helpers.paths import DATA
from helpers.schemas.reading_pb2 import DESCRIPTOR, Reading
from helpers.schemas.sparkplug_pb2 import Payload

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


def test_the_generated_code_of_sparkplug_is_that_of_its_file() -> None:
    text = (SCHEMAS / "sparkplug.proto").read_text("utf-8")
    numbers = re.findall(r"^ +(?:\w+ )?\w+ (\w+) = (\d+);", text, re.MULTILINE)
    fields = [*Payload.DESCRIPTOR.fields, *Payload.Metric.DESCRIPTOR.fields]
    assert sorted(numbers) == sorted((each.name, str(each.number)) for each in fields)


def test_a_sparkplug_payload_has_the_bytes_of_the_specification() -> None:
    """Written by hand from Sparkplug 3.0, section 6.4: field numbers are all that other programs know."""
    metric = b"\x0a\x04fuel" + b"\x10\x01" + b"\x20\x0a" + b"\x69" + struct.pack("<d", 412.5)
    payload = Payload.FromString(b"\x08\x05" + b"\x12" + bytes([len(metric)]) + metric + b"\x18\x00")
    [found] = payload.metrics
    assert (payload.timestamp, payload.seq, payload.HasField("seq")) == (5, 0, True)
    assert (found.name, found.alias, found.datatype, found.double_value) == ("fuel", 1, 10, 412.5)
    assert found.WhichOneof("value") == "double_value"
