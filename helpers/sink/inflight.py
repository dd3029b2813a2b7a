"""One MQTT message on its way to Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mqtt5
from confluent_kafka import KafkaError, Message

from helpers.sink.records import Moment

if TYPE_CHECKING:
    from helpers.sink.sink import Sink

# What a message costs besides its bytes, in Python and in librdkafka, and what each property adds (measured).
_MESSAGE, _PROPERTY = 900, 280


class InFlight:
    """A received message until Kafka has it: what was received, when, and whether it is ``done``.

    ``packet_id``: of QoS 1, else ``None``. ``size``: the bytes of memory it costs, which count against the budget.
    ``reason``: why it is a dead letter, if it is one; ``truncated``: whether that was cut to fit. ``untimed``: whether
    Kafka refused the device's time.
    """

    __slots__ = ("_sink", "done", "packet", "packet_id", "reason", "received", "size", "truncated", "untimed")

    def __init__(self, packet: mqtt5.PublishPacket, received: Moment, sink: Sink) -> None:
        self.packet = packet
        self.packet_id = packet.packet_id  # kept, since the codec makes a new int at each look
        self.received = received
        size = _MESSAGE + len(packet.payload) + len(packet.topic)
        for name, value in packet.user_properties:
            size += _PROPERTY + len(name) + len(value)
        self.size = size
        self.done = self.truncated = self.untimed = False
        self.reason = ""
        self._sink = sink

    def report(self, error: KafkaError | None, _message: Message) -> None:
        """Take Kafka's delivery report. It runs inside ``Sink.poll``, and what it raises comes out there."""
        if error is None:
            self.done = True
            sink = self._sink
            sink.held -= self.size
            sink.outstanding -= 1
            if self.reason:
                sink.counts.dead_lettered += 1
                sink.counts.truncated += self.truncated
            else:
                sink.counts.produced += 1
        else:
            self._sink.refused(self, error)
