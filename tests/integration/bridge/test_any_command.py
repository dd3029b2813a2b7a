"""Any record on the way back: carried as it is or dead-lettered, once; and the next command passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from hypothesis import example, given, strategies as st

from helpers import lab
from helpers.bridge import Bridge
from helpers.topics import is_mqtt_text
from tests.integration.bridge.support import Bench, through_brokers, wait_until
from tests.integration.bridge.test_commands import Generators, config

EXAMPLES = [50, pytest.param(500, marks=pytest.mark.slow)]
LONG = 70_000  # bytes, more than fits into a text of MQTT
PACKET = 30_000  # bytes of a packet that the MQTT broker takes, by its settings
WIDE = 40_000  # fits into a text of MQTT, but into no packet
LIMIT = "20000"  # bytes of a dead letter, by its topic's setting: many records are larger


@dataclass
class Record:
    key: bytes | None = b"G-1"
    value: bytes | None = b"go"
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)


BYTES = st.one_of(
    st.none(),
    st.binary(max_size=30),
    st.text(max_size=20).map(lambda text: text.encode(errors="surrogatepass")),
    st.sampled_from(
        [b"a\nb", b"a\0b", "\uffff".encode(), "\U0001fffe".encode(), b"\xff\xfe\0\1", b"x" * LONG, b"x" * WIDE]
    ),
)
NAME = st.sampled_from(["by", "traceparent", "a\nb", "", "kafka.topic", "mqtt.response-topic", "mqtt.correlation-data"])
RECORD = st.builds(
    Record,
    key=st.just(b"G-1") | st.text(min_size=1, max_size=20).map(str.encode) | BYTES,
    value=BYTES,
    headers=st.lists(st.tuples(NAME, BYTES), max_size=4),
)
# Artemis doubles a backslash in a topic, and loses the message if it ends a level.
RECORD = RECORD.filter(lambda record: b"\\" not in (record.key or b""))
SEEN = [
    Record(headers=[("note", b"line one\nline two")]),
    Record(headers=[("traceparent", b"\xff\xfe\0\1")]),
    Record(headers=[("__value_schema_id", b"\1" + bytes(range(16)))]),
    Record(headers=[("trace", b"a\0b")]),
    Record(headers=[("long", b"x" * LONG)]),
    Record(key=b"G-1\n"),
    Record(key="\uffff".encode()),
    Record(headers=[("mqtt.response-topic", b"a\nb")]),
    Record(headers=[("mqtt.correlation-data", b"x" * LONG)]),
    Record(value=b"x" * WIDE),
    Record(headers=[("by", b"x" * WIDE)]),
]


@pytest.fixture
def narrow(bench: Bench) -> Iterator[Any]:
    """An MQTT broker that refuses large packets, and says so when a client connects."""
    names = {"mosquitto": "max_packet_size", "artemis": "acceptorConfigurations.mqtt.params.maximumPacketSize"}
    limit: dict[str, Any] = {names[bench.mqtt.provider]: PACKET}
    with lab.scratch("mqtt", provider=bench.mqtt.provider, **limit) as broker:
        yield broker


def text(value: bytes | None) -> str | None:
    """What MQTT can hold of a value, if anything."""
    try:
        found = (value or b"").decode()
    except UnicodeDecodeError:
        return None
    return found if is_mqtt_text(found) else None


def possible(record: Record) -> bool:
    level, own = text(record.key), {name: value for name, value in record.headers if name.startswith("mqtt.")}
    answer = own.get("mqtt.response-topic")
    return (
        bool(level)
        and not set(level or "") & set("/+#")
        and (answer is None or (bool(text(answer)) and not set(text(answer) or "") & set("+#")))
        and all(len(each or b"") < WIDE for each in (record.key, record.value, *own.values()))
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_record_is_carried_or_dead_lettered(bench: Bench, narrow: Any, examples: int) -> None:
    bench = Bench(narrow, bench.kafka, f"{bench.name}a")
    bench.create(NewTopic(bench.topic, 3, 1), NewTopic(bench.dead, 1, 1, config={"max.message.bytes": LIMIT}))
    producer = Producer({**bench.kafka.kafka, "log_level": 0})
    sent = carried = 0
    with Generators(bench) as generators, Bridge(config(bench, expiry=None)) as bridge:

        def settled() -> bool:
            assert bridge.error is None, bridge.error
            counts = bridge.snapshot().counts
            return counts.acked + counts.dead_lettered == sent and len(generators.got) == carried

        @through_brokers(examples)
        @given(record=RECORD)
        def carry(record: Record) -> None:
            nonlocal sent, carried
            producer.produce(bench.topic, record.value, record.key, headers=record.headers)
            assert producer.flush(60) == 0
            sent, carried = sent + 1, carried + possible(record)
            wait_until(settled, f"{record} is dealt with")
            if possible(record):
                got = generators.got[-1]
                assert got.topic == f"{bench.name}/{text(record.key)}/commands"
                assert got.payload == (record.value or b"")
                foreign = [(name, text(value)) for name, value in record.headers if not name.startswith("mqtt.")]
                expected = [each for each in foreign if each[1] is not None and is_mqtt_text(each[0])]
                fits = sum(len(value or "") for _, value in expected) < WIDE
                assert got.properties.UserProperty[:-2] == (expected if fits else [])

        for seen in SEEN:
            carry = example(record=seen)(carry)
        carry()
        counts = bridge.snapshot().counts
    assert counts.reconnects == 0
    assert carried  # and so not everything was a dead letter
    assert len(bench.dead_letters()) == sent - carried
