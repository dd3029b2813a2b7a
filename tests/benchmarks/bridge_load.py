"""What the bridge benchmark needs around the bridges: a fast publisher, the two limits, and a look at processes."""

from __future__ import annotations

import contextlib
import gc
import random
import select
import socket
import sys
import time
from collections.abc import Iterator

import mqtt5
import psutil
from confluent_kafka import KafkaError, Message, Producer

from helpers.bridge.reader import Reader

_UNACKED = 2_000


def reading(number: int) -> bytes:
    """Return a reading of 100 bytes, unlike the others as readings are."""
    chance = random.Random(number)  # noqa: S311 - no secret
    lat, lon = chance.uniform(47, 55), chance.uniform(6, 15)
    temperature, pressure, fuel = chance.uniform(20, 90), chance.uniform(1, 5), chance.uniform(0, 999)
    text = (
        f'{{"generatorID":"G-{number % 1000:03}","lat":{lat:.4f},"lon":{lon:.4f},'
        f'"temperature":{temperature:.1f},"pressure":{pressure:.2f},"fuel":{fuel:.1f}}}'
    )
    return text.ljust(100).encode()


class Mqtt:
    """A connection at QoS 1 with as little work per message as possible."""

    def __init__(self, host: str, port: int, client_id: str, **connect: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.sendall(mqtt5.ConnectPacket(client_id, receive_max=10_000, **connect).write())  # type: ignore[arg-type]
        self.reader = Reader()
        self._early: list[mqtt5.Packet] = []
        while not self._early:
            self._early = self.packets(1.0)
        del self._early[0]  # CONNACK; messages may be right behind it

    def packets(self, timeout: float) -> list[mqtt5.Packet]:
        if self._early:
            found, self._early = self._early, []
            return found
        if not select.select([self.socket], [], [], timeout)[0]:
            return []
        return self.reader.packets(self.socket.recv_into(self.reader.space()))

    def close(self) -> None:
        self.socket.sendall(mqtt5.DisconnectPacket().write())
        self.socket.close()


def publish(host: str, port: int, messages: Iterator[tuple[str, bytes]]) -> int:
    """Publish at QoS 1, wait for all PUBACKs, and return how many there were."""
    connection = Mqtt(host, port, "bench-load")
    sent = acked = 0
    out = []
    for topic, payload in messages:
        sent += 1
        packet_id = sent % 65_000 + 1
        out.append(mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id).write())
        if len(out) == _UNACKED // 4:
            connection.socket.sendall(b"".join(out))
            out.clear()
            while sent - acked > _UNACKED:
                acked += len(connection.packets(1.0))
    connection.socket.sendall(b"".join(out))
    while acked < sent:
        acked += len(connection.packets(1.0))
    connection.close()
    return acked


def publish_steadily(host: str, port: int, topics: list[str], rate: int, seconds: float) -> int:
    """Publish ``rate`` messages a second whose payload begins with the time in ns; return how many."""
    connection = Mqtt(host, port, "bench-load")
    began, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        due = int(passed * rate) - sent
        out = []
        for _ in range(due):
            sent += 1
            payload = str(time.time_ns()).encode().ljust(100)
            topic = topics[sent % len(topics)]
            packet_id = sent % 65_000 + 1
            out.append(mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id).write())
        connection.socket.sendall(b"".join(out))
        connection.packets(0.0005)
    connection.close()
    return sent


def drain_without_kafka(host: str, port: int, count: int) -> float:
    """Return messages per second of the same socket, read and acknowledged without Kafka."""
    connection = Mqtt(host, port, "bench-limit", session_expiry_interval=86_400)
    began, received = time.perf_counter(), 0
    while received < count:
        acks = [
            mqtt5.PubAckPacket(packet.packet_id or 0).write()
            for packet in connection.packets(1.0)
            if type(packet) is mqtt5.PublishPacket
        ]
        received += len(acks)
        connection.socket.sendall(b"".join(acks))
    rate = count / (time.perf_counter() - began)
    connection.close()
    return rate


def produce_without_mqtt(bootstrap: str, topic: str, count: int, devices: int) -> float:
    """Return messages per second of the same producer, called as the bridge calls it, but fed from memory."""
    settings = {"bootstrap.servers": bootstrap, "linger.ms": 5, "acks": "all", "enable.idempotence": True}
    producer = Producer({**settings, "queue.buffering.max.messages": 1_000_000})
    names = [f"{number:06}" for number in range(devices)]
    readings = [reading(number) for number in range(1000)]
    producer.produce(topic, b"warm")
    producer.flush()
    with little_garbage():
        began = time.perf_counter()
        for number in range(count):
            name = names[number % devices]
            header = [("mqtt.topic", f"g/{name}/readings")]
            producer.produce(topic, readings[number % 1000], name, -1, _Sent().report, None, 0, header)
            if number % 1000 == 0:
                producer.poll(0)
                while len(producer) > 10_000:  # the bridges' window
                    producer.poll(0.001)
        producer.flush()
        return count / (time.perf_counter() - began)


class _Sent:
    """One message on its way to Kafka."""

    __slots__ = ("done",)

    def report(self, _error: KafkaError | None, _message: Message) -> None:
        self.done = True


@contextlib.contextmanager
def little_garbage() -> Iterator[None]:
    """Look for garbage as seldom as the bridge does."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def produce_steadily(bootstrap: str, topic: str, rate: int, seconds: float) -> int:
    """Produce as ``publish_steadily`` publishes, without a bridge between."""
    settings = {"bootstrap.servers": bootstrap, "linger.ms": 5, "acks": "all", "enable.idempotence": True}
    producer = Producer(settings)
    producer.produce(topic, str(time.time_ns()).encode())
    producer.flush()
    began, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        for _ in range(int(passed * rate) - sent):
            sent += 1
            producer.produce(topic, str(time.time_ns()).encode().ljust(100), str(sent % 100))
        producer.poll(0.0005)
    producer.flush()
    return sent


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def peak_megabytes(process: psutil.Process) -> float:
    """Return the most memory the process has had (Linux), else what it has now."""
    if sys.platform == "linux":
        with open(f"/proc/{process.pid}/status") as status:  # noqa: PTH123
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    return process.memory_info().rss / 1e6
