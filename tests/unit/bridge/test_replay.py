"""A dead letter gives back the message that it was made of."""

from __future__ import annotations

from typing import Any, cast

import mqtt5
from confluent_kafka import Message
from hypothesis import given, strategies as st

from helpers.bridge.replay import original
from helpers.sink import Sink, records

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)
NAMES = ["seq", "mqtt.topic", "mqtt.qos", "dead-letter.reason", "dead-letter.truncated", "mqtt.received"]


class Record:
    """A record as the consumer gives it."""

    def __init__(self, value: bytes | None, headers: list[tuple[str, str | bytes | None]]) -> None:
        self._value, self._headers = value, headers

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes | None]]:
        return [(name, value.encode() if isinstance(value, str) else value) for name, value in self._headers]


@given(
    payload=st.binary(max_size=2_000),
    properties=st.lists(st.tuples(st.sampled_from(NAMES) | TEXT, TEXT), max_size=3),
    correlation=st.none() | st.binary(max_size=9),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_a_whole_dead_letter_gives_back_its_message_and_a_cut_one_nothing(
    payload: bytes, properties: Any, correlation: bytes | None, flags: tuple[bool, bool, bool]
) -> None:
    acknowledged, retain, duplicate = flags
    packet = mqtt5.PublishPacket(
        "g/ü/readings", payload, qos=mqtt5.QoS(int(acknowledged)), packet_id=1 if acknowledged else None,
        retain=retain, duplicate=duplicate and acknowledged, user_properties=properties, correlation_data=correlation,
    )  # fmt: skip
    received = records.Moment.now()
    value, _, headers, truncated = records.dead_letter(packet, received, "a reason", 1_000)
    message = original(cast("Message", Record(value, headers)), cast("Sink", None))
    assert (message is None) == truncated
    if message:
        assert message.packet.write() == packet.write()
        assert records.flags(message.packet, message.received) == [
            *records.flags(packet, received)[:3], ("mqtt.received", str(received.header[1]).encode()),
        ]  # fmt: skip
