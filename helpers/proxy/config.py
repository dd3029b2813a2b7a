"""The settings of a proxy, checked when they are made, before any network call."""

from __future__ import annotations

import ssl
import sys
from dataclasses import dataclass

from helpers.proxy.access import mapping, read_users
from helpers.sink.config import SinkConfig, check, tls_context

# The smallest limit with room for a CONNECT, and the largest packet that its four bytes of length allow.
_PACKET_SIZES = range(1_000, 268_435_461)


@dataclass(frozen=True, kw_only=True)
class ProxyConfig(SinkConfig):
    """MQTT clients to Kafka: what ``SinkConfig`` has, and where and how to listen.

    Raises ``BridgeError`` or ``TopicError`` for unsafe or contradictory settings.

    ``port``: 0 takes a free one. ``reuse_port``: share it with other proxies on this machine (Linux); a client id is
    then taken over within one of them only. ``users``: a password file, as ``mosquitto_passwd`` makes it.
    ``certfile`` and ``keyfile``: listen with TLS. ``client_ca``: each client needs a certificate of this authority,
    whose common name is its user name. ``allow``: topic filters that clients may publish to, in which ``{user}`` and
    ``{client_id}`` stand for their own; without any, all.

    ``receive_maximum``: unacknowledged messages of one connection at most. ``max_packet_size``: bytes.
    ``byte_budget``: bytes at most of messages that wait for Kafka, and as many of packets that are not whole yet and of
    last wills. Times in seconds; ``connect_timeout`` is for CONNECT, and for TLS before it.
    """

    host: str = "127.0.0.1"
    port: int = 0
    reuse_port: bool = False
    users: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    client_ca: str | None = None
    allow: tuple[str, ...] = ()
    receive_maximum: int = 1_000
    max_packet_size: int = 1_000_000
    byte_budget: int = 64_000_000
    connect_timeout: float = 10.0
    stall_after: float = 30.0
    drain_timeout: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check([
            (not self.dead_letter_topic, "One bad message must not stop all clients.", "name a dead_letter_topic"),
            (self.receive_maximum not in range(1, 65_536), "receive_maximum is out of range.", "give 1 to 65535"),
            (self.max_packet_size not in _PACKET_SIZES, "max_packet_size is out of range.",
             f"give {_PACKET_SIZES[0]} to {_PACKET_SIZES[-1]} bytes"),
            (min(self.byte_budget, self.connect_timeout) <= 0, "byte_budget and connect_timeout must be above zero.",
             "leave them out for the defaults"),
            (not self.names_users and any("{user}" in each for each in self.allow),
             "Without user names, allow cannot use {user}.", "give users or client_ca"),
            (not self.certfile and bool(self.keyfile or self.client_ca), "TLS needs a certificate of the proxy.",
             "give certfile"),
            (self.reuse_port and sys.platform != "linux", "Only Linux shares a port among processes (SO_REUSEPORT).",
             "leave out reuse_port, and give each proxy a port of its own"),
        ])  # fmt: skip
        for each in self.allow:
            mapping(each)
        read_users(self.users)
        self.tls()

    @property
    def names_users(self) -> bool:
        """Whether each client has a user name that was verified."""
        return bool(self.users or self.client_ca)

    def tls(self) -> ssl.SSLContext | None:
        """Return the context to listen with; ``None`` without TLS."""
        if self.certfile is None:
            return None
        context = tls_context(ssl.Purpose.CLIENT_AUTH, self.client_ca, self.certfile, self.keyfile)
        context.verify_mode = ssl.CERT_REQUIRED if self.client_ca else ssl.CERT_NONE
        return context
