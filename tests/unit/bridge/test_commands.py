"""Which record becomes which PUBLISH, and which never can."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import mqtt5
import pytest
from confluent_kafka import Message
from hypothesis import given, strategies as st

from helpers.bridge import CommandsConfig
from helpers.bridge.commands import Command, publish
from helpers.topics import TopicError, TopicMapping, is_mqtt_text
from tests.unit.bridge.test_config import commands

LARGEST = 2_000


@dataclass
class Record:
    """A record as the consumer gives it."""

    a_key: bytes | None = b"G-1"
    a_value: bytes | None = b"go"
    some_headers: list[tuple[str, bytes | None]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        found = {
            "key": self.a_key, "value": self.a_value, "headers": self.some_headers,
            "topic": "commands", "partition": 2, "offset": 7,
        }  # fmt: skip
        return lambda: found[name]


def sent(record: Record, largest: int | None = None) -> tuple[mqtt5.PublishPacket, int]:
    data, left_out = publish(Command(cast("Message", record)), commands(), 1.5, 5, largest)
    packet, length = mqtt5.read(memoryview(data))
    assert length == len(data)
    assert isinstance(packet, mqtt5.PublishPacket)
    return packet, left_out


def test_headers_become_user_properties_and_mqtts_own() -> None:
    packet, left_out = sent(
        Record(some_headers=[("mqtt.response-topic", b"a/b"), ("by", "ü".encode()), ("mqtt.correlation-data", b"\xff")])
    )
    assert (packet.topic, packet.payload, packet.packet_id, left_out) == ("generators/G-1/commands", b"go", 5, 0)
    assert packet.user_properties == [("by", "ü"), ("kafka.topic", "commands"), ("kafka.offset", "2/7")]
    assert (packet.response_topic, packet.correlation_data, packet.message_expiry_interval) == ("a/b", b"\xff", 2)


BAD = [b"a\nb", b"\x00", b"\xff\xfe", "\uffff".encode(), "\x85".encode(), b"x" * 65_536]


@pytest.mark.parametrize("value", BAD, ids=lambda value: repr(value[:9]))
def test_a_header_that_mqtt_cannot_hold_is_left_out(value: bytes) -> None:
    packet, left_out = sent(Record(some_headers=[("bad", value), ("good", None)]))
    assert (packet.user_properties[0], left_out) == (("good", ""), 1)


@pytest.mark.parametrize("value", BAD, ids=lambda value: repr(value[:9]))
@pytest.mark.parametrize("place", ["key", "response topic"])
def test_what_the_command_itself_needs_must_be_valid(value: bytes, place: str) -> None:
    record = Record(value) if place == "key" else Record(some_headers=[("mqtt.response-topic", value)])
    with pytest.raises((TopicError, ValueError), match=r"not a valid|not a single"):
        sent(record)


def test_headers_give_way_before_a_command_is_too_large() -> None:
    packet, left_out = sent(Record(some_headers=[("long", b"x" * LARGEST)]), LARGEST)
    assert (len(packet.user_properties), left_out) == (2, 1)
    with pytest.raises(ValueError, match=f"{LARGEST} bytes"):
        sent(Record(a_value=b"x" * LARGEST), LARGEST)


def test_a_clock_that_is_ahead_does_not_make_an_expiry_that_mqtt_cannot_hold() -> None:
    data, _ = publish(Command(cast("Message", Record())), commands(), 2.0**33, 5, None)
    packet, _ = mqtt5.read(memoryview(data))
    assert isinstance(packet, mqtt5.PublishPacket)
    assert packet.message_expiry_interval == 2**32 - 1


def test_a_record_goes_back_unless_it_came_from_there() -> None:
    packet, _ = sent(Record(some_headers=[("mqtt.topic", b"generators/G-1/readings")]))
    assert packet.topic == "generators/G-1/commands"
    came = Record(some_headers=[("mqtt.topic", b"generators/G-1/commands")])
    assert publish(Command(cast("Message", came)), commands(), None, 5, None) == (b"", 0)


@given(
    key=st.binary(max_size=20) | st.text(max_size=20).map(str.encode),
    value=st.none() | st.binary(max_size=3_000),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["by", "a\nb", "mqtt.response-topic", "mqtt.correlation-data", "mqtt.topic"]),
            st.none() | st.binary(max_size=900) | st.text(max_size=90).map(str.encode),
        ),
        max_size=4,
    ),
)
def test_any_record_becomes_a_packet_that_every_broker_takes_or_is_refused(**record: Any) -> None:
    made = Record(record["key"], record["value"], record["headers"])
    try:
        packet, left_out = sent(made, LARGEST)
    except (TopicError, ValueError):
        return
    texts = [packet.topic, packet.response_topic or "", *(text for pair in packet.user_properties for text in pair)]
    assert all(map(is_mqtt_text, texts))
    foreign = [name for name, _ in record["headers"] if not name.startswith("mqtt.")]
    assert len(packet.user_properties) - 2 + left_out == len(foreign)
    assert packet.payload == (record["value"] or b"")


def test_the_mapping_is_used_in_reverse() -> None:
    config: CommandsConfig = commands(route=TopicMapping("{device}/do", topic="commands", key="{device}"))
    data, _ = publish(Command(cast("Message", Record())), config, None, 1, None)
    assert b"G-1/do" in data
