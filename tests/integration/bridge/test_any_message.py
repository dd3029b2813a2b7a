"""Any message, whatever a device sends: stored or dead-lettered, once; the bridge lives, and so do the neighbours."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import mqtt5
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from hypothesis import assume, example, given, strategies as st

from helpers import lab
from helpers.bridge import Bridge
from helpers.bridge.connection import Connection
from helpers.topics import TopicMapping
from tests.integration.bridge.support import Bench, through_brokers, wait_until

EXAMPLES = [50, pytest.param(650, marks=pytest.mark.slow)]
ACCEPTED = 0.8  # a broker refuses some of them
LIMIT = 20_000  # bytes of a record, by the topic's setting
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Reading",
    "type": "object",
    "properties": {"dev": {"type": "string"}, "n": {"type": "number"}},
    "additionalProperties": {"type": "integer"},
}
FRAME = 5  # bytes in front of a value: zero, and the schema's id
GOOD = b'{"dev": "d", "n": 1}'


@dataclass
class Message:
    """What a device sends. ``{topic}`` in a property's value stands for the Kafka topic."""

    payload: bytes = GOOD
    level: str = "d"
    rest: str = ""
    properties: list[tuple[str, str]] = field(default_factory=list)
    correlation: bytes | None = None


def now(**ago: float) -> datetime:
    return datetime.now(UTC) - timedelta(**ago)


LEGAL = st.characters(exclude_categories=["Cc", "Cs", "Cn"])
TEXT = st.text(LEGAL, max_size=20) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
LEVEL = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="/+#"), min_size=1, max_size=20)
LONG = st.integers(1, 60_000).map(lambda size: "ü" * (size // 2))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=10,
)
PAYLOAD = st.one_of(
    st.just(GOOD),
    st.builds(lambda dev, n: json.dumps({"dev": dev, "n": n}).encode(), st.text(max_size=30), st.integers()),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.text(max_size=5), JSON, max_size=3).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=1000),
    st.integers(1, 12_000).map(lambda size: json.dumps([{"dev": "d", "n": 1}] * size).encode()),
    st.integers(1, 60_000).map(lambda size: b"[" * size + b"]" * size),
    st.integers(1, 60_000).map(lambda size: b'{"n": %s}' % (b"9" * size)),
)
PROPERTY = st.one_of(
    st.tuples(TEXT, TEXT),
    st.tuples(
        st.just("seq"), st.integers(0, 2**70).map(str) | st.integers(1, 6000).map(lambda size: "9" * size) | TEXT
    ),
    st.tuples(st.just("boot"), TEXT | LONG),
    st.tuples(st.just("time"), st.datetimes().map(str) | st.floats(0, 9).map(lambda h: str(now(hours=h))) | TEXT),
    st.tuples(st.just("kafka.topic"), TEXT | st.just("{topic}")),
    st.tuples(st.sampled_from(["mqtt.topic", "dead-letter.reason", "long"]), TEXT | LONG),
)
MESSAGE = st.builds(
    Message,
    payload=PAYLOAD,
    level=st.just("d") | LEVEL,
    rest=st.sampled_from(["", "/", "/alarm", "//x"]) | (LEVEL | LONG).map(lambda text: f"/{text}"),
    properties=st.lists(PROPERTY, max_size=4),
    correlation=st.none() | st.binary(max_size=3000),
)  # fmt: skip

