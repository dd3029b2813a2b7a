"""One network connection to the MQTT broker: a non-blocking socket, packets in, bytes out."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from typing import Self

import mqtt5
from mqtt5 import ConnAckReasonCode, DisconnectReasonCode

from helpers.bridge.config import BridgeConfig, CommandsConfig, MqttAddress, client_context
from helpers.bridge.reader import Reader
from helpers.errors import BridgeError

_OPENED_WITHIN, _FINISHED_WITHIN = 5.0, 2.0
_AGAIN = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
# Refusals that may pass; every other one would only be repeated.
_PASSING = {"SERVER_UNAVAILABLE", "SERVER_BUSY", "QUOTA_EXCEEDED", "CONNECTION_RATE_EXCEEDED"}
# Reasons to disconnect that lie with what the broker was sent.
_REJECTING = {
    "UNSPECIFIED_ERROR", "IMPLEMENTATION_SPECIFIC_ERROR", "MALFORMED_PACKET", "PROTOCOL_ERROR", "NOT_AUTHORIZED",
    "TOPIC_NAME_INVALID", "PACKET_TOO_LARGE", "PAYLOAD_FORMAT_INVALID", "RETAIN_NOT_SUPPORTED", "QOS_NOT_SUPPORTED",
}  # fmt: skip


def connect_packet(config: BridgeConfig | CommandsConfig) -> mqtt5.ConnectPacket:
    """Return the CONNECT packet. MQTT sends the password in clear text, unless the connection is TLS."""
    address = config.mqtt
    password = None if address.password is None else address.password.encode()
    return mqtt5.ConnectPacket(
        config.client_id, username=address.username, password=password,
        clean_start=config.session_expiry == 0, session_expiry_interval=config.session_expiry,
        keep_alive=config.keep_alive, receive_max=config.receive_maximum,
    )  # fmt: skip


class RejectedError(ConnectionError):
    """The MQTT broker ended the connection, perhaps because of something that it was sent."""


class HungUpError(RejectedError):
    """The MQTT broker closed the connection without DISCONNECT."""


class Connection:
    """An open connection; leaving its block closes it, after DISCONNECT if the bridge ends with an error.

    Raises ``OSError`` when the connection breaks, ``BridgeError`` when trying again would not help. ``connack`` is the
    broker's answer. After the handshake nothing blocks but ``read``, and that for its timeout only.
    """

    def __init__(self, address: MqttAddress, connect: mqtt5.ConnectPacket) -> None:
        self._reader = Reader()
        self._early: list[mqtt5.Packet] = []
        self._outgoing = bytearray()
        self._wanted = selectors.EVENT_READ
        self.paused = False
        self._socket = socket.create_connection((address.host, address.port), timeout=_OPENED_WITHIN)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.tls is not None:
                context = client_context(address.tls)
                self._socket = context.wrap_socket(self._socket, server_hostname=address.host)
            # TLS may hold decrypted bytes that the selector does not see.
            self._hidden: Callable[[], int] = getattr(self._socket, "pending", int)
            self.connack = self._handshake(connect)
            self._keep_alive = self.connack.server_keep_alive or connect.keep_alive
            self._heard = self._sent = time.monotonic()
            self._socket.setblocking(False)
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._socket, selectors.EVENT_READ)
        except BaseException as error:
            self._socket.close()
            if isinstance(error, ssl.SSLCertVerificationError):
                raise BridgeError(
                    f"The certificate of {address.host} is not trusted: {error.verify_message}",
                    remedy="give the certificate of its authority as ca_certs in tls",
                ) from error
            raise

    def _handshake(self, connect: mqtt5.ConnectPacket) -> mqtt5.ConnAckPacket:
        self._socket.sendall(connect.write())
        while not self._early:
            count = self._socket.recv_into(self._reader.space())
            if not count:
                raise ConnectionError("the MQTT broker closed the connection before CONNACK")
            self._early = self._reader.packets(count)
        answer = self._early.pop(0)
        if not isinstance(answer, mqtt5.ConnAckPacket):
            raise BridgeError(f"The MQTT broker answered CONNECT with {type(answer).__name__}.")
        if answer.reason_code.name in _PASSING:
            raise ConnectionError(f"the MQTT broker refused: {answer.reason_code.name}")
        if answer.reason_code is not ConnAckReasonCode.SUCCESS:
            raise BridgeError(
                f"The MQTT broker refused the connection: {answer.reason_code.name} {answer.reason_str or ''}".strip(),
                remedy="look at user name, password, client id and the broker's access rules",
            )
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, BridgeError):
            self.finish()
        self.close()

    def read(self, timeout: float) -> list[mqtt5.Packet]:
        """Wait up to ``timeout`` seconds for the socket, send what is left to send, and return what came."""
        packets, self._early = self._early, []
        for _, events in self._selector.select(0 if packets else timeout):
            if events & selectors.EVENT_WRITE:
                self.send(b"")
            if events & selectors.EVENT_READ:
                packets += self._receive()
        return packets

    def _receive(self) -> list[mqtt5.Packet]:
        packets: list[mqtt5.Packet] = []
        with contextlib.suppress(*_AGAIN):
            while True:
                try:
                    count = self._socket.recv_into(self._reader.space())
                except ConnectionResetError:
                    count = 0
                if not count:
                    raise HungUpError("the MQTT broker closed the connection")
                packets += self._reader.packets(count)
                if not self._hidden():
                    break
        self._heard = time.monotonic()
        return packets

    def send(self, data: bytes) -> None:
        """Send ``data``; what the socket does not take now is sent by a later ``read``."""
        self._outgoing += data
        self._sent = time.monotonic()
        # What the broker sent before it closed the connection is still to be read, and then its end is found.
        with contextlib.suppress(*_AGAIN, ConnectionError):
            del self._outgoing[: self._socket.send(self._outgoing)]
        self._watch()

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - pause(full) reads as what it is
        """Stop reading, so that what comes waits at the broker, or read again."""
        if self.paused != paused:
            self.paused = paused
            self._heard = time.monotonic()
            self._watch()

    def _watch(self) -> None:
        wanted = 0 if self.paused else selectors.EVENT_READ
        wanted |= selectors.EVENT_WRITE if self._outgoing else 0
        if wanted != self._wanted:
            if self._wanted:
                self._selector.unregister(self._socket)
            if wanted:
                self._selector.register(self._socket, wanted)
            self._wanted = wanted

    def keep_alive(self) -> None:
        """Send PINGREQ if nothing else was sent for half the keep-alive; raise ``OSError`` if the broker is silent."""
        now = time.monotonic()
        if now - self._sent > self._keep_alive / 2:
            self.send(mqtt5.PingReqPacket().write())
        if not self.paused and now - self._heard > 1.5 * self._keep_alive:
            raise ConnectionError("the MQTT broker has been silent for one and a half keep-alives")

    def finish(self) -> None:
        """Send DISCONNECT, then read until the broker has closed too, so that it has read everything we sent.

        Closing with unread input resets the connection, and a reset discards PUBACKs that are still on the wire.
        """
        ends = time.monotonic() + _FINISHED_WITHIN
        with contextlib.suppress(OSError):
            self.pause(paused=True)
            self.send(mqtt5.DisconnectPacket(reason_code=DisconnectReasonCode.NORMAL_DISCONNECTION).write())
            while self._outgoing and time.monotonic() < ends:
                self.read(0.1)
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(max(0.1, ends - time.monotonic()))
            while self._socket.recv(1 << 16) and time.monotonic() < ends:
                pass
        self.close()

    def close(self) -> None:
        """Close the socket, whatever is under way. May be called twice."""
        self._selector.close()
        self._socket.close()


def raise_disconnect(packet: mqtt5.DisconnectPacket, client_id: str) -> None:
    """Raise what the broker's DISCONNECT means: ``BridgeError`` if another client has our id, else ``OSError``."""
    if packet.reason_code is DisconnectReasonCode.SESSION_TAKEN_OVER:
        raise BridgeError(
            f"Another client took over the client id {client_id!r}.", remedy="give each bridge a client id of its own"
        )
    kind = RejectedError if packet.reason_code.name in _REJECTING else ConnectionError
    raise kind(f"the MQTT broker disconnected: {packet.reason_code.name}")
