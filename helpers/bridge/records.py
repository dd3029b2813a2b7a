"""What a message looks like in Kafka: its headers, its time, and what a dead letter says. Pure."""

from __future__ import annotations

import hashlib
import time
from datetime import datetime

import mqtt5

# How much of a message that is too large for Kafka its dead letter keeps, in bytes.
TRUNCATED = 65_536
# A device's clock is believed within these bounds, in seconds. Outside, Kafka would refuse the record (its default: an
# hour ahead, message.timestamp.after.max.ms) or soon delete it (retention goes by these timestamps).
_BEHIND, _AHEAD = 86_400, 600

_OVERHEAD = 1024  # of a record and its batch, generously

Header = tuple[str, str | bytes | None]


def size(packet: mqtt5.PublishPacket) -> int:
    """Return the bytes of a message that count against the budget."""
    found = len(packet.payload) + len(packet.topic)
    for name, value in packet.user_properties:
        found += len(name) + len(value)
    return found


def headers(packet: mqtt5.PublishPacket, *, everything: bool = False) -> list[Header]:
    """Return the user properties under their own names, and where the message came from under ``mqtt.…``.

    Always ``mqtt.topic``; the correlation data of a request's answer when there is any. ``everything`` adds QoS, retain
    and DUP flags (``0`` or ``1``), and the receive time in milliseconds since 1970.
    """
    found: list[Header] = [*packet.user_properties, ("mqtt.topic", packet.topic)]
    if packet.correlation_data is not None:
        found.append(("mqtt.correlation-data", packet.correlation_data))
    if everything:
        found += [
            ("mqtt.qos", "1" if packet.packet_id else "0"),
            ("mqtt.retain", "1" if packet.retain else "0"),
            ("mqtt.dup", "1" if packet.duplicate else "0"),
            ("mqtt.received", str(time.time_ns() // 1_000_000)),
        ]
    return found


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


def dead_letter(packet: mqtt5.PublishPacket, reason: str, limit: int) -> tuple[bytes, list[Header], bool]:
    """Return the value and headers of a dead letter, and whether it was truncated to fit into ``limit`` bytes.

    It holds the original bytes, where they came from, and the reason. What does not fit is cut: then the headers tell
    length and SHA-256 of the whole, and user properties stay behind when they alone are too large.
    """
    found = [*headers(packet, everything=True), ("dead-letter.reason", reason)]
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
