"""The proxy on its loop: it listens, polls the sink, watches over the connections, and drains."""

from __future__ import annotations

import asyncio
import contextlib

from mqtt5 import DisconnectReasonCode

from helpers.errors import BridgeError
from helpers.proxy.access import read_users
from helpers.proxy.client import Client
from helpers.proxy.config import ProxyConfig
from helpers.proxy.connection import Connection
from helpers.proxy.counts import Counts
from helpers.sink import InFlight, Sink, Snapshot
from helpers.sink.run import OnSnapshot, Run, draining_on_signals

# How long the loop sleeps at most, in seconds; and while it expects reports, which no selector sees;
# and how often it looks at each connection.
_SLICE, _SHORT_SLICE, _LOOK_EVERY = 0.1, 0.001, 1.0
_BACKLOG = 4096  # of connections that are not accepted yet


class Server(Run):
    """A run of the proxy, on one loop. When it is ready, clients may connect to ``port``.

    ``full``: messages that wait for Kafka have used up the budget. ``parked``: bytes that are held beside them.
    """

    def __init__(self, config: ProxyConfig, on_snapshot: OnSnapshot | None = None, every: float = 1.0) -> None:
        super().__init__("proxy", config.stall_after, on_snapshot, every)
        self.config, self.port = config, config.port
        self.full, self.parked = False, 0
        self.error: BridgeError | None = None
        self.counts: Counts = Counts()
        self.users = read_users(config.users)
        self.sink = Sink(config, self.counts, self._note_error, self._note_failure)
        self.connections: set[Connection] = set()
        self._waiting: set[Connection] = set()  # those with unacknowledged messages
        self._sessions: dict[str, Connection] = {}  # by client id, the ended ones with a delayed will too
        self._look_at = 0.0

    async def run(self) -> None:
        """Serve until ``stop`` is set, and drain. Raises ``BridgeError`` when the proxy cannot or must not go on."""
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        with self._running():
            while not self.stop.is_set() and not self.sink.open():
                self._report()
            if not self.stop.is_set():
                await self._serve()

    def _close(self) -> None:
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
        except (OSError, OverflowError) as error:
            raise BridgeError(f"The proxy cannot listen on {config.host}, port {config.port}: {error}",
                              remedy="choose another host or port") from error  # fmt: skip
        with contextlib.closing(listener):
            self.port = listener.sockets[0].getsockname()[1]
            self.state, self._down_since = "carrying", None
            self.ready.set()
            while not self.stop.is_set():
                await self._step()
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
            for client in {*self.connections, *self._sessions.values()}:
                client.look()
        self._report()
        if reports or self.sink.outstanding or self.state != "carrying":
            await asyncio.sleep(0 if reports else _SHORT_SLICE)
            return
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), _SLICE)

    async def _drain(self) -> None:
        """Stop reading, wait for Kafka, acknowledge what it stored. The rest is sent again to the next run."""
        self.state, self.full = "draining", True
        for client in self.connections:
            client.regulate()
        for client in self._sessions.values():  # the next run does not remember them
            client.produce_will()
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
            if clean:  # a session that goes on forgets its delayed will (MQTT 5.0, 3.1.3.2.2)
                other.produce_will()
            other.take_will()
        self._sessions[client.client_id] = client

    def received(self, client: Connection) -> None:
        """Look at a connection from which something came."""
        if client.unacked:
            self._waiting.add(client)
            client.acknowledge()
        self._wake.set()
        self._watch_budget()

    def disconnected(self, client: Connection) -> None:
        """Produce the last will, if there is one and it is not delayed; ``look`` comes back to those that are."""
        self._waiting.discard(client)
        if client.session_is_over():
            if self._sessions.get(client.client_id) is client:
                del self._sessions[client.client_id]
            client.produce_will()

    def _watch_budget(self) -> None:
        """Stop all connections when the budget is used up, and let them go on when a quarter of it is free."""
        budget = self.config.byte_budget
        full = self.sink.held >= (budget * 3 // 4 if self.full else budget)
        if full != self.full and self.state == "carrying":
            self.full = full
            for client in self.connections:
                client.regulate()

    def _note_failure(self, message: InFlight, _reason: str) -> None:
        """End the connection whose message Kafka did not store: its client sends all again that has no PUBACK."""
        for client in tuple(self._waiting):
            if any(each is message for each, _ in client.unacked):
                client.end(DisconnectReasonCode.SERVER_BUSY)

    def _in_flight(self) -> tuple[int, int, float | None]:
        since = [each.unacked[0][0].received.monotonic for each in tuple(self._waiting) if each.unacked]
        return self.sink.outstanding, self.sink.held, min(since, default=None)


def run(config: ProxyConfig, *, on_snapshot: OnSnapshot | None = None, every: float = 1.0) -> Snapshot:
    """Serve clients in the foreground until SIGTERM or SIGINT, drain, and return the ledger.

    ``on_snapshot`` is called about every ``every`` seconds, on this thread. A second signal ends without draining. Call
    it from the main thread: only that one receives signals.
    """
    server = Server(config, on_snapshot, every)
    with draining_on_signals(server.stop):
        asyncio.run(server.run())
    return server.snapshot()


def allow_files() -> None:
    """Let this process open as many files as it may: each connection is one."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
