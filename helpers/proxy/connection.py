"""One client's connection: bytes in, answers out in order, and its end."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
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

    ``unacked``: the messages without an answer, in the order in which they came, with their answers.
    """

    def __init__(self, server: Server) -> None:
        self._server, self._config = server, server.config
        self._framer = packets.Framer(min(_LARGEST_CONNECT, server.config.max_packet_size))
        self._version = 0  # until CONNECT
        self._parked = 0
        self._choked = self._stopped = False
        self._ended_at: float | None = None
        self._heard, self._keep_alive, self._session_expiry = server.now(), 0, 0
        self.client_id = ""
        self.unacked: deque[tuple[InFlight, bytes]] = deque()
        self._will: mqtt5.Will | None = None
        self._will_size = 0

    def _take(self, frame: memoryview, received: Moment) -> None:
        """Handle a packet, or raise ``ProtocolError``."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for CONNECT."""
        self.transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)
        self.regulate()

    def connection_lost(self, _error: Exception | None) -> None:
        """Note the end."""
        if self._ended_at is None:
            self._ended_at = self._server.now()
            self._leave()
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Take what came. Whatever it is, it ends this connection at most."""
        if self._ended_at is not None:
            return
        self._heard = self._server.now()
        try:
            received = Moment.now()
            for frame in self._framer.feed(data):
                self._take(frame, received)
                if self._ended_at is not None:
                    return
            if self._park() and self._server.parked > self._config.byte_budget:
                raise ProtocolError(DisconnectReasonCode.QUOTA_EXCEEDED)  # noqa: TRY301
        except ProtocolError as error:
            self._break(error.code)
        except BridgeError as error:  # from the sink: it concerns all connections
            self._server.error = error
        else:
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
        stop = self._ended_at is None and (self._server.full or self._choked or filled)
        if stop != self._stopped:
            self._stopped = stop
            self._heard = self._server.now()
            if stop:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def acknowledge(self) -> None:
        """Answer what Kafka has stored, as far as nothing before it is missing."""
        unacked, due = self.unacked, []
        while unacked and unacked[0][0].done:
            due.append(unacked.popleft()[1])
        if due:
            self._server.counts.acked += len(due)
            self.transport.write(b"".join(due))
            self.regulate()

    def look(self) -> None:
        """End the connection of a client that is late: with CONNECT, within its keep-alive, or with closing."""
        now = self._server.now()
        silent = now - self._heard
        if self._ended_at is not None:
            if now - self._ended_at > _FINISHED_WITHIN:
                self.transport.abort()
        elif not self._version:
            if silent > self._config.connect_timeout:
                self._break(DisconnectReasonCode.MAX_CONNECT_TIME)
        elif self._keep_alive and not self._stopped and silent > 1.5 * self._keep_alive:
            self._break(DisconnectReasonCode.KEEP_ALIVE_TIMEOUT)

    def _break(self, reason: DisconnectReasonCode) -> None:
        self._server.counts.broken += 1
        self.end(reason)

    def end(self, reason: DisconnectReasonCode) -> None:
        """Say why, then read until the client has closed too, so that it has read everything that was sent.

        Closing with unread input resets the connection, and a reset discards PUBACKs that are still on the wire.
        """
        if self._ended_at is not None:
            return
        if self._version == packets.FIVE and reason is not DisconnectReasonCode.NORMAL_DISCONNECTION:
            self.transport.write(mqtt5.DisconnectPacket(reason_code=reason).write())
        self._ended_at = self._server.now()
        self._leave()
        self.regulate()
        with suppress(OSError):  # the client has reset the connection
            self.transport.write_eof() if self.transport.can_write_eof() else self.transport.close()

    def _leave(self) -> None:
        self.unacked.clear()
        self._framer.clear()
        self._park()
        if self._version:
            self._server.disconnected(self)

    def _park(self) -> bool:
        """Count what is held beside the sink, a packet that is not whole and the last will; return whether it grew."""
        size = len(self._framer) + self._will_size
        more, self._parked = size - self._parked, size
        self._server.parked += more
        return more > 0

    @property
    def ended(self) -> bool:
        """Whether the connection has ended."""
        return self._ended_at is not None

    @property
    def session_ends(self) -> float:
        """When the last will is due, by the server's clock."""
        delay = min(self._will.will_delay_interval, self._session_expiry) if self._will else 0
        return (self._ended_at or 0.0) + delay

    def take_will(self) -> mqtt5.Will | None:
        """Return the last will, once."""
        will, self._will, self._will_size = self._will, None, 0
        self._park()
        return will
