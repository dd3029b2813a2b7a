"""Which messages may be acknowledged: the stored ones, as far as no earlier one is missing."""

from __future__ import annotations

import struct
from collections import deque

from helpers.bridge.sink import Pending

# Type and length, then the packet identifier: a PUBACK that says no more means success (MQTT 5.0, 3.4.2.1).
PUBACK = struct.Struct(">HH")
_SUCCESS = 0x4002


class Acks:
    """The unacknowledged QoS 1 messages of the present connection, in the order in which they came.

    PUBACKs must leave in that order (MQTT 5.0, 4.6.0-2), and delivery reports do not come in it: every Kafka partition
    goes at its own pace. So a message that is done waits here for all before it.

    A packet identifier belongs to a connection: after a reconnect the broker may give the same one to another message.
    So every connection is a *generation* of its own, and a new one forgets the messages of the last.
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
            due.append(PUBACK.pack(_SUCCESS, waiting.popleft().packet.packet_id))
        return b"".join(due)

    @property
    def oldest(self) -> float | None:
        """When the oldest unacknowledged message was received (``time.monotonic()``), or ``None``."""
        try:
            return self._waiting[0].received.monotonic
        except IndexError:  # asked from another thread, it may just have become empty
            return None
