"""Something left in each service, to be looked for after a restart: what volumes are for."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from helpers.lab.services.mqtt import MQTT, client as mqtt_client, connected
from helpers.lab.services.registry import REGISTRY

_WITHIN = 30


def leave(port: Mapping[str, int], word: str) -> None:
    """Leave a retained message, a record, a schema and a point, all under one name."""
    mqtt: Any = MQTT.local(port["mqtt"], "compose")
    client = mqtt_client(mqtt)
    with connected(client, mqtt):
        client.publish(word, b"kept", qos=1, retain=True).wait_for_publish(_WITHIN)

    kafka = kafka_conf(port["kafka"])
    make_topic(kafka, word)
    produce(kafka, word, b"kept")

    schema = '{"type": "object", "properties": {"kept": {"type": "string"}}}'
    _registry(port).register_schema(f"{word}-value", Schema(schema, "JSON"))

    _influxdb(port, "/query", {"q": f'CREATE DATABASE "{word}"'}, b"")
    _influxdb(port, "/write", {"db": word}, b"traces kept=1")


def found(port: Mapping[str, int], word: str) -> set[str]:
    """Return the services in which what was left is there."""
    answers = {
        "mqtt": retained(port["mqtt"], word),
        "kafka": word in AdminClient(kafka_conf(port["kafka"])).list_topics(timeout=_WITHIN).topics
        and first_record(kafka_conf(port["kafka"]), word) == b"kept",
        "registry": f"{word}-value" in _registry(port).get_subjects(),
        "influxdb": b'"kept"' in _influxdb(port, "/query", {"db": word, "q": "SELECT * FROM traces"}, b""),
    }
    return {service for service, answer in answers.items() if answer}


def kafka_conf(*ports: int) -> dict[str, Any]:
    """Return what confluent-kafka takes. Its own log stays quiet about brokers that a test has ended."""
    return {"bootstrap.servers": ",".join(f"127.0.0.1:{port}" for port in ports), "log_level": 0}


def make_topic(conf: dict[str, Any], name: str) -> None:
    """Create a topic of one partition."""
    admin = AdminClient(conf)
    admin.create_topics([NewTopic(name, 1)])[name].result(_WITHIN)


def produce(conf: dict[str, Any], topic: str, value: bytes) -> None:
    """Produce one record with acks=all, and see its delivery report."""
    reports: queue.SimpleQueue[Any] = queue.SimpleQueue()
    producer = Producer({**conf, "acks": "all", "message.timeout.ms": _WITHIN * 1000})
    producer.produce(topic, value, on_delivery=lambda error, _: reports.put(error))
    producer.flush(_WITHIN)
    error = reports.get(timeout=1)
    assert error is None, error


def delete_topic(conf: dict[str, Any], name: str) -> None:
    """Delete a topic."""
    admin = AdminClient(conf)
    admin.delete_topics([name])[name].result(_WITHIN)


def first_record(conf: dict[str, Any], topic: str, within: float = _WITHIN) -> bytes | None:
    """Return the value at the beginning of partition 0, if one is there in that many seconds."""
    consumer = Consumer({**conf, "group.id": topic, "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(within)
        return None if message is None or message.error() else message.value()
    finally:
        consumer.close()


def retained(port: int, topic: str) -> bytes | None:
    """Return a topic's retained message. There is none if a publication after the subscription comes first."""
    mqtt: Any = MQTT.local(port, "compose")
    arrived: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    client = mqtt_client(mqtt)
    client.on_connect = lambda client, *_: client.subscribe([(topic, 1), (f"{topic}/end", 1)])
    client.on_subscribe = lambda client, *_: client.publish(f"{topic}/end", b"end", qos=1)
    client.on_message = lambda _client, _data, message: arrived.put((message.topic, bytes(message.payload)))
    with connected(client, mqtt):
        name, payload = arrived.get(timeout=_WITHIN)
    return payload if name == topic else None


def _registry(port: Mapping[str, int]) -> SchemaRegistryClient:
    registry: Any = REGISTRY.local(port["registry"], "compose")
    return SchemaRegistryClient(dict(registry.conf))


def _influxdb(port: Mapping[str, int], path: str, parameters: Mapping[str, str], body: bytes) -> bytes:
    url = f"http://127.0.0.1:{port['influxdb']}{path}?{urlencode(parameters)}"
    with urlopen(url, data=body, timeout=_WITHIN) as answer:
        return bytes(answer.read())