# What people's systems sent, each of which once ended a bridge, blocked it, or was stored wrong.
SEEN = [
    Message(json.dumps([{"dev": "d", "n": 1, "temperature": 80}] * 12_000).encode()),
    Message(rb'{"dev": "d", "n": 1, "\ud800": "x"}'),
    *(Message(properties=[("seq", seq), ("boot", "1")]) for seq in ("5", str(2**64 - 1), "6", "9" * 5000)),
    *(
        Message(rest=rest)
        for rest in ("/Living room/Lamp 1", "//empty", "/a.b_c", "/Küche °C", "/%2F/x", "/{device}/x")
    ),
    Message(properties=[("time", now(hours=3).astimezone().replace(tzinfo=None).isoformat())]),
    Message(properties=[("time", now(hours=3).astimezone().date().isoformat())]),
    Message(properties=[("time", now(minutes=5).astimezone().isoformat())]),
    Message(b'{"Time":"2026-11-26T08:00:00","ENERGY":{"Total":1.234,"Power":null},"TempUnit":"C"}'),
    Message(b"\x08\xe9\xc6\xd5\xf11\x12\x16\n\x08test/tag\x18\x03 \tM\x00\x00\xff?\x10\x01\x18\x00\xff\x00"),
    Message(json.dumps([{"dev": "d", "n": 1}] * 3).encode()),
    Message(level="x" * 9000, payload=b"{"),
    Message(level="x" * 30_000),
    Message(properties=[("kafka.topic", "somewhere else")]),
    Message(properties=[("kafka.topic", "{topic}")]),
    Message(properties=[("trace", "a\0b"), ("tr\0ace", "b")]),
    Message(level="a\0b"),
    Message(rest="/alarm"),
    Message(properties=[("", "")]),
    Message(b'{"n": %s}' % (b"9" * 5000)),
    Message(b"[" * 50_000 + b"]" * 50_000),
    Message(b"{", properties=[("dead-letter.reason", "forged"), ("long", "ü" * 30_000)], correlation=b"c" * 60_000),
]


class Sender:
    """Publishes at QoS 1 what no client library would let through."""

    def __init__(self, address: Any) -> None:
        self._address = address
        self._connection: Connection | None = None

    def publish(self, topic: str, message: Message, properties: list[tuple[str, str]]) -> bool:
        """Return whether the MQTT broker took it: some hang up instead, which is not the bridge's business."""
        if self._connection is None:
            self._connection = Connection(self._address, mqtt5.ConnectPacket(f"sender-{time.monotonic_ns()}"))
        packet = mqtt5.PublishPacket(
            topic,
            message.payload,
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            packet_id=1,
            user_properties=properties,
            correlation_data=message.correlation,
        )
        try:
            self._connection.send(packet.write())
            ends = time.monotonic() + 30
            while time.monotonic() < ends:
                for answer in self._connection.read(0.1):
                    if isinstance(answer, mqtt5.PubAckPacket):
                        return answer.reason_code == mqtt5.PubAckReasonCode.SUCCESS
        except ConnectionError:
            self._connection.close()
            self._connection = None
        return False


class Tail:
    """Every record of some topics so far, by the number in the MQTT topic."""

    def __init__(self, kafka: dict[str, Any], topics: list[str]) -> None:
        self.found: dict[int, list[Any]] = {}
        self._consumer = Consumer({**kafka, "group.id": "tail", "fetch.wait.max.ms": 10, "fetch.error.backoff.ms": 10})
        self._consumer.assign([TopicPartition(topic, 0, 0) for topic in topics])

    def wait(self, number: int) -> list[Any]:
        """Return the records of a message, which Kafka has already."""
        ends = time.monotonic() + 60
        while number not in self.found and time.monotonic() < ends:
            self.look(0.1)
        return self.found.get(number, [])

    def look(self, seconds: float) -> None:
        for record in self._consumer.consume(100, seconds):
            topic = [value for name, value in record.headers() if name == "mqtt.topic"][-1]
            self.found.setdefault(int(topic.split(b"/")[1]), []).append(record)

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture(scope="module")
def registry(_clean_environment: None) -> Iterator[Any]:
    with lab.scratch("registry") as broker:
        yield broker


def credible(properties: list[tuple[str, str]]) -> float | None:
    """The time that the record must have, in seconds, or ``None`` for the time of the bridge."""
    for name, value in properties:
        if name == "time":
            try:
                given = datetime.fromisoformat(value)
            except ValueError:
                return None
            if given.tzinfo is None or not now(days=1) < given < now(minutes=-10):
                return None
            return given.timestamp()
    return None


