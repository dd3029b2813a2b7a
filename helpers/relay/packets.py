"""MQTT control packets read off a stream of bytes: enough of each to count it and to draw it.

Layout: MQTT Version 5.0 (OASIS Standard, 7 March 2019), chapters 2 and 3. What is read here is the same in 3.1.1, but
for the properties inside CONNECT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from paho.mqtt.packettypes import PacketTypes

_WITH_ID = {"PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK"}
_MQTT5 = 5


@dataclass(frozen=True, kw_only=True)
class Packet:
    """One MQTT control packet as it passed a relay.

    ``at`` is in seconds since the relay opened, ``size`` in bytes with the fixed header. ``lost`` packets reached the
    relay and were never handed on. ``packet_id``, ``qos``, ``topic`` and the flags are empty where a kind has none.
    """

    kind: str
    to_broker: bool
    size: int
    at: float = 0.0
    client: str = ""
    packet_id: int | None = None
    qos: int = 0
    dup: bool = False
    retain: bool = False
    topic: str = ""
    lost: bool = False

    @property
    def label(self) -> str:
        """What a picture writes on the arrow, as in ``PUBLISH QoS 1 · id 7 · DUP``."""
        parts = [f"{self.kind} QoS {self.qos}" if self.kind == "PUBLISH" else self.kind]
        parts += [f"id {self.packet_id}"] if self.packet_id is not None else []
        parts += ["DUP"] if self.dup else []
        return " · ".join([*parts, *(["lost"] if self.lost else [])])


@dataclass
class PacketReader:
    """Cuts the bytes of one direction of one connection into packets; bytes may come in any portions."""

    to_broker: bool
    _unread: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that ``data`` completes. A CONNECT carries its client id in ``client``."""
        self._unread += data
        while (header := _length(self._unread, 1)) and len(self._unread) >= sum(header):
            first, body = self._unread[0], bytes(self._unread[header[1] : sum(header)])
            packet = Packet(kind=PacketTypes.Names[first >> 4].upper(), to_broker=self.to_broker, size=sum(header))
            del self._unread[: packet.size]
            yield _details(packet, first, body)


def _details(packet: Packet, first: int, body: bytes) -> Packet:
    if packet.kind == "CONNECT":
        return replace(packet, client=_client_id(body))
    if packet.kind == "PUBLISH":
        topic, end = _text(body, 0)
        qos = first >> 1 & 3
        number = int.from_bytes(body[end : end + 2], "big") if qos else None
        dup, retain = bool(first & 8), bool(first & 1)
        return replace(packet, topic=topic, qos=qos, packet_id=number, dup=dup, retain=retain)
    if packet.kind in _WITH_ID:
        return replace(packet, packet_id=int.from_bytes(body[:2], "big"))
    return packet


def _length(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """The variable byte integer at ``at`` and the position after it; ``None`` when bytes are missing."""
    value = 0
    for place, byte in enumerate(data[at : at + 4]):
        value |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return value, at + place + 1
    return None


def _text(body: bytes, at: int) -> tuple[str, int]:
    """The length-prefixed string at ``at`` and the position after it."""
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    return body[at + 2 : end].decode(errors="replace"), end


def _client_id(connect: bytes) -> str:
    _protocol, at = _text(connect, 0)
    level, at = connect[at], at + 4  # level, flags and keep-alive: one, one and two bytes
    if level == _MQTT5 and (properties := _length(connect, at)):
        at = sum(properties)
    return _text(connect, at)[0]
