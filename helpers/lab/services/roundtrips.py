"""One message through each service and back: what `lab doctor` and the preflight try."""

from __future__ import annotations

import queue
import time

import paho.mqtt.client as mqtt
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from helpers.errors import LabError
from helpers.lab.services import clients
from helpers.lab.services.endpoints import Masked, MqttEndpoint

_TIMEOUT = 15.0


def mqtt_message(endpoint: MqttEndpoint, name: str) -> str:
    """Publish one message at QoS 1 and receive it. Return what was seen."""
    arrived: queue.Queue[bytes | bytearray] = queue.Queue()
    began = time.monotonic()

    def on_connect(client: mqtt.Client, *_: object) -> None:
        client.subscribe(f"{name}/#", qos=1)

    def on_subscribe(client: mqtt.Client, *_: object) -> None:
        client.publish(f"{name}/ping", b"hello", qos=1)

    client = clients.mqtt_client(endpoint, name)
    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = lambda _c, _d, message: arrived.put(message.payload)
    with clients.running(client, endpoint):
        try:
            payload = arrived.get(timeout=_TIMEOUT)
        except queue.Empty:
            raise LabError("A message published to the MQTT broker did not come back.", service="mqtt") from None
    if payload != b"hello":
        raise LabError(f"The MQTT broker answered {payload!r} for b'hello'.", service="mqtt")
    return f"published and received in {_ms(began)}"


def kafka_record(conf: Masked, name: str) -> str:
    """Create a topic, produce a record, consume it, delete the topic. Return what was seen."""
    began = time.monotonic()
    admin = AdminClient({**conf, "log_level": 0})
    admin.create_topics([NewTopic(name, num_partitions=1)])[name].result(_TIMEOUT)
    try:
        failures: list[str] = []
        producer = Producer(dict(conf))
        producer.produce(name, b"hello", on_delivery=lambda error, _: failures.append(str(error)) if error else None)
        if producer.flush(_TIMEOUT) or failures:
            raise LabError(f"Kafka took no record: {', '.join(failures) or 'no delivery report'}.", service="kafka")
        consumer = Consumer({**conf, "group.id": name, "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition(name, 0, 0)])
            message = consumer.poll(_TIMEOUT)
        finally:
            consumer.close()
        if message is None:
            raise LabError("A record produced to Kafka could not be consumed.", service="kafka")
        if message.error() is not None:
            raise KafkaException(message.error())
    finally:
        admin.delete_topics([name])[name].exception(_TIMEOUT)
    return f"produced and consumed in {_ms(began)}"


def schema(conf: Masked, name: str) -> str:
    """Register a schema, read it back by its id, delete it. Return what was seen."""
    began = time.monotonic()
    client = SchemaRegistryClient(dict(conf))
    subject = f"{name}-value"
    text = '{"title": "Hello", "type": "object", "properties": {"hello": {"type": "string"}}}'
    number = client.register_schema(subject, Schema(text, "JSON"))
    try:
        back = client.get_schema(number).schema_str
    finally:
        client.delete_subject(subject)
        client.delete_subject(subject, permanent=True)
    if back is None or "Hello" not in back:
        raise LabError(f"The registry gave back {back!r}.", service="registry")
    return f"registered and read back in {_ms(began)}"


def _ms(began: float) -> str:
    return f"{(time.monotonic() - began) * 1000:.0f} ms"
