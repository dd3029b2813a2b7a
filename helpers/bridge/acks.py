"""Which messages may be acknowledged: the stored ones, as far as no earlier one is missing."""

from __future__ import annotations

import struct
from collections import deque

from helpers.sink.inflight import InFlight

# Type and length, then the packet identifier: a PUBACK without a reason code means success (MQTT 5.0, 3.4.2.1).
PUBACK = struct.Struct(">HH")
_SUCCESS = 0x4002


class AckQueue:
    """The unacknowledged QoS 1 messages of the present connection, in the order in which they came.

    PUBACKs must be sent in that order (MQTT 5.0, 4.6.0-2), but delivery reports come in another: each Kafka partition
    has its own pace. So a message that is done waits here for all before it.

    A packet identifier belongs to a connection: after a reconnect the broker may give the same one to another message.
    So every connection is a *generation* of its own, and a new one forgets the messages of the last.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._waiting: deque[InFlight] = deque()
        self.add = self._waiting.append  # note a message that was just received

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self) -> None:
        """Start a new generation and forget the last one."""
        self.generation += 1
        self._waiting.clear()

    def take(self) -> bytes:
        """Return the PUBACKs that are due, ready to send; ``b""`` if there are none."""
        waiting = self._waiting
        due = []
        while waiting and waiting[0].done:
            due.append(PUBACK.pack(_SUCCESS, waiting.popleft().packet_id))
        return b"".join(due)

    @property
    def oldest(self) -> float | None:
        """When the oldest unacknowledged message was received (``time.monotonic()``), or ``None``."""
        try:
            return self._waiting[0].received.monotonic
        except IndexError:  # read from another thread, it may have just become empty
            return None
