"""What the bridge's tests share: a fleet that counts what it sends, and a look at what Kafka has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from hypothesis import HealthCheck, Phase, settings
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.bridge import Bridge, BridgeConfig, BridgeError
from helpers.topics import TopicMapping
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[3]


class Devices:
    """Publishes at QoS 1 and remembers, per device, which sequence numbers the MQTT broker acknowledged."""

    def __init__(self, address: Any, prefix: str, *, count: int = 7) -> None:
        self.prefix = prefix
        self.sent: dict[str, list[int]] = {f"G-{number:03}": [] for number in range(count)}
        self._under_way: deque[tuple[str, int, mqtt.MQTTMessageInfo]] = deque()
        client_id = f"{prefix}-{uuid.uuid4().hex[:8]}"
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
        self._client.max_inflight_messages_set(1000)
        self._numbers: Counter[str] = Counter()
        self._turn = 0
        if address.username:
            self._client.username_pw_set(address.username, address.password)
        if address.tls is not None:
            self._client.tls_set(**address.tls)
        self._client.connect(address.host, address.port)
        self._client.loop_start()

    def publish(self, count: int, *, poison: Callable[[int], bool] = lambda _: False, rate: float = 0) -> None:
        """Publish ``count`` messages, the devices taking turns; at most ``rate`` a second. Poison does not count."""
        wait_until(self._client.is_connected, "the devices are connected")
        devices = list(self.sent)
        began = time.monotonic()
        for index in range(count):
            device = devices[self._turn % len(devices)]
            self._turn += 1
            if poison(index):
                self._client.publish(f"{self.prefix}/{device}/readings", b"{poison", qos=1)
                continue
            self.one(device)
            if rate and (early := began + index / rate - time.monotonic()) > 0.005:
                time.sleep(early)

    def one(self, device: str, payload: bytes | None = None) -> None:
        """Publish one message of one device."""
        number = self._numbers[device]
        self._numbers[device] += 1
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = [("seq", str(number)), ("boot", "1")]
        value = json.dumps({"generatorID": device, "n": number}).encode() if payload is None else payload
        info = self._client.publish(f"{self.prefix}/{device}/readings", value, qos=1, properties=properties)
        self._under_way.append((device, number, info))

    def settle(self) -> Self:
        """Wait until the MQTT broker has acknowledged everything."""
        while self._under_way:
            device, number, info = self._under_way.popleft()
            info.wait_for_publish(PATIENCE)
            assert info.is_published(), "the MQTT broker acknowledges all that was published"
            self.sent[device].append(number)
        return self

    @property
    def total(self) -> int:
        """How many messages the MQTT broker acknowledged."""
        return sum(map(len, self.sent.values()))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@dataclass
class Outcome:
    """What became of the messages that were sent: which are missing in Kafka, and what is there more than once."""

    missing: list[tuple[str, int]]
    duplicates: int
    out_of_order: list[tuple[str, int, int]]
    records: list[Any] = field(repr=False)


def records(kafka: dict[str, Any], topic: str) -> list[Any]:
    """Return all records of a topic, partition by partition."""
    consumer = Consumer({**kafka, "group.id": "look", "enable.auto.commit": False, "enable.partition.eof": False})
    found = []
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        for partition in partitions:
            place = TopicPartition(topic, partition)
            low, high = _offsets(consumer, place)
            consumer.assign([TopicPartition(topic, partition, low)])
            ends = time.monotonic() + PATIENCE
            while low < high and consumer.position([place])[0].offset < high:
                assert time.monotonic() < ends, f"{topic} cannot be read to its end"
                found += [record for record in consumer.consume(10_000, 0.2) if record.error() is None]
    finally:
        consumer.close()
    return found


def count(kafka: dict[str, Any], topic: str) -> int:
    """Return how many records a topic has had."""
    consumer = Consumer({**kafka, "group.id": "look"})
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        return sum(_offsets(consumer, TopicPartition(topic, each))[1] for each in partitions)
    finally:
        consumer.close()


def _offsets(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """Return where a partition begins and ends; a Kafka that has just come back may need a moment to lead it again."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return consumer.get_watermark_offsets(place, timeout=30)
        except KafkaException:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


def outcome(kafka: dict[str, Any], topic: str, sent: dict[str, list[int]]) -> Outcome:
    """Compare what Kafka has with what was sent, by device and sequence number."""
    found = records(kafka, topic)
    seen: Counter[tuple[str, int]] = Counter()
    firsts: dict[str, int] = {}
    out_of_order = []
    for record in found:
        device, number = record.key().decode(), int(dict(record.headers())["seq"])
        seen[device, number] += 1
        if seen[device, number] == 1:
            if number < firsts.get(device, -1):
                out_of_order.append((device, firsts[device], number))
            firsts[device] = number
    missing = [(device, number) for device, numbers in sent.items() for number in numbers if not seen[device, number]]
    return Outcome(missing, sum(seen.values()) - len(seen), out_of_order, found)


