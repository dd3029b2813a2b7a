"""Bytes in, MQTT packets out, for both versions; and the answers, in the client's version. Pure.

The codec knows MQTT 5 only. What a publisher sends in 3.1.1 differs from it by the lists of properties alone, so a
packet of 3.1.1 is read as the one of MQTT 5 with empty lists (MQTT 3.1.1, OASIS Standard, 29 October 2014, chapter 3).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import mqtt5
from mqtt5 import ConnAckReasonCode, DisconnectReasonCode, QoS

CONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE = 1, 3, 8, 10
FOUR, FIVE = 4, 5  # the protocol levels of 3.1.1 and 5

# Type and length, then the packet identifier: without a reason code each means success, in both versions.
ACK = struct.Struct(">HH")
PUBACK, PUBREC, PUBCOMP = 0x4002, 0x5002, 0x7002
PINGRESP = b"\xd0\x00"
RETAINED = ("mqtt.retain", "1")  # a user property, for Kafka

_NAME = b"\x00\x04MQTT"
_MORE = 0x80  # in a byte of a length: another one follows
_WILL = 0x04  # the flag in CONNECT
# MQTT 3.1.1, table 3.1: return codes from 0 on. Every other refusal is the last one.
_RETURN_CODES = [
    ConnAckReasonCode.SUCCESS, ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION, ConnAckReasonCode.CLIENT_ID_NOT_VALID,
    ConnAckReasonCode.QUOTA_EXCEEDED, ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, ConnAckReasonCode.NOT_AUTHORIZED,
]  # fmt: skip


class ProtocolError(Exception):
    """What a client sent ends its connection; ``code`` is what an MQTT 5 client is sent."""

    def __init__(self, code: DisconnectReasonCode = DisconnectReasonCode.MALFORMED_PACKET) -> None:
        self.code = code
        super().__init__(code.name)


class Framer:
    """Collects bytes in pieces of any size, and takes packets of at most ``largest`` bytes out of them.

    ``len()`` is the number of bytes that wait for the rest of their packet.
    """

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._rest, self._needed = bytearray(), 0

    def __len__(self) -> int:
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[memoryview]:
        """Yield the packets that ``data`` completes. Raises ``ProtocolError`` at the first that is too large."""
        self._rest += data
        if len(self._rest) < self._needed:
            return
        view, at, self._rest, self._needed = memoryview(bytes(self._rest)), 0, bytearray(), 0
        while at < len(view):
            end = self._end(view, at)
            if end > len(view):
                self._rest, self._needed = bytearray(view[at:]), end - at
                return
            yield view[at:end]
            at = end

    def _end(self, data: memoryview, at: int) -> int:
        """Return where the packet at ``at`` ends; behind the last byte while its length is incomplete."""
        length = 0
        for place, byte in enumerate(data[at + 1 : at + 5]):
            length |= (byte & 0x7F) << 7 * place
            if byte < _MORE:
                if length + 2 + place > self.largest:
                    raise ProtocolError(DisconnectReasonCode.PACKET_TOO_LARGE)
                return at + 2 + place + length
        if len(data) >= at + 5:
            raise ProtocolError
        return len(data) + 1


def read(frame: memoryview, version: int) -> mqtt5.Packet:
    """Return the packet in a whole frame, or raise ``ProtocolError``."""
    try:
        return mqtt5.read(frame if version == FIVE else memoryview(_as_five(bytes(frame))))[0]
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the codec, as on text that is not UTF-8, is a BaseException
        raise ProtocolError from error


def read_connect(frame: memoryview) -> tuple[int, mqtt5.ConnectPacket | None]:
    """Return the protocol level, and the CONNECT packet if it is 4 or 5; raise ``ProtocolError`` for anything else."""
    data = bytes(frame)
    body = _body(data)
    if data[0] != CONNECT << 4 or len(data) < body + 10:
        raise ProtocolError
    if data[body : body + 6] != _NAME:
        return 0, None
    level, flags = data[body + 6], data[body + 7]
    if level not in (FOUR, FIVE):
        return level, None
    if flags & 1 or (not flags & _WILL and flags & 0x38) or (level == FOUR and flags & 0xC0 == 0x40):  # noqa: PLR2004
        raise ProtocolError  # MQTT 5.0, 3.1.2: reserved, a will's flags without a will; 3.1.1: a password without user
    packet = read(frame, level)
    assert isinstance(packet, mqtt5.ConnectPacket)
    return level, packet


def _body(data: bytes) -> int:
    return next(at for at in range(1, 5) if data[at] < _MORE) + 1


def _as_five(data: bytes) -> bytes:
    """Return a packet of 3.1.1 as one of MQTT 5: with an empty list of properties wherever MQTT 5 has a list."""
    kind, body = data[0] >> 4, data[_body(data) :]

    def after_text(at: int) -> int:
        return at + 2 + int.from_bytes(body[at : at + 2], "big")

    if kind == CONNECT:
        body = body[:6] + b"\x05" + body[7:]
        places = [10, after_text(10)] if body[7] & _WILL else [10]
    elif kind == PUBLISH:
        places = [after_text(0) + (2 if data[0] & 0x06 else 0)]
    elif kind in (SUBSCRIBE, UNSUBSCRIBE):
        places = [2]
    else:
        return data
    pieces = [body[start:end] for start, end in zip([0, *places], [*places, None], strict=True)]
    return _with_length(data[0], b"\x00".join(pieces))


def _length(value: int) -> bytes:
    """Return a variable byte integer (MQTT 5.0, 1.5.5)."""
    return bytes([value]) if value < _MORE else bytes([value & 0x7F | _MORE]) + _length(value >> 7)


def _with_length(first: int, body: bytes) -> bytes:
    return bytes([first]) + _length(len(body)) + body


def connack(version: int, code: ConnAckReasonCode = ConnAckReasonCode.SUCCESS, **granted: int | str | None) -> bytes:
    """Return a CONNACK without a session; ``granted`` reaches clients of MQTT 5 only."""
    if version < FIVE:
        return bytes([0x20, 2, 0, _RETURN_CODES.index(code) if code in _RETURN_CODES else len(_RETURN_CODES) - 1])
    return mqtt5.ConnAckPacket(reason_code=code, max_qos=QoS.AT_LEAST_ONCE, **granted).write()  # type: ignore[arg-type]


def refusal(version: int, packet: mqtt5.SubscribePacket | mqtt5.UnsubscribePacket) -> bytes:
    """Return a SUBACK that refuses every topic filter, or an UNSUBACK: no subscription existed.

    The filters are valid, but not accepted here (MQTT 5.0, tables 3.8 and 3.9). In 3.1.1 UNSUBACK has no codes.
    """
    five = version == FIVE
    if isinstance(packet, mqtt5.SubscribePacket):
        first, codes = 0x90, (b"\x83" if five else b"\x80") * len(packet.topic_filters)
    else:
        first, codes = 0xB0, b"\x11" * len(packet.patterns) * five
    return _with_length(first, packet.packet_id.to_bytes(2, "big") + b"\x00" * five + codes)