def check_stored(record: Any, topic: str, message: Message, properties: list[tuple[str, str]], began: float) -> None:
    assert record.value()[FRAME:] == message.payload
    assert record.key() == message.level.encode()
    expected = [(name.replace("\0", r"\x00"), value.encode()) for name, value in properties]
    expected += [("mqtt.topic", topic.encode())]
    expected += [("mqtt.correlation-data", message.correlation)] if message.correlation is not None else []
    assert record.headers() == expected
    stamp = record.timestamp()[1] / 1000
    when = credible(properties)
    assert abs(stamp - when) < 0.01 if when else began - 1 < stamp < time.time() + 1


def check_dead(record: Any, topic: str, message: Message) -> None:
    headers = dict(record.headers())
    reason = headers["dead-letter.reason"].decode()
    assert reason.isprintable()
    assert 0 < len(reason) <= 400
    assert message.payload.startswith(record.value())
    assert topic.encode().startswith(headers["mqtt.topic"])
    if "dead-letter.truncated" not in headers:
        assert (record.value(), headers["mqtt.topic"]) == (message.payload, topic.encode())
    else:
        assert int(headers["dead-letter.length"]) == len(message.payload)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_message_is_stored_or_dead_lettered_once(bench: Bench, registry: Any, examples: int) -> None:
    name = f"{bench.name}a"
    bench = Bench(bench.mqtt, bench.kafka, name).make_topics(partitions=1, **{"max.message.bytes": str(LIMIT)})
    schema = Schema(json.dumps(SCHEMA), "JSON")
    SchemaRegistryClient(dict(registry.registry)).register_schema(f"{bench.topic}-value", schema)
    routes = tuple(
        TopicMapping(f"{name}/{{n}}/{{device}}/{rest}", topic=bench.topic, key="{device}") for rest in ("alarm", "#")
    )
    config = bench.config(routes=routes, serializer="schema", registry=dict(registry.registry), sequence="seq")
    sender, tail, numbers = (
        Sender(bench.mqtt.mqtt),
        Tail(bench.kafka.kafka, [bench.topic, bench.dead]),
        itertools.count(),
    )
    sent = accepted = looped = 0

    def neighbour() -> None:
        nonlocal sent
        number = next(numbers)
        good = Message(properties=[("boot", "n"), ("seq", str(number))])
        assert sender.publish(f"{name}/{number}/neighbour", good, good.properties)
        sent += 1

    with Bridge(config) as bridge:

        def carried() -> bool:
            assert bridge.error is None, bridge.error
            return bridge.snapshot().counts.acked >= sent

        @through_brokers(examples)
        @given(message=MESSAGE)
        def carry(message: Message) -> None:
            nonlocal sent, accepted, looped
            # Artemis uses the backslash to escape characters of its own addresses, and delivers more of them than came.
            assume("\\" not in message.level + message.rest or bench.mqtt.provider == "mosquitto")
            properties = [(key, bench.topic if value == "{topic}" else value) for key, value in message.properties]
            neighbour()
            number, began = next(numbers), time.time()
            topic = f"{name}/{number}/{message.level}{message.rest}"
            taken = sender.publish(topic, message, properties)
            sent, accepted = sent + taken, accepted + taken
            neighbour()
            wait_until(carried, "all of it is acknowledged")
            if not taken:
                return
            if ("kafka.topic", bench.topic) in properties:
                looped += 1
                return
            (record,) = tail.wait(number)
            if record.topic() == bench.topic:
                check_stored(record, topic, message, properties, began)
            else:
                check_dead(record, topic, message)
                size = (
                    len(topic) * 5 + sum(len(a) + len(b) for a, b in properties) * 5 + len(message.correlation or b"")
                )
                assert message.payload != GOOD or size > LIMIT // 2, "this one was good"

        for seen in SEEN:
            carry = example(message=seen)(carry)
        carry()
        ledger = bridge.snapshot()
    tail.look(1.0)
    tail.close()
    assert accepted >= ACCEPTED * examples
    assert ledger.counts.reconnects == 0
    assert ledger.counts.looped == looped
    assert ledger.counts.produced + ledger.counts.dead_lettered == sent - looped
    assert ledger.counts.missing < 1_000_000_000
    assert sum(map(len, tail.found.values())) == sent - looped, "each of them once"
