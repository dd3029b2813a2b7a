"""A message as a Kafka record: its headers, its timestamp, and its dead letter. Pure."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import mqtt5

# How much of a message that is too large for Kafka its dead letter keeps, in bytes.
TRUNCATED = 65_536
# A device's clock is credible within these bounds, in seconds. Outside, Kafka would refuse the record (its default: an
# hour ahead, message.timestamp.after.max.ms) or soon delete it (retention goes by these timestamps).
_BEHIND, _AHEAD = 86_400, 600

# The smallest limit that has room for a dead letter, in bytes, and what a record itself needs.
SMALLEST, _OVERHEAD = 1_000, 100

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


def shorten(text: str, length: int = 300) -> str:
    """Return ``text`` without control characters and lone surrogates, cut to ``length`` characters."""
    shown = repr(text[:length])[1:-1]
    return shown if len(text) <= length >= len(shown) else shown[: length - 1] + "…"


def header(name: str, value: str) -> Header:
    """Return a header that holds U+0000 too: the C client ends a text there, and only bytes pass whole."""
    return (name.replace("\0", r"\x00"), value.encode()) if "\0" in name + value else (name, value)


def headers(packet: mqtt5.PublishPacket, origin: Header) -> list[Header]:
    """Return the user properties, then ``origin``, and ``mqtt.correlation-data`` if present."""
    properties = packet.user_properties
    found = [*(header(name, value) for name, value in properties), origin] if properties else [origin]
    if packet.correlation_data is not None:
        found.append(("mqtt.correlation-data", packet.correlation_data))
    return found


def flags(packet: mqtt5.PublishPacket, received: Moment) -> list[Header]:
    """Return the QoS, retain and DUP flags (``0`` or ``1``), and when the message was received."""
    return [_QOS[packet.packet_id is not None], _RETAIN[packet.retain], _DUP[packet.duplicate], received.header]


def timestamp(packet: mqtt5.PublishPacket, name: str | None) -> int:
    """Return the time in user property ``name`` (ISO 8601 with an offset) in ms since 1970; 0, now, if not credible."""
    for key, value in packet.user_properties:
        if key == name:
            try:
                given = datetime.fromisoformat(value)
                # Without an offset it would be read in this machine's time zone.
                then = given.timestamp() if given.tzinfo else 0.0
            except (ValueError, OverflowError, OSError):
                return 0
            return int(then * 1000) if -_BEHIND < then - time.time() < _AHEAD else 0
    return 0


def dead_letter(
    packet: mqtt5.PublishPacket, received: Moment, reason: str, limit: int
) -> tuple[bytes | None, bytes | None, list[Header], bool]:
    """Return value, key and headers of a dead letter that fits into ``limit`` bytes, and whether it was truncated.

    It holds the original bytes, where they came from, and the reason. ``limit`` is at least ``SMALLEST``.
    """
    topic = packet.topic.encode()
    origin: Header = ("mqtt.topic", topic)
    foreign = [each for each in headers(packet, origin) if each is not origin]
    known = [origin, *flags(packet, received), ("dead-letter.reason", reason.encode())]
    return fit(packet.payload, topic, foreign, known, limit)


def fit(
    value: bytes | None, key: bytes | None, foreign: Sequence[Header], known: Sequence[Header], limit: int
) -> tuple[bytes | None, bytes | None, list[Header], bool]:
    """Return value, key and headers of a dead letter that fits into ``limit`` bytes, and whether it was truncated.

    What does not fit is cut: then headers give length and SHA-256 of the whole value, and when key and headers alone
    are too large, ``foreign`` headers are left out, and the key and the texts of ``known`` headers are cut.
    """
    body, start, found = value or b"", key or b"", [*foreign, *known]
    if len(body) + len(start) + _bytes(found) + _OVERHEAD <= limit:
        return value, key, found, False
    if len(start) + _bytes(found) > limit // 4:
        start = start[: limit // 8]
        found = [(name, text and text[: limit // 8]) for name, text in known]
    found += [
        ("dead-letter.truncated", "1"),
        ("dead-letter.length", str(len(body))),
        ("dead-letter.sha256", hashlib.sha256(body).hexdigest()),
    ]
    room = limit - _OVERHEAD - len(start) - _bytes(found)
    return body[: min(TRUNCATED, room)], start, found, True


def _bytes(found: list[Header]) -> int:
    return sum(
        len(name.encode()) + len(value.encode() if isinstance(value, str) else value or b"") + 10
        for name, value in found
    )
