"""How fast one proxy is: readings a second at QoS 1 over some connections, and the proxy's CPU and memory.

    uv run python tests/benchmarks/proxy.py [--connections 100] [--messages 300000] [--steady]

Readings of 100 bytes; each connection has 100 messages under way at most. Kafka and this load share the machine with
the proxy. CPU: user and system time of its process per million readings, which a busy machine disturbs least.
``--steady``: 5,000 readings a second over all connections instead, and the time from PUBLISH to PUBACK. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mqtt5
import psutil
from confluent_kafka.admin import AdminClient, NewTopic

from helpers import lab
from helpers.proxy.server import allow_files
from tests.benchmarks.bridge_load import cpu_seconds, little_garbage, peak_megabytes, reading

WINDOW, RATE, SECONDS = 100, 5_000, 20.0
ACK = 4  # bytes of a PUBACK
PROGRAM = """
import json, sys
from helpers.proxy import ProxyConfig, run
from helpers.topics import TopicMapping
settings = json.loads(sys.argv[1])
route = TopicMapping("bench/{device}/readings", topic="bench", key="{device}")
config = ProxyConfig(routes=(route,), dead_letter_topic="bench-dead", **settings)
said = []
def show(snapshot):
    if snapshot.state == "carrying" and not said:
        said.append(print("ready", flush=True))
print(run(config, on_snapshot=show, every=0.05).line(), flush=True)
"""


class Device:
    """One connection, with as little work per message as possible."""

    def __init__(self, port: int, number: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(mqtt5.ConnectPacket(f"bench-{number}").write())
        assert self.socket.recv(1000)
        topic, one = f"bench/{number:06}/readings", mqtt5.QoS.AT_LEAST_ONCE
        # The packet ids go round in a window, so the packets can be made before.
        self.packets = [
            mqtt5.PublishPacket(topic, reading(number + each), qos=one, packet_id=each + 1).write()
            for each in range(WINDOW if number < 1_000 else 1)
        ]
        self.sent = self.acked = 0
        self.since = 0.0

    def send(self, count: int) -> None:
        at = self.sent % len(self.packets)
        chosen = (self.packets * 2)[at : at + count]
        self.socket.sendall(b"".join(chosen))
        self.sent += len(chosen)

    def receive(self) -> int:
        acks = len(self.socket.recv(65536)) // ACK
        self.acked += acks
        return acks


def flood(devices: list[Device], messages: int) -> float:
    """Keep every window full; return the rate over the middle four fifths."""
    selector = selectors.DefaultSelector()
    for device in devices:
        selector.register(device.socket, selectors.EVENT_READ, device)
        device.send(WINDOW)
    acked, marks = 0, {}
    while acked < messages:
        for key, _ in selector.select(1.0):
            acked += (fresh := key.data.receive())
            key.data.send(fresh)
        for tenth in (1, 9):
            if acked >= messages * tenth // 10:
                marks.setdefault(tenth, (acked, time.perf_counter()))
    (first, began), (last, ended) = marks[1], marks[9]
    return (last - first) / (ended - began)


def steadily(devices: list[Device]) -> list[float]:
    """Return the times to PUBACK in ms, sorted; the first fifth is warming up."""
    selector = selectors.DefaultSelector()
    for device in devices:
        selector.register(device.socket, selectors.EVENT_READ, device)
    began, sent, found = time.perf_counter(), 0, []
    while (passed := time.perf_counter() - began) < SECONDS:
        for _ in range(int(passed * RATE) - sent):
            device = devices[sent % len(devices)]
            sent += 1
            if device.sent == device.acked:  # else its last one still waits, and counts once, with its whole time
                device.since = time.perf_counter()
                device.send(1)
        for key, _ in selector.select(0.001):
            key.data.receive()
            found.append((time.perf_counter() - key.data.since) * 1000)
    return sorted(found[len(found) // 5 :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--steady", action="store_true")
    asked = parser.parse_args()
    allow_files()
    with lab.scratch("kafka") as broker:
        new = [NewTopic("bench", 3, 1), NewTopic("bench-dead", 1, 1)]
        admin = AdminClient(dict(broker.kafka))  # without a name it would end before its answer comes
        for future in admin.create_topics(new).values():
            future.result(30)
        time.sleep(1)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings: dict[str, Any] = {"kafka": dict(broker.kafka), "port": port}
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-c", PROGRAM, json.dumps(settings)]
        proxy = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        assert proxy.stdout is not None
        assert proxy.stdout.readline() == "ready\n"
        watched = psutil.Process(proxy.pid)
        try:
            began = time.perf_counter()
            devices = [Device(port, number) for number in range(asked.connections)]
            print(f"{asked.connections:,} connections in {time.perf_counter() - began:.1f} s")
            before = cpu_seconds(watched)
            with little_garbage():
                if asked.steady:
                    times = steadily(devices)
                    p50, p99 = statistics.median(times), times[len(times) * 99 // 100]
                    print(f"{RATE:,}/s: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
                else:
                    print(f"{flood(devices, asked.messages):,.0f} readings/s")
            used = (cpu_seconds(watched) - before) / sum(device.acked for device in devices) * 1e6
            print(f"{used:.1f} CPU seconds a million, {peak_megabytes(watched):.0f} MB at most")
            for device in devices:
                device.socket.close()
        finally:
            proxy.send_signal(signal.SIGTERM)
            print(proxy.communicate(timeout=30)[0].strip())


if __name__ == "__main__":
    main()
