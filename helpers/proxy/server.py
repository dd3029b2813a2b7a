"""The proxy on its loop: it listens, polls the sink, watches over the connections, and drains."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import mqtt5
from mqtt5 import DisconnectReasonCode

from helpers.errors import BridgeError
from helpers.proxy.access import read_users
from helpers.proxy.client import RETAINED, Client
from helpers.proxy.config import ProxyConfig
from helpers.proxy.connection import Connection
from helpers.proxy.snapshot import ProxyCounts, Snapshot
from helpers.sink import InFlight, Sink
from helpers.sink.records import Moment

OnSnapshot = Callable[[Snapshot], None]

# How long the loop sleeps at most, in seconds; and while it expects reports, which no selector sees;
# and how often it looks at each connection.
_SLICE, _SHORT_SLICE, _LOOK_EVERY = 0.1, 0.001, 1.0
_BACKLOG = 4096  # of connections that are not accepted yet


class Server:
    """Runs once, on one loop. ``ready`` is set when clients may connect, to ``port``; set ``stop`` to end it.

    ``full``: messages that wait for Kafka have used up the budget. ``parked``: bytes that are held beside them.
    """

    def __init__(self, config: ProxyConfig, on_snapshot: OnSnapshot | None = None, every: float = 1.0) -> None:
        self.ready, self.stop = threading.Event(), threading.Event()
        self.config, self.port = config, config.port
        self.state, self.last_error, self.full, self.parked = "starting", "", False, 0
        self.error: BaseException | None = None
        self.counts, self.users = ProxyCounts(), read_users(config.users)
        self.sink = Sink(config, self.counts, self._note_error, self._note_failure)
        self.connections: set[Connection] = set()
        self._waiting: set[Connection] = set()  # those with unacknowledged messages
        self._sessions: dict[str, Connection] = {}  # by client id, the ended ones with a delayed will too
        self._on_snapshot, self._every = on_snapshot, every
        self._look_at = self._report_at = 0.0
        self._since = time.monotonic()

    async def run(self) -> None:
        """Serve until ``stop`` is set, and drain. Raises ``BridgeError`` when the proxy cannot or must not go on."""
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        try:
            self.state = "waiting for Kafka"
            while not self.stop.is_set() and not self.sink.open():
                self._report()
            if not self.stop.is_set():
                await self._serve()
            self.state = "ended"
        except BaseException:
            self.state = "failed"
            raise
        finally:
            for client in tuple(self.connections):
                client.transport.abort()
            self.sink.close()

    async def _serve(self) -> None:
        allow_files()
        config, tls = self.config, self.config.tls()
        try:
            listener = await self._loop.create_server(
                lambda: Client(self), config.host, config.port, backlog=_BACKLOG, reuse_port=config.reuse_port or None,
                ssl=tls, ssl_handshake_timeout=config.connect_timeout if tls else None,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise BridgeError(f"The proxy cannot listen on {config.host}, port {config.port}: {error}",
                              remedy="choose another host or port") from error  # fmt: skip
        self.port = listener.sockets[0].getsockname()[1]
        self.state = "carrying"
        self.ready.set()
        try:
            while not self.stop.is_set():
                await self._step()
        finally:
            listener.close()
        await self._drain()

    async def _step(self) -> None:
        """Poll, acknowledge, look after the connections, once; then let them read while nothing is to be done here."""
        if self.error is not None:
            raise self.error
        if reports := self.sink.poll():
            for client in tuple(self._waiting):
                client.acknowledge()
                if not client.unacked:
                    self._waiting.discard(client)
            self._watch_budget()
        if self.now() > self._look_at:
            self._look_at = self.now() + _LOOK_EVERY
            for client in tuple(self.connections):
                client.look()
            for client in [each for each in self._sessions.values() if each.ended]:
                self.disconnected(client)
        self._report()
        if reports or self.sink.outstanding or self.state != "carrying":
            await asyncio.sleep(0 if reports else _SHORT_SLICE)
            return
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SLICE):
                await self._wake.wait()

    async def _drain(self) -> None:
        """Stop reading, wait for Kafka, acknowledge what it stored. The rest is sent again to the next run."""
        self.state, self.full = "draining", True
        for client in self.connections:
            client.regulate()
        for client in self._sessions.values():  # the next run does not remember them
            self._produce_will(client.take_will())
        ends = self.now() + self.config.drain_timeout
        while self.sink.outstanding and self.now() < ends:
            await self._step()
        for client in tuple(self.connections):
            client.end(DisconnectReasonCode.SERVER_SHUTTING_DOWN)
        while self.connections:  # those that do not close are aborted soon
            await self._step()

    def now(self) -> float:
        """Return the time in seconds, by the loop's clock."""
        return self._loop.time()

    def connected(self, client: Connection, *, clean: bool) -> None:
        """Go on with the session of this client id, if there is one, or end it; end its other connection."""
        if other := self._sessions.get(client.client_id):
            self.counts.taken_over += not other.ended
            other.end(DisconnectReasonCode.SESSION_TAKEN_OVER)
            will = other.take_will()
            if clean:  # a session that goes on forgets its delayed will (MQTT 5.0, 3.1.3.2.2)
                self._produce_will(will)
        self._sessions[client.client_id] = client

    def received(self, client: Connection) -> None:
        """Look at a connection from which something came."""
        if client.unacked:
            self._waiting.add(client)
            client.acknowledge()
        self._wake.set()
        self._watch_budget()

    def disconnected(self, client: Connection) -> None:
        """Produce the last will, if there is one and it is not delayed; ``_step`` looks at those that are."""
        self._waiting.discard(client)
        if client.session_ends <= self.now():
            if self._sessions.get(client.client_id) is client:
                del self._sessions[client.client_id]
            self._produce_will(client.take_will())

    def _produce_will(self, will: mqtt5.Will | None) -> None:
        """Send a last will to the sink. It has no PUBACK, so it counts like QoS 0 if Kafka refuses it."""
        if will is None:
            return
        marked = [RETAINED] if will.retain and self.config.headers == "topic" else []
        packet = mqtt5.PublishPacket(
            will.topic, will.payload or b"", retain=will.retain, correlation_data=will.correlation_data,
            user_properties=[*will.user_properties, *marked],
        )  # fmt: skip
        self.counts.wills += 1
        self._wake.set()
        try:
            self.sink.send(InFlight(packet, Moment.now(), self.sink))
        except BridgeError as error:
            self.error = error

    def _watch_budget(self) -> None:
        """Stop all connections when the budget is used up, and let them go on when a quarter of it is free."""
        budget = self.config.byte_budget
        full = self.sink.held >= (budget * 3 // 4 if self.full else budget)
        if full != self.full and self.state == "carrying":
            self.full = full
            for client in self.connections:
                client.regulate()

    def _note_error(self, error: str) -> None:
        self.last_error = error

    def _note_failure(self, message: InFlight, _reason: str) -> None:
        """End the connection whose message Kafka did not store: its client sends all again that has no PUBACK."""
        for client in tuple(self._waiting):
            if any(each is message for each, _ in client.unacked):
                client.end(DisconnectReasonCode.SERVER_BUSY)

    def _report(self) -> None:
        if self._on_snapshot is not None and self.now() >= self._report_at:
            self._report_at = self.now() + self._every
            with contextlib.suppress(OSError, SystemExit):  # a full disk, a closed pipe (rich exits): carrying goes on
                self._on_snapshot(self.snapshot())

    def snapshot(self) -> Snapshot:
        """Return the present counts, or after the end the ledger; from any thread."""
        now = time.monotonic()
        since = [each.unacked[0][0].received.monotonic for each in tuple(self._waiting) if each.unacked]
        since += [] if self.ready.is_set() else [self._since]
        waits = now - min(since, default=now)
        return Snapshot(
            state=self.state, counts=replace(self.counts), connections=len(self.connections),
            in_flight=self.sink.outstanding, held=self.sink.held, oldest_unacked=waits,
            stalled=waits > self.config.stall_after and self.state not in {"ended", "failed"},
            last_error=self.last_error,
        )  # fmt: skip


def allow_files() -> None:
    """Let this process open as many files as it may: each connection is one."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
