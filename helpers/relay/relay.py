"""A TCP relay between clients and a broker: watch a connection, freeze it, cut it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from helpers.errors import LessonError
from helpers.relay.packets import Packet, PacketReader

_TIMEOUT, _HELD_AT_MOST = 10.0, 1_000_000  # seconds, bytes
# Artemis may see the end of a connection before the DISCONNECT in front of it, and then publishes the last will: 38 of
# 300 times on a busy machine.
_BEFORE_END = 0.1


@dataclass
class _Direction:
    """One direction of one connection.

    ``held`` are the bytes to send on thaw, ``waiting`` the indices of their packets in the relay's list.
    """

    to_broker: bool
    writer: asyncio.StreamWriter
    reader: PacketReader
    held: bytearray = field(default_factory=bytearray)
    waiting: list[int] = field(default_factory=list)

    def release(self) -> None:
        # A direction that has ended holds nothing, and its writer refuses even an empty write.
        if self.held:
            self.writer.write(bytes(self.held))
            self.held.clear()
            self.waiting.clear()


@dataclass
class _Connection:
    """One connection through the relay: the client id, once its CONNECT was seen, and the two directions."""

    client: str
    directions: tuple[_Direction, _Direction]


def _run(runner: asyncio.Runner) -> None:
    """Run the loop until it is stopped, and then end what is still in it: connections that were just opening."""
    with runner:
        runner.get_loop().run_forever()


class Relay:
    """Forward bytes between clients and the broker at ``host`` and ``port``, and record every MQTT packet.

    Connect a client to ``relay.host`` and ``relay.port`` instead of the broker's address. Use the relay with ``with``,
    or call :meth:`start` and :meth:`close`. ``tls`` takes the keyword arguments of paho's ``tls_set`` and applies to
    the broker's side; the clients' side is always unencrypted, so that the packets can be read. Bytes that are not
    MQTT are forwarded unchanged. ``parse=False`` records nothing, for other protocols. ``listen`` is its own port,
    if that must be known before it starts.
    """

    def __init__(
        self, host: str, port: int, *, tls: dict[str, Any] | None = None, parse: bool = True, listen: int = 0
    ) -> None:
        self.host, self.port = "127.0.0.1", listen
        self._broker, self._tls, self._parse = (host, port), tls, parse
        self._packets: list[Packet] = []
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._count = 0
        self._gates: dict[bool, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> Self:
        """Listen on a port of this machine. Raises ``LessonError`` if it is taken, or the relay is running already."""
        if self._loop is not None:
            raise LessonError("This relay is already running.", remedy="Make a second Relay, or close this one first.")
        try:
            listening = socket.create_server((self.host, self.port))
        except (OSError, OverflowError) as error:
            remedy = "Another program may use it: choose another one, or leave out `listen`."
            raise LessonError(f"The relay cannot listen on port {self.port}.", remedy=remedy) from error
        self.port, runner = listening.getsockname()[1], asyncio.Runner()
        self._loop, self._gates = runner.get_loop(), {side: asyncio.Event() for side in (True, False)}
        self._thread = threading.Thread(target=_run, args=(runner,), name="relay", daemon=True)
        self._thread.start()
        self._opened = time.monotonic()
        self.thaw()
        self._server = self._call(asyncio.start_server(self._serve, sock=listening))
        return self

    def close(self) -> None:
        """Cut all connections and stop listening. A relay that is not running stays as it is."""
        if self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._server.close)
        self._call(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_TIMEOUT)
        self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def now(self) -> float:
        """Seconds since the relay started: the clock of ``Packet.at``."""
        return time.monotonic() - self._opened

    def packets(self, *, since: float = 0.0) -> list[Packet]:
        """Return the packets seen from ``since`` (a value of :attr:`now`) on, oldest first."""
        return sorted((each for each in self._packets if each.at >= since), key=lambda each: each.at)

    def count(self, *, since: float = 0.0) -> Counter[str]:
        """Count the packets of each kind, in both directions together and including lost ones."""
        return Counter(each.kind for each in self.packets(since=since))

    def freeze(self, *, to_broker: bool = True, to_client: bool = True) -> None:
        """Hold all bytes back in one or both directions. Connections stay open, as when a cable is unplugged."""
        self._call(self._set({side for side, held in ((True, to_broker), (False, to_client)) if held}, free=False))

    def thaw(self) -> None:
        """Forward bytes again, beginning with those held back."""
        self._call(self._set({True, False}, free=True))

    @contextmanager
    def frozen(self, *, to_broker: bool = True, to_client: bool = True) -> Iterator[Self]:
        """Freeze the connections for the duration of a ``with`` block, also when it ends with an error."""
        try:
            self.freeze(to_broker=to_broker, to_client=to_client)
            yield self
        finally:
            if self._loop is not None:
                self.thaw()

    def cut(self) -> None:
        """End all connections at once, without a DISCONNECT. Bytes held back are lost; clients may connect again."""
        self._call(self._cut())

    def _call(self, coroutine: Any) -> Any:  # noqa: ANN401
        if self._loop is None:
            coroutine.close()
            raise LessonError("This relay is not running.", remedy="Use it in a `with` block, or call start() first.")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_TIMEOUT)

    async def _set(self, sides: set[bool], *, free: bool) -> None:
        for gate in (self._gates[side] for side in sides):
            gate.set() if free else gate.clear()
        for each in (each for connection in self._connections.values() for each in connection.directions):
            if self._gates[each.to_broker].is_set():
                each.release()

    async def _cut(self) -> None:
        for task, connection in self._connections.items():
            for each in connection.directions:
                each.writer.transport.abort()
                for place in each.waiting:
                    self._packets[place] = replace(self._packets[place], lost=True)
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._broker, ssl=self._context())
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()  # the client sees what it would see without the relay
            return
        self._count += 1
        up = _Direction(True, far_writer, PacketReader(to_broker=True))
        down = _Direction(False, writer, PacketReader(to_broker=False))
        task = cast("asyncio.Task[None]", asyncio.current_task())
        connection = self._connections[task] = _Connection(f"connection {self._count}", (up, down))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, connection, up))
                group.create_task(self._pump(far_reader, connection, down))
        except* (OSError, asyncio.CancelledError):
            pass  # one side has closed the connection, or cut() was called: end both sides
        finally:
            del self._connections[task]
            far_writer.close()
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, connection: _Connection, direction: _Direction) -> None:
        gate = self._gates[direction.to_broker]
        while data := await reader.read(65536):
            for packet in direction.reader.feed(data) if self._parse else ():
                connection.client = packet.client or connection.client
                if not gate.is_set():
                    direction.waiting.append(len(self._packets))
                self._packets.append(replace(packet, at=self.now, client=connection.client))
            direction.held += data
            if len(direction.held) > _HELD_AT_MOST:
                await gate.wait()
            if gate.is_set():
                direction.release()
                await direction.writer.drain()
        await gate.wait()  # a frozen network does not carry the end of a connection either
        await asyncio.sleep(_BEFORE_END)
        direction.writer.write_eof() if direction.writer.can_write_eof() else direction.writer.close()

    def _context(self) -> ssl.SSLContext | None:
        if self._tls is None:
            return None
        context = ssl.create_default_context(cafile=self._tls.get("ca_certs"))
        if self._tls.get("certfile"):
            context.load_cert_chain(self._tls["certfile"], self._tls.get("keyfile"))
        return context
