"""How fast the proxy is beside the way through Mosquitto and our bridge, and beside a producer without MQTT.

    uv run python tests/benchmarks/proxy.py [--messages 300000] [--connections 1 100 1000] [--steady 10000] [--rounds 3]

Readings of 100 bytes at QoS 1; each connection has 100 messages under way at most. The load, Kafka and what is measured
share the machine. Rate: from the tenth to the ninetieth hundredth of the messages, by Kafka's offsets. CPU: user and
system time, per million messages at 100 connections, of the proxy, or of Mosquitto and the bridge together; a busy
machine disturbs it least. Latency: 5,000 readings a second over ``--steady`` connections, from the time in the payload
to the broker's append time (milliseconds). Memory: the most at the end of that. Medians of rounds in which all take
turns. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mqtt5
import psutil

from helpers import lab
from helpers.lab.runtime import ports
from helpers.proxy.server import allow_files
from tests.benchmarks import bridge_load as load
from tests.benchmarks.bridge import RATE, Arena, Running, bare_producer_latency, build, subscribed, table
from tests.benchmarks.bridge_peers import LINGER_MS, Contestant, Place, ours

WINDOW, SECONDS = 100, 20.0
ACK = 4  # bytes of a PUBACK
PROGRAM = """
import json, sys
from helpers.proxy import ProxyConfig, run
from helpers.topics import TopicMapping
settings = json.loads(sys.argv[1])
settings["routes"] = [TopicMapping(**settings["routes"])]
print(run(ProxyConfig(**settings)).line(), flush=True)
"""


@dataclass
class Ingest:
    """What is measured while it runs: where devices connect, where their readings arrive, and its processes."""

    port: int
    place: Place
    processes: list[psutil.Process]

    def cpu(self) -> float:
        return sum(map(load.cpu_seconds, self.processes))

    def megabytes(self) -> float:
        return sum(map(load.peak_megabytes, self.processes))


@contextmanager
def through_the_proxy(arena: Arena, _mosquitto: psutil.Process) -> Iterator[Ingest]:
    place = arena.place()
    port = ports.any_free()
    settings = {
        "kafka": {"bootstrap.servers": place.bootstrap, "linger.ms": LINGER_MS},
        "port": port,
        "routes": {"pattern": place.pattern, "topic": place.topic, "key": "{device}"},
        "dead_letter_topic": place.dead,
    }
    command = [sys.executable, "-c", PROGRAM, json.dumps(settings)]
    running = Running(Contestant("the proxy", lambda _place: command), place)
    try:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield Ingest(port, place, [running.process])
    finally:
        running.stop()


@contextmanager
def through_mosquitto(arena: Arena, mosquitto: psutil.Process) -> Iterator[Ingest]:
    place = arena.place()
    running = Running(Contestant("Mosquitto and the bridge", ours), place)
    try:
        subscribed(arena, place)
        yield Ingest(arena.mqtt.port, place, [mosquitto, running.process])
    finally:
        running.stop()


INGESTS = {"the proxy": through_the_proxy, "Mosquitto and the bridge": through_mosquitto}


class Device:
    """One connection, with as little work per message as possible."""

    def __init__(self, ingest: Ingest, number: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", ingest.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(mqtt5.ConnectPacket(f"{ingest.place.topic}-{number}").write())
        assert self.socket.recv(1000)
        self.topic = ingest.place.mqtt_filter.replace("+", f"{number:06}")
        self.sent = self.at = 0
        self.window: list[bytes] = []

    def packet(self, payload: bytes) -> bytes:
        self.sent += 1
        # Packet ids go round in a window, of which the oldest is acknowledged before it comes again.
        packet_id = (self.sent - 1) % WINDOW + 1
        return mqtt5.PublishPacket(self.topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id).write()

    def close(self) -> None:
        self.socket.close()


@contextmanager
def devices(ingest: Ingest, connections: int) -> Iterator[tuple[list[Device], selectors.BaseSelector]]:
    found = [Device(ingest, number) for number in range(connections)]
    with selectors.DefaultSelector() as selector, load.little_garbage():
        for each in found:
            selector.register(each.socket, selectors.EVENT_READ, each)
        yield found, selector
    for each in found:
        each.close()


class Arrivals(threading.Thread):
    """Notes how many records a topic has, by time, until it has so many more than at the start."""

    def __init__(self, arena: Arena, ingest: Ingest, messages: int) -> None:
        super().__init__(daemon=True)
        self._arena, self._ingest, self._messages = arena, ingest, messages
        self.seen: list[tuple[float, float, float]] = []
        self._before = arena.stored(ingest.place.topic)

    def run(self) -> None:
        count = 0
        while count < self._messages:
            count = self._arena.stored(self._ingest.place.topic) - self._before
            self.seen.append((time.perf_counter(), count, self._ingest.cpu()))
            time.sleep(0.05)  # looking takes time from those that are looked at

    def figures(self) -> tuple[float, float]:
        """Return messages a second, and CPU seconds per million of them, without the first and the last tenth."""
        middle = [each for each in self.seen if 0.1 <= each[1] / self._messages <= 0.9]
        (began, first, before), (ended, last, after) = middle[0], middle[-1]
        return (last - first) / (ended - began), (after - before) / (last - first) * 1e6


def flood(arena: Arena, ingest: Ingest, connections: int, messages: int) -> tuple[float, float]:
    """Keep every window full. Return messages a second and CPU seconds per million."""
    payload = [load.reading(number) for number in range(1000)]
    with devices(ingest, connections) as (found, selector):
        for each in found:  # the packets of a window, made before
            each.window = [each.packet(payload[(each.sent * 7) % 1000]) for _ in range(WINDOW)] * 2
        arrivals = Arrivals(arena, ingest, messages)
        arrivals.start()
        left = messages
        for each in found:
            size = min(WINDOW, left)
            each.at = size % WINDOW
            each.socket.sendall(b"".join(each.window[:size]))
            left -= size
        while left:
            for key, _ in selector.select(1.0):
                device = key.data
                acked = min(len(device.socket.recv(65536)) // ACK, left)
                device.socket.sendall(b"".join(device.window[device.at : device.at + acked]))
                device.at = (device.at + acked) % WINDOW
                left -= acked
        arrivals.join(300)
    return arrivals.figures()


def steadily(arena: Arena, ingest: Ingest, connections: int) -> tuple[float, float, float]:
    """Publish for ``SECONDS``, each device in its turn. Return p50 and p99 in ms, and the memory in MB."""
    with devices(ingest, connections) as (found, selector):
        before, began, sent = arena.stored(ingest.place.topic), time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < SECONDS:
            for _ in range(int(passed * RATE) - sent):
                device = found[sent % connections]
                sent += 1
                device.socket.sendall(device.packet(str(time.time_ns()).encode().ljust(100)))
            for key, _ in selector.select(0.001):
                key.data.socket.recv(65536)
        ends = time.monotonic() + 60
        while arena.stored(ingest.place.topic) - before < sent and time.monotonic() < ends:
            time.sleep(0.2)
        memory = ingest.megabytes()
    times = arena.latencies(ingest.place.topic)
    return times[len(times) // 2], times[len(times) * 99 // 100], memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 100, 1_000])
    parser.add_argument("--steady", type=int, default=10_000, help="connections; 0 leaves this out")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    allow_files()
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=4"  # a scratch Kafka otherwise rather starts fast
    seen: dict[tuple[str, int], list[tuple[float, float]]] = {}
    steady: dict[str, tuple[float, float, float]] = {}
    producer: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        lab.scratch("mqtt", provider="mosquitto", autosave_interval=1800) as mqtt,  # its default
        lab.scratch("kafka") as kafka,
        Arena(mqtt, kafka, Path(folder)) as arena,
    ):
        mosquitto = psutil.Process(mqtt.pid)
        arena.warm_up()
        for number in range(asked.rounds):
            print(f"round {number + 1} of {asked.rounds}", flush=True)
            place = arena.place()
            producer.append(load.produce_without_mqtt(place.bootstrap, place.topic, asked.messages, 100))
            for name in [*INGESTS][:: -1 if number % 2 else 1]:
                for connections in asked.connections:
                    with INGESTS[name](arena, mosquitto) as ingest:
                        found = flood(arena, ingest, connections, asked.messages)
                    print(f"  {name}, {connections:,}: {found[0]:,.0f}/s, {found[1]:.1f} CPU s/million", flush=True)
                    seen.setdefault((name, connections), []).append(found)
        bare = bare_producer_latency(arena, SECONDS)
        for name in INGESTS if asked.steady else ():
            with INGESTS[name](arena, mosquitto) as ingest:
                steady[name] = steadily(arena, ingest, asked.steady)
    report(asked, seen, steady, statistics.median(producer), bare)


def report(
    asked: argparse.Namespace, seen: dict[tuple[str, int], list[tuple[float, float]]],
    steady: dict[str, tuple[float, float, float]], producer: float, bare: tuple[float, float],
) -> None:  # fmt: skip
    middle: dict[tuple[str, int], tuple[Any, ...]] = {
        key: tuple(map(statistics.median, zip(*each, strict=True))) for key, each in seen.items()
    }
    rows = [
        [
            name,
            *(f"{middle[name, each][0]:,.0f}" for each in asked.connections),
            "/".join(f"{middle[name, each][1]:.1f}" for each in asked.connections),
            *(f"{each:.0f}" for each in steady.get(name, ())),
        ]
        for name in INGESTS
    ]
    rows.append(["a producer without MQTT", *[f"{producer:,.0f}"] * len(asked.connections), "",
                 *(f"{each:.0f}" for each in bare)])  # fmt: skip
    columns = ["", *(f"{each:,} connections /s" for each in asked.connections), "CPU s/million",
               f"p50 ms, {asked.steady:,} at {RATE:,}/s", "p99 ms", "MB"]  # fmt: skip
    table(f"{asked.messages:,} messages, medians of {asked.rounds} rounds, {build()}", columns, rows)
    proxy, other = INGESTS
    found = [
        [f"rate at {each:,}: {proxy} / {other}", f"{middle[proxy, each][0] / middle[other, each][0]:.2f}"]
        for each in asked.connections
    ]
    found += [
        [f"CPU at {each:,}: {other} / {proxy}", f"{middle[other, each][1] / middle[proxy, each][1]:.2f}"]
        for each in asked.connections
    ]
    table("Ratios", ["", "ratio"], found)


if __name__ == "__main__":
    main()
