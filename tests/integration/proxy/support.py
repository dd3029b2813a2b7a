"""What the proxy's tests share: a proxy on a thread, and a client that says exactly what a test wants."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import mqtt5

from helpers.proxy import ProxyConfig, Server
from helpers.topics import TopicMapping
from tests.integration.bridge import support
from tests.waiting import PATIENCE, wait_until


@contextmanager
def serving(config: ProxyConfig) -> Iterator[Server]:
    """Run a proxy on a thread; leaving the block drains, and raises what ended it early."""
    server, errors = Server(config), []

    def serve() -> None:
        try:
            asyncio.run(server.run())
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    wait_until(lambda: server.ready.is_set() or errors, "the proxy listens")
    try:
        yield server
    finally:
        server.stop.set()
        thread.join(PATIENCE)
        if errors:
            raise errors[0]


class Bench(support.Bench):
    """One test's broker and names."""

    def proxy_config(self, **changes: Any) -> ProxyConfig:
        routes = (TopicMapping(f"{self.name}/{{device}}/readings", topic=self.topic, key="{device}"),)
        settings = {"kafka": dict(self.kafka.kafka), "routes": routes, "dead_letter_topic": self.dead}
        return ProxyConfig(**{**settings, **changes})

    def devices_at(self, server: Server, **changes: Any) -> support.Devices:
        return support.Devices(**{"address": address(server), "prefix": self.name, **changes})

    def readings(self, device: str) -> str:
        return f"{self.name}/{device}/readings"

    def found(self, topic: str = "") -> list[Any]:
        return support.records(self.kafka.kafka, topic or self.topic)

    def result(self, devices: support.Devices) -> support.Outcome:
        return support.outcome(self.kafka.kafka, self.topic, devices.sent)


def address(server: Server) -> Any:
    return SimpleNamespace(host=server.config.host, port=server.port, username=None, password=None, tls=None)


class Raw:
    """A client of MQTT 5 that sends what a test wants."""

    def __init__(self, server: Server, client_id: str | None, **connect: Any) -> None:
        self.socket = socket.create_connection((server.config.host, server.port))
        self._received = b""
        if client_id is not None:
            self.send(mqtt5.ConnectPacket(client_id, **connect).write())
            self.connack = self.packet()

    def send(self, *packets: bytes) -> None:
        self.socket.sendall(b"".join(packets))

    def packet(self) -> Any:
        """Return the next packet; ``None`` at the end of the connection."""
        self.socket.settimeout(PATIENCE)
        while True:
            try:
                packet, length = mqtt5.read(memoryview(self._received))
            except IndexError:
                if not (data := self.socket.recv(65536)):
                    return None
                self._received += data
            else:
                self._received = self._received[length:]
                return packet

    def silent(self, seconds: float) -> bool:
        """Return whether nothing comes for so long."""
        self.socket.settimeout(seconds)
        try:
            self._received += self.socket.recv(65536)
        except TimeoutError:
            return not self._received
        return False

    def close(self) -> None:
        self.socket.close()


def publish(topic: str, number: int = 1, payload: bytes = b"{}", **options: Any) -> bytes:
    """Return a PUBLISH at QoS 1."""
    return mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=number, **options).write()
