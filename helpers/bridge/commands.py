"""A Kafka record as an MQTT command. Pure."""

from __future__ import annotations

import math
import time
from typing import cast

import mqtt5
from confluent_kafka import Message, TopicPartition
from mqtt5 import QoS

from helpers.bridge.config import LONGEST_EXPIRY, CommandsConfig
from helpers.bridge.runner import FROM_KAFKA
from helpers.topics import check_mqtt_topic, is_mqtt_text


class Command:
    """One record on its way to MQTT. ``failures``: how often the MQTT broker may have refused it."""

    __slots__ = ("done", "failures", "headers", "place", "record", "since")

    def __init__(self, record: Message) -> None:
        self.record = record
        self.headers = cast("list[tuple[str, bytes | None]]", record.headers() or [])
        self.place = TopicPartition(record.topic() or "", record.partition() or 0, record.offset() or 0)
        self.since = time.monotonic()
        self.failures = 0
        self.done = False

    def seconds_left(self, expiry: float) -> float:
        """Return for how long the command is worth sending."""
        written: float = self.record.timestamp()[1] / 1000
        return expiry - (time.time() - written)


def publish(
    command: Command, config: CommandsConfig, left: float | None, packet_id: int, largest: int | None
) -> tuple[bytes, int]:
    """Return the PUBLISH for a command, and how many headers it leaves out; ``b""`` if it came from its MQTT topic.

    Headers become user properties, except ``mqtt.response-topic`` and ``mqtt.correlation-data``, which MQTT has places
    for. A header that MQTT cannot hold is left out: any program may have added it. All are if the packet would be
    larger than the ``largest`` that the MQTT broker takes. ``left``: seconds until the command expires, which a clock
    that is ahead makes more than fit.

    Raises ``TopicError`` or ``ValueError`` if the key makes no topic, if one of the two headers is not valid, or if the
    value alone is too large.
    """
    record, at = command.record, command.place
    topic = config.route.mqtt_topic(**{config.level: _text(record.key())})
    if ("mqtt.topic", topic.encode()) in command.headers:
        return b"", 0
    own = {name: value for name, value in command.headers if name.startswith("mqtt.")}
    foreign = [(name, _text(value)) for name, value in command.headers if name not in own]
    answer = own.get("mqtt.response-topic")
    for properties in ([each for each in foreign if all(map(is_mqtt_text, each))], []):
        packet = mqtt5.PublishPacket(
            topic, record.value() or b"", qos=QoS.AT_LEAST_ONCE, packet_id=packet_id, retain=config.retain,
            message_expiry_interval=None if left is None else min(math.ceil(left), LONGEST_EXPIRY),
            response_topic=None if answer is None else check_mqtt_topic(_text(answer)),
            correlation_data=own.get("mqtt.correlation-data"),
            user_properties=[*properties, (FROM_KAFKA, at.topic), ("kafka.offset", f"{at.partition}/{at.offset}")],
        ).write()  # fmt: skip
        if largest is None or len(packet) <= largest:
            return packet, len(foreign) - len(properties)
    raise ValueError(f"larger than the {largest} bytes that the MQTT broker takes")


def _text(value: bytes | None) -> str:
    """Return ``value`` as text; bytes that are not UTF-8 become lone surrogates, which MQTT cannot hold either."""
    return (value or b"").decode(errors="surrogateescape")
