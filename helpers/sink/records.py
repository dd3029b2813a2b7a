"""A message as a Kafka record: its headers, its timestamp, and its dead letter. Pure."""

from __future__ import annotations

import hashlib
import time
from datetime import datetime
from typing import NamedTuple

import mqtt5

# How much of a message that is too large for Kafka its dead letter keeps, in bytes.
TRUNCATED = 65_536
# A device's clock is credible within these bounds, in seconds. Outside, Kafka would refuse the record (its default: an
# hour ahead, message.timestamp.after.max.ms) or soon delete it (retention goes by these timestamps).
_BEHIND, _AHEAD = 86_400, 600

_OVERHEAD = 1024  # of a record and its batch, generously

Header = tuple[str, str | bytes | None]

_QOS, _RETAIN, _DUP = ([(f"mqtt.{name}", flag) for flag in "01"] for name in ("qos", "retain", "dup"))


class Moment(NamedTuple):
    """One moment by two clocks: seconds of ``time.monotonic()``, and a header with milliseconds since 1970."""

    monotonic: float
    header: Header

    @classmethod
    def now(cls) -> Moment:
        """Read both clocks."""
        return cls(time.monotonic(), ("mqtt.received", str(time.time_ns() // 1_000_000)))


def headers(packet: mqtt5.PublishPacket) -> list[Header]:
    """Return the user properties as they are, then ``mqtt.topic``, and ``mqtt.correlation-data`` if present."""
    found: list[Header] = [*packet.user_properties, ("mqtt.topic", packet.topic)]
    if packet.correlation_data is not None:
        found.append(("mqtt.correlation-data", packet.correlation_data))
    return found


def all_headers(packet: mqtt5.PublishPacket, received: Moment) -> list[Header]:
    """Return ``headers``, the QoS, retain and DUP flags (``0`` or ``1``), and when the message was received."""
    flags = _QOS[packet.packet_id is not None], _RETAIN[packet.retain], _DUP[packet.duplicate]
    return [*headers(packet), *flags, received.header]


def timestamp(packet: mqtt5.PublishPacket, name: str | None) -> int:
    """Return the time in user property ``name`` (ISO 8601 with an offset) in ms since 1970; 0, now, if not credible."""
    for key, value in packet.user_properties:
        if key == name:
            try:
                then = datetime.fromisoformat(value).timestamp()
            except (ValueError, OverflowError, OSError):
                return 0
            return int(then * 1000) if -_BEHIND < then - time.time() < _AHEAD else 0
    return 0


def dead_letter(
    packet: mqtt5.PublishPacket, received: Moment, reason: str, limit: int
) -> tuple[bytes, list[Header], bool]:
    """Return the value and headers of a dead letter, and whether it was truncated to fit into ``limit`` bytes.

    It holds the original bytes, where they came from, and the reason. What does not fit is cut: then headers give
    length and SHA-256 of the whole, and user properties are left out when they alone are too large.
    """
    found = [*all_headers(packet, received), ("dead-letter.reason", reason)]
    if len(packet.payload) + len(packet.topic) + _bytes(found) + _OVERHEAD <= limit:
        return packet.payload, found, False
    if _bytes(found) > limit // 4:
        found = found[len(packet.user_properties) :]
    found += [
        ("dead-letter.truncated", "1"),
        ("dead-letter.length", str(len(packet.payload))),
        ("dead-letter.sha256", hashlib.sha256(packet.payload).hexdigest()),
    ]
    return packet.payload[: min(TRUNCATED, limit // 4)], found, True


def _bytes(found: list[Header]) -> int:
    return sum(
        len(name.encode()) + len(value.encode() if isinstance(value, str) else value or b"") + 20
        for name, value in found
    )
