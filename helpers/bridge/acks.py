"""Which messages may be acknowledged: the stored ones, as far as no earlier one is missing."""

from __future__ import annotations

from collections import deque

import mqtt5

from helpers.bridge.records import size


class Pending:
    """One received message on its way: what was received, when, and on which connection."""

    __slots__ = ("done", "generation", "packet", "reason", "received", "size", "truncated")

    def __init__(self, packet: mqtt5.PublishPacket, generation: int, received: float) -> None:
        self.packet = packet
        self.generation = generation
        self.received = received  # seconds of time.monotonic()
        self.size = size(packet)
        self.done = False
        self.reason = ""  # why it is a dead letter, if it is one
        self.truncated = False


class Acks:
    """The unacknowledged QoS 1 messages of the present connection, in the order in which they came.

    PUBACKs must leave in that order (MQTT 5.0, 4.6.0-2), and delivery reports do not come in it: every Kafka partition
    goes at its own pace. So a message that is done waits here for all before it.

    A packet identifier belongs to a connection: after a reconnect the broker may give the same one to another message.
    So each message carries the number of its connection, its *generation*, and a new connection forgets the old ones.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._waiting: deque[Pending] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self) -> int:
        """Start a new generation, forget the last one, and return how many messages that left unacknowledged."""
        left = len(self._waiting)
        self.generation += 1
        self._waiting.clear()
        return left

    def add(self, pending: Pending) -> None:
        """Note a message that was just received."""
        self._waiting.append(pending)

    def take(self) -> bytes:
        """Return the PUBACKs that are due, ready to send; ``b""`` if there are none."""
        waiting = self._waiting
        due = []
        while waiting and waiting[0].done:
            due.append(mqtt5.PubAckPacket(waiting.popleft().packet.packet_id or 0).write())
        return b"".join(due)

    @property
    def oldest(self) -> float | None:
        """When the oldest unacknowledged message was received (``time.monotonic()``), or ``None``."""
        try:
            return self._waiting[0].received
        except IndexError:  # asked from another thread, it may just have become empty
            return None
