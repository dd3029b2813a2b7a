"""A TCP relay between MQTT clients and a broker: look at a connection, freeze it, cut it."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from helpers.errors import LessonError
from helpers.relay.packets import Packet, PacketReader

_TIMEOUT = 10.0
_CHUNK = 65536
_HELD_AT_MOST = 1_000_000


@dataclass
class _Way:
    """One direction of one connection. ``held`` bytes wait for a thaw; ``waiting`` are their packets' places."""

    writer: asyncio.StreamWriter
    reader: PacketReader
    held: bytearray = field(default_factory=bytearray)
    waiting: list[int] = field(default_factory=list)

    def release(self) -> None:
        self.writer.write(bytes(self.held))
        self.held.clear()
        self.waiting.clear()


@dataclass
class _Link:
    """One connection through the relay: the client's id, once its CONNECT was seen, and the two directions."""

    client: str
    ways: tuple[_Way, _Way]


class Relay:
    """Hands bytes to and fro between MQTT clients and a broker, and notes every packet.

    Connect a client to ``relay.host`` and ``relay.port`` instead of the broker's. Use it with ``with``, or call
    :meth:`start` and :meth:`close`. ``tls`` takes the keyword arguments of paho's ``tls_set`` and is used towards the
    broker; the side of the clients is always plain, so that there is something to look at.
    """

    def __init__(self, host: str, port: int, *, tls: dict[str, Any] | None = None) -> None:
        self.host, self.port = "127.0.0.1", 0
        self._broker, self._tls = (host, port), tls
        self._packets: list[Packet] = []
        self._links: dict[asyncio.Task[None], _Link] = {}
        self._count = 0
        self._gates: dict[bool, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> Self:
        """Begin to listen on a free port of this machine. Raises ``LessonError`` when it already listens."""
        if self._loop is not None:
            raise LessonError("This relay is already running.", remedy="Make a second Relay, or close this one first.")
        self._loop, self._gates = asyncio.new_event_loop(), {}
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._opened = time.monotonic()
        self._call(self._listen())
        return self

    def close(self) -> None:
        """Cut what is connected and stop listening."""
        if self._loop is None:
            return
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_TIMEOUT)
        self._loop.close()
        self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def now(self) -> float:
        """Seconds since the relay opened: the clock of ``Packet.at``."""
        return time.monotonic() - self._opened

    def packets(self, *, since: float = 0.0) -> list[Packet]:
        """The packets seen since the moment ``since`` of :attr:`now`, in the order in which they came."""
        return sorted((each for each in self._packets if each.at >= since), key=lambda each: each.at)

    def count(self, *, since: float = 0.0) -> Counter[str]:
        """How many packets of each kind came by, both directions together, lost ones included."""
        return Counter(each.kind for each in self.packets(since=since))

    def freeze(self, *, to_broker: bool = True, to_client: bool = True) -> None:
        """Hold all bytes back, in both directions or one; the connections stay open, as when a cable is pulled."""
        self._call(self._set({side for side, held in ((True, to_broker), (False, to_client)) if held}, free=False))

    def thaw(self) -> None:
        """Let the bytes go on, those held back first."""
        self._call(self._set({True, False}, free=True))

    def cut(self) -> None:
        """End all connections at once, with no DISCONNECT; what was held back is lost. New ones may come."""
        self._call(self._cut())

    def _call(self, coroutine: Any) -> None:  # noqa: ANN401
        if self._loop is None:
            coroutine.close()
            raise LessonError("This relay is not running.", remedy="Use it in a `with` block, or call start() first.")
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_TIMEOUT)

    async def _listen(self) -> None:
        await self._set({True, False}, free=True)
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        self._server.close()
        await self._cut()

    async def _set(self, sides: set[bool], *, free: bool) -> None:
        for side in sides:
            gate = self._gates.setdefault(side, asyncio.Event())
            gate.set() if free else gate.clear()
        for way in (way for link in self._links.values() for way in link.ways):
            if self._gates[way.reader.to_broker].is_set():
                way.release()

    async def _cut(self) -> None:
        tasks = list(self._links)
        for task, link in tuple(self._links.items()):
            for way in link.ways:
                way.writer.transport.abort()
                for place in way.waiting:
                    self._packets[place] = replace(self._packets[place], lost=True)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._broker, ssl=self._context())
        except OSError:
            writer.transport.abort()  # what a client sees of a broker that is not there
            return
        self._count += 1
        link = _Link(
            f"connection {self._count}", (_Way(far_writer, PacketReader(True)), _Way(writer, PacketReader(False)))
        )
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._links[task] = link
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, link, link.ways[0]))
                group.create_task(self._pump(far_reader, link, link.ways[1]))
        except* (OSError, asyncio.CancelledError):
            pass  # one side is gone, or the relay was told to cut: both sides end
        finally:
            del self._links[task]
            far_writer.close()
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, link: _Link, way: _Way) -> None:
        gate = self._gates[way.reader.to_broker]
        while data := await reader.read(_CHUNK):
            for packet in way.reader.feed(data):
                link.client = packet.client or link.client
                if not gate.is_set():
                    way.waiting.append(len(self._packets))
                self._packets.append(replace(packet, at=self.now, client=link.client))
            way.held += data
            if len(way.held) > _HELD_AT_MOST:
                await gate.wait()
            if gate.is_set():
                way.release()
                await way.writer.drain()
        await gate.wait()  # a frozen network does not carry the news that one side has closed either
        if way.writer.can_write_eof():
            way.writer.write_eof()
        else:
            way.writer.close()

    def _context(self) -> ssl.SSLContext | None:
        if self._tls is None:
            return None
        context = ssl.create_default_context(cafile=self._tls.get("ca_certs"))
        if self._tls.get("certfile"):
            context.load_cert_chain(self._tls["certfile"], self._tls.get("keyfile"))
        return context