class Program:
    """A bridge in a process of its own, from ``programs.py``."""

    def __init__(self, kind: str, settings: dict[str, Any]) -> None:
        self._kind = kind
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "programs.py"), self._kind, json.dumps(self._settings)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def wait_received(self) -> None:
        """Wait until a naive bridge has received a message since its start: from then on it has something to lose."""
        if self._kind == "naive":
            assert self.process.stdout is not None
            assert self.process.stdout.readline() == "received\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def terminate(self) -> dict[str, Any]:
        """Send SIGTERM, and return the ledger if the program prints one."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=PATIENCE)
        return dict(json.loads(out)) if out.startswith("{") else {}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


def through_brokers(examples: int) -> settings:
    """Settings of a property test whose examples go through real brokers: none is shrunk, timed or kept."""
    return settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[*HealthCheck],
        database=None,
    )


@contextmanager
def ends_by_itself(config: BridgeConfig, says: str) -> Iterator[Bridge]:
    """Run a bridge that must end with this error because of what the block does."""
    bridge = Bridge(config)
    bridge.__enter__()
    yield bridge
    wait_until(lambda: bridge.error, "the bridge ends")
    with pytest.raises(BridgeError, match=says):
        bridge.close()


@dataclass
class Bench:
    """One test's brokers and names."""

    mqtt: Any
    kafka: Any
    name: str

    @property
    def topic(self) -> str:
        return f"{self.name}-readings"

    @property
    def dead(self) -> str:
        return f"{self.name}-dead"

    def make_topics(self, partitions: int = 3, **settings: str) -> Self:
        self.create(NewTopic(self.topic, partitions, 1, config=settings), NewTopic(self.dead, 1, 1))
        return self

    def create(self, *topics: NewTopic) -> None:
        """Create Kafka topics, and wait until the broker lists them: a client may ask sooner than that."""
        admin = AdminClient(dict(self.kafka.kafka))
        for future in admin.create_topics([*topics]).values():
            future.result(PATIENCE)
        wait_until(lambda: {each.topic for each in topics} <= set(admin.list_topics(timeout=PATIENCE).topics))

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Return a bridge's settings as plain JSON, for ``Program``."""
        pattern = f"{self.name}/{{device}}/readings"
        return {
            "mqtt": {"host": self.mqtt.mqtt.host, "port": self.mqtt.mqtt.port},
            "kafka": dict(self.kafka.kafka),
            "client_id": f"{self.name}-bridge",
            "routes": [{"pattern": pattern, "topic": self.topic, "key": "{device}"}],
            "dead_letter_topic": self.dead,
            **changes,
        }

    def config(self, **changes: Any) -> BridgeConfig:
        """Return a bridge's configuration."""
        settings = self.settings() | {"mqtt": self.mqtt.mqtt} | changes
        settings["routes"] = tuple(
            TopicMapping(**route) if isinstance(route, dict) else route for route in settings["routes"]
        )
        return BridgeConfig(**settings)

    def devices(self, **changes: Any) -> Devices:
        return Devices(**{"address": self.mqtt.mqtt, "prefix": self.name, **changes})

    @property
    def mqtt_keeps_order(self) -> bool:
        """Whether messages leave the MQTT broker as they came: on a busy machine, Artemis may let one overtake others.

        That is ARTEMIS-6191, open in 2.55. It says nothing about a bridge, whose order the other broker shows.
        """
        return self.mqtt.provider != "artemis"

    @property
    def mqtt_keeps_unsubscribed(self) -> bool:
        """Whether UNSUBSCRIBE leaves what waits for the filter: Artemis removes it with the subscription's queue.

        MQTT 5 allows both (section 3.10.4). Artemis delivers it first when it happens to be quick enough.
        """
        return self.mqtt.provider != "artemis"

    def outcome(self, devices: Devices) -> Outcome:
        found = outcome(self.kafka.kafka, self.topic, devices.sent)
        if not self.mqtt_keeps_order:
            found.out_of_order.clear()
        return found

    def stored(self) -> int:
        return count(self.kafka.kafka, self.topic)

    def wait_quiet(self, seconds: float = 2.0) -> None:
        """Wait until nothing more arrives in Kafka for a while: the bridge has carried what it will carry."""
        last, since, ends = -1, time.monotonic(), time.monotonic() + PATIENCE
        while time.monotonic() - since < seconds:
            assert time.monotonic() < ends, "records keep coming"
            if (now := self.stored()) != last:
                last, since = now, time.monotonic()
            time.sleep(0.1)

    def wait_stored(self, devices: Devices) -> None:
        """Wait until Kafka has at least as many records as were sent, then until it is quiet."""
        wait_until(lambda: self.stored() >= devices.total, "everything sent is in Kafka")
        self.wait_quiet(0.5)

    def dead_letters(self) -> list[Any]:
        return records(self.kafka.kafka, self.dead)
