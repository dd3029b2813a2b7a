"""What is on the brokers by name: to see what a lesson left there, and what a reset took away."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import paho.mqtt.client as mqtt
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient
from paho.mqtt.enums import CallbackAPIVersion

_TIMEOUT = 20
# Retained messages arrive at once after the subscription is granted; this long without one means there are no more.
_QUIET_SECONDS = 0.5


def names(here: Any) -> set[tuple[str, str]]:
    """All Kafka topics, groups, schema subjects and retained MQTT messages, as pairs of kind and name."""
    admin = AdminClient(dict(here.kafka))
    topics = [name for name in admin.list_topics(timeout=_TIMEOUT).topics if not name.startswith("__")]
    groups = [each.group_id for each in admin.list_consumer_groups(request_timeout=_TIMEOUT).result().valid]
    subjects = SchemaRegistryClient(dict(here.registry)).get_subjects()
    found = {"topic": topics, "group": groups, "subject": subjects, "retained": retained(here) if here.mqtt else []}
    return {(kind, name) for kind, each in found.items() for name in each}


def retained(here: Any) -> list[str]:
    """Topics that hold a retained message, the broker's own ``$SYS`` aside."""
    topics: list[str] = []
    granted = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"names-{uuid.uuid4().hex[:8]}", protocol=mqtt.MQTTv5)
    client.on_connect = lambda *_: client.subscribe("#", qos=1)
    client.on_subscribe = lambda *_: granted.set()
    client.on_message = lambda _client, _userdata, message: topics.append(message.topic)
    client.connect(here.mqtt.host, here.mqtt.port)
    client.loop_start()
    try:
        assert granted.wait(_TIMEOUT), "the broker granted no subscription"
        before = -1
        while before != len(topics):
            before = len(topics)
            time.sleep(_QUIET_SECONDS)
    finally:
        client.disconnect()
        client.loop_stop()
    return topics
