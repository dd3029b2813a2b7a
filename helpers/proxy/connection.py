"""One client's connection: bytes in, answers out in order, and its end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING, cast

import mqtt5
from mqtt5 import DisconnectReasonCode

from helpers.errors import BridgeError
from helpers.proxy import packets
from helpers.proxy.packets import ProtocolError
from helpers.sink import InFlight
from helpers.sink.records import Moment

if TYPE_CHECKING:
    from helpers.proxy.server import Server

_LARGEST_CONNECT = 100_000  # bytes
_FINISHED_WITHIN = 2.0


class Connection(asyncio.Protocol):
    """A client from its TCP connection to its end. It runs on the server's loop and never waits.

    ``unacked``: the messages without an answer, in the order in which they came, with their answers. ``ended``: nothing
    more is taken from the client, or sent to it.
    """

    def __init__(self, server: Server) -> None:
        self._server, self._config = server, server.config
        self._framer = packets.Framer(min(_LARGEST_CONNECT, server.config.max_packet_size))
        self._version = 0  # until CONNECT
        self._parked = 0
        self._choked = self._stopped = self.ended = False
        self._since = server.now()  # when the client was heard, and in the end when it ended
        self._patience = server.config.connect_timeout
        self.client_id = ""
        # Empty, a list and a dict take 600 and 150 bytes less than a deque and a set, for each of many connections.
        self.unacked: list[tuple[InFlight, bytes]] = []
        self._unreleased: dict[int, None] = {}  # packet ids of QoS 2
        self._will: mqtt5.Will | None = None
        self._will_size = self._session_expiry = 0

    def _take(self, frame: memoryview, received: Moment) -> None:
        """Handle a packet, or raise ``ProtocolError``."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for CONNECT."""
        self.transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)
        self._server.counts.connections += 1
        self.regulate()

    def connection_lost(self, _error: Exception | None) -> None:
        """Note the end."""
        if not self.ended:
            self._leave()
        self._server.connections.discard(self)
        self._server.counts.connections -= 1

    def data_received(self, data: bytes) -> None:
        """Take what came. Whatever it is, it ends this connection at most."""
        if self.ended:
            return
        try:
            received = Moment.now()
            for frame in self._framer.feed(data):
                self._take(frame, received)
                if self.ended:
                    return
            self._park()
        except ProtocolError as error:
            self._break(error.code)
        except BridgeError as error:  # from the sink: it concerns all connections
            self._server.error = error
        else:
            if self._version:  # CONNECT must be whole in time, not only begin
                self._since = self._server.now()
            self._server.received(self)
            self.regulate()

    def pause_writing(self) -> None:
        """Read nothing from a client that does not read its answers."""
        self._choked = True
        self.regulate()

    def resume_writing(self) -> None:
        """Read again."""
        self._choked = False
        self.regulate()

    def regulate(self) -> None:
        """Stop reading while there is no room for what would come, or read again."""
        # A client of MQTT 5 keeps to its Receive Maximum itself, and its PINGREQ is heard.
        filled = self._version < packets.FIVE and len(self.unacked) >= self._config.receive_maximum
        stop = not self.ended and (self._server.full or self._choked or filled)
        if stop != self._stopped:
            self._stopped = stop
            self._since = self._server.now()
            switch = self.transport.pause_reading if stop else self.transport.resume_reading
            switch()

    def acknowledge(self) -> None:
        """Answer what Kafka has stored, as far as nothing before it is missing."""
        unacked = self.unacked
        due = [answer for _, answer in takewhile(lambda each: each[0].done, unacked)]
        if due:
            del unacked[: len(due)]
            self._server.counts.acked += len(due)
            self.transport.write(b"".join(due))
            self.regulate()

    def look(self) -> None:
        """End the connection of a client that is late: with CONNECT, within its keep-alive, or with closing."""
        silent = self._server.now() - self._since
        if self.ended:
            if silent > _FINISHED_WITHIN:
                self.transport.abort()
            self._server.disconnected(self)
        elif silent > self._patience and not self._stopped:
            self._break(DisconnectReasonCode.KEEP_ALIVE_TIMEOUT)

    def _break(self, reason: DisconnectReasonCode) -> None:
        self._server.counts.broken += 1
        self.end(reason)

    def end(self, reason: DisconnectReasonCode) -> None:
        """Say why, then read until the client has closed too, so that it has read everything that was sent.

        Closing with unread input resets the connection, and a reset discards PUBACKs that are still on the wire.
        """
        if self.ended:
            return
        if self._version == packets.FIVE and reason is not DisconnectReasonCode.NORMAL_DISCONNECTION:
            self.transport.write(mqtt5.DisconnectPacket(reason_code=reason).write())
        self._leave()
        self.regulate()
        with suppress(OSError):  # the client has reset the connection
            self.transport.write_eof() if self.transport.can_write_eof() else self.transport.close()

    def _leave(self) -> None:
        self.ended, self._since = True, self._server.now()
        self.unacked.clear()
        self._framer = packets.Framer(0)
        self._park()
        self._server.disconnected(self)

    def _park(self) -> None:
        """Count what is held beside the sink: a packet that is not whole, and the last will."""
        more = len(self._framer) + self._will_size - self._parked
        self._parked += more
        self._server.parked += more
        if more > 0 and self._server.parked > self._config.byte_budget:
            raise ProtocolError(DisconnectReasonCode.QUOTA_EXCEEDED)

    def session_is_over(self) -> bool:
        """Return whether nothing delays the last will of an ended connection."""
        delay = min(self._will.will_delay_interval, self._session_expiry) if self._will else 0
        return self._server.now() >= self._since + delay

    def take_will(self) -> mqtt5.Will | None:
        """Return the last will, once."""
        will, self._will, self._will_size = self._will, None, 0
        self._park()
        return will

    def produce_will(self) -> None:
        """Send the last will to the sink, once. It has no PUBACK, so it counts like QoS 0 if Kafka refuses it."""
        server, will = self._server, self.take_will()
        if will is None:
            return
        marked = [packets.RETAINED] if will.retain and self._config.headers == "topic" else []
        packet = mqtt5.PublishPacket(
            will.topic, will.payload or b"", retain=will.retain, correlation_data=will.correlation_data,
            user_properties=[*will.user_properties, *marked],
        )  # fmt: skip
        server.counts.wills += 1
        try:
            server.sink.send(InFlight(packet, Moment.now(), server.sink))
        except BridgeError as error:
            server.error = error
        server.received(self)
