"""Read MQTT control packets from a stream of bytes: enough of each to count it and to draw it.

Layout: MQTT Version 5.0 (OASIS Standard, 7 March 2019), chapters 2 and 3. The parts read here are the same in 3.1.1,
except that its CONNECT has no properties.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from paho.mqtt.packettypes import PacketTypes

_WITH_ID = {"PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK"}
_FLAGS = {"PUBREL": 2, "SUBSCRIBE": 2, "UNSUBSCRIBE": 2}
_MQTT5 = 5


@dataclass(frozen=True, kw_only=True)
class Packet:
    """One MQTT control packet as it passed a relay.

    ``at`` is in seconds since the relay started, ``size`` in bytes including the fixed header. A ``lost`` packet
    reached the relay and was never forwarded. ``packet_id``, ``qos``, ``dup`` and ``topic`` keep their defaults in
    packets that do not carry them.
    """

    kind: str
    to_broker: bool
    size: int
    at: float = 0.0
    client: str = ""
    packet_id: int | None = None
    qos: int = 0
    dup: bool = False
    topic: str = ""
    lost: bool = False

    @property
    def label(self) -> str:
        """A short text for an arrow in a diagram, such as ``PUBLISH QoS 1 · id 7 · DUP``."""
        parts = [f"{self.kind} QoS {self.qos}" if self.kind == "PUBLISH" else self.kind]
        parts += [f"id {self.packet_id}"] if self.packet_id is not None else []
        parts += ["DUP"] if self.dup else []
        return " · ".join([*parts, *(["lost"] if self.lost else [])])


@dataclass
class PacketReader:
    """Split the bytes of one direction of one connection into packets.

    It stops at bytes that are not MQTT: without the length of a packet, the start of the next one is unknown.
    """

    to_broker: bool
    _unread: bytearray = field(default_factory=bytearray)
    _stopped: bool = False

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that ``data`` completes; it may begin and end anywhere in a packet.

        A CONNECT has its client id in ``client``.
        """
        if self._stopped:
            return
        self._unread += data
        try:
            while packet := self._next():
                yield packet
        except (IndexError, ValueError):
            self._stopped = True
            self._unread.clear()

    def _next(self) -> Packet | None:
        header = _length(self._unread, 1)
        if header is None or len(self._unread) < sum(header):
            return None
        first, body = self._unread[0], bytes(self._unread[header[1] : sum(header)])
        packet = Packet(kind=PacketTypes.Names[first >> 4].upper(), to_broker=self.to_broker, size=sum(header))
        if not first >> 4 or (packet.kind != "PUBLISH" and first & 15 != _FLAGS.get(packet.kind, 0)):
            raise ValueError("not an MQTT control packet")
        del self._unread[: packet.size]
        return _with_details(packet, first, body)


def _with_details(packet: Packet, first: int, body: bytes) -> Packet:
    if packet.kind == "CONNECT":
        return replace(packet, client=_client_id(body))
    if packet.kind == "PUBLISH":
        topic, end = _text(body, 0)
        qos = first >> 1 & 3
        number = int.from_bytes(body[end : end + 2], "big") if qos else None
        return replace(packet, topic=topic, qos=qos, packet_id=number, dup=bool(first & 8))
    if packet.kind in _WITH_ID:
        return replace(packet, packet_id=int.from_bytes(body[:2], "big"))
    return packet


def _length(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """Return the variable byte integer at ``at`` and the position after it, or ``None`` while bytes are missing."""
    value = 0
    for place, byte in enumerate(data[at : at + 4]):
        value |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return value, at + place + 1
    if len(data) >= at + 4:
        raise ValueError("a variable byte integer has at most four bytes")
    return None


def _text(body: bytes, at: int) -> tuple[str, int]:
    """Return the length-prefixed string at ``at`` and the position after it."""
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    return body[at + 2 : end].decode(errors="replace"), end


def _client_id(connect: bytes) -> str:
    _protocol, at = _text(connect, 0)
    level, at = connect[at], at + 4  # level, flags and keep-alive: one, one and two bytes
    if level == _MQTT5 and (properties := _length(connect, at)):
        at = sum(properties)
    return _text(connect, at)[0]
