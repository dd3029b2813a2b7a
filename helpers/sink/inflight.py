"""One MQTT message on its way to Kafka."""

from __future__ import annotations

from typing import Protocol

import mqtt5
from confluent_kafka import KafkaError, Message

from helpers.sink.counts import Counts
from helpers.sink.records import Moment

# What a message costs besides its bytes, in Python and in librdkafka, and what each property adds (measured).
_MESSAGE, _PROPERTY = 900, 280


class Owner(Protocol):
    """What a delivery report changes: the sink."""

    held: int
    outstanding: int
    counts: Counts

    def refused(self, message: InFlight, error: KafkaError) -> None:
        """Take the report that Kafka has not stored ``message``."""


class InFlight:
    """A received message until Kafka has it: what was received, when, and whether it is ``done``.

    ``size``: the bytes of memory it costs, which count against the budget. ``reason``: why it is a dead letter,
    if it is one. ``untimed``: whether Kafka refused the device's time.
    """

    __slots__ = ("_owner", "done", "packet", "reason", "received", "size", "untimed")

    def __init__(self, packet: mqtt5.PublishPacket, received: Moment, owner: Owner) -> None:
        self.packet = packet
        self.received = received
        size = _MESSAGE + len(packet.payload) + len(packet.topic)
        for name, value in packet.user_properties:
            size += _PROPERTY + len(name) + len(value)
        self.size = size
        self.done = False
        self.reason = ""
        self.untimed = False
        self._owner = owner

    def report(self, error: KafkaError | None, _message: Message) -> None:
        """Take Kafka's delivery report. It runs inside ``Sink.poll``, and what it raises comes out there."""
        if error is None:
            self.done = True
            owner = self._owner
            owner.held -= self.size
            owner.outstanding -= 1
            owner.counts.produced += 1
        else:
            self._owner.refused(self, error)
