"""How the tests of checks speak to the brokers, as a learner's cells would. Names are given without the namespace."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.checks import Result, Watch

Unique = Callable[[str], str]
Record = tuple[str | None, Any, Any]
"""Key, value, headers."""


def assert_not_yet(result: Result, reason: str = "", hint: str = "") -> None:
    """The check turned the attempt down, with these words."""
    assert not result.passed
    assert reason in result.reason
    assert hint in result.hint
    assert result.hint


@contextmanager
def connected(
    watch: Watch,
    prepare: Callable[[mqtt.Client], None] = lambda _client: None,
    *,
    client_id: str = "",
    address: Any = None,
    subscribe_to: str = "",
    qos: int = 1,
    **options: Any,
) -> Iterator[mqtt.Client]:
    """A client that is connected, with paho's ``options`` of ``connect``, and subscribed to ``subscribe_to``.

    ``prepare`` sets its callbacks before it connects to ``address``, else to the broker of the lab.
    """
    ready = threading.Event()
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"{watch.here.ns}{client_id or f'test-{uuid.uuid4().hex[:8]}'}",
        protocol=mqtt.MQTTv5,
    )

    def on_connect(client: mqtt.Client, *_: object) -> None:
        if subscribe_to:
            client.subscribe(f"{watch.here.ns}{subscribe_to}", qos)
        else:
            ready.set()

    client.on_connect = on_connect
    client.on_subscribe = lambda *_: ready.set()
    prepare(client)
    address = address or watch.here.mqtt
    client.connect(address.host, address.port, keepalive=30, **options)
    client.loop_start()
    try:
        assert ready.wait(30)
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def publish(watch: Watch, topic: str, payload: bytes | str | None, *, retain: bool = False, beside: Any = None) -> None:
    """Publish with the user properties ``beside``, and wait for the acknowledgement."""
    properties = Properties(PacketTypes.PUBLISH)
    if beside:
        properties.UserProperty = beside
    with connected(watch) as client:
        sent = client.publish(f"{watch.here.ns}{topic}", payload, qos=1, retain=retain, properties=properties)
        sent.wait_for_publish(30)
        assert sent.is_published()


def leave_session(watch: Watch, client_id: str, *, expiry: int = 3600, **how: Any) -> None:
    """Connect as ``client_id``, subscribe as ``how`` says, and disconnect from a session that is kept ``expiry`` s."""
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = expiry
    with connected(watch, client_id=client_id, clean_start=False, properties=properties, **how):
        pass


def create_topic(watch: Watch, topic: str, partitions: int = 1, config: dict[str, str] | None = None) -> None:
    """Create a Kafka topic."""
    name = f"{watch.here.ns}{topic}"
    admin = AdminClient({**watch.here.kafka, "log_level": 0})
    admin.create_topics([NewTopic(name, num_partitions=partitions, config=config or {})])[name].result(30)


def write(watch: Watch, topic: str, records: Iterable[Record], *, partitions: int = 1) -> None:
    """Write records to a Kafka topic, which is created if need be."""
    try:
        create_topic(watch, topic, partitions)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    producer = Producer({**watch.here.kafka, "enable.idempotence": True, "log_level": 3})
    for key, value, headers in records:
        producer.produce(f"{watch.here.ns}{topic}", value, key, headers=headers)
    assert producer.flush(30) == 0


def commit(watch: Watch, group: str, topic: str, offsets: dict[int, int]) -> None:
    """Commit offsets, partition → offset, as a member of a consumer group."""
    consumer = Consumer({**watch.here.kafka, "group.id": f"{watch.here.ns}{group}"})
    places = [TopicPartition(f"{watch.here.ns}{topic}", *each) for each in offsets.items()]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()
