"""Deleting what lessons made: topics, groups, subjects, retained messages, sessions; in one namespace only."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as mqtt
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.errors import LabError
from helpers.lab.clients import mqtt_client, running
from helpers.lab.endpoints import Masked, MqttEndpoint
from helpers.lab.lessons import LESSONS, Lesson

_TIMEOUT = 15.0
# Retained messages follow the SUBACK without an end mark: when none came for this long, that was all.
_QUIET = 0.3

Owned = Callable[[str], bool]


def owner(ns: str, lesson: Lesson | None, *, alone: bool) -> Owned:
    """Return the test that a name may be deleted.

    One lesson's names; or all lessons' names; or, where nobody else uses the brokers (``alone``), every name that is
    not the broker's own.
    """
    if lesson is not None:
        return lambda name: lesson.owned(name, ns)
    if alone and not ns:
        return lambda name: not name.startswith(("_", "$"))
    return lambda name: any(each.owned(name, ns) for each in LESSONS.values())


def kafka(conf: Masked, owned: Owned) -> Counter[str]:
    """Delete topics and consumer groups (with their offsets). Return how many of each.

    Raises:
        LabError: Kafka refused; a group whose members still run is the usual reason.
    """
    admin = AdminClient({**conf, "log_level": 0})
    listed = admin.list_consumer_groups(request_timeout=_TIMEOUT).result(_TIMEOUT)
    groups = [each.group_id for each in listed.valid if owned(each.group_id)]
    topics = [name for name in admin.list_topics(timeout=_TIMEOUT).topics if owned(name)]
    if groups:
        _settle(admin.delete_consumer_groups(groups, request_timeout=_TIMEOUT), KafkaError.GROUP_ID_NOT_FOUND)
    if topics:
        _settle(admin.delete_topics(topics, operation_timeout=_TIMEOUT), KafkaError.UNKNOWN_TOPIC_OR_PART)
        deadline = time.monotonic() + _TIMEOUT
        while set(topics) & set(admin.list_topics(timeout=_TIMEOUT).topics) and time.monotonic() < deadline:
            time.sleep(0.05)
    return Counter(topics=len(topics), groups=len(groups))


def _settle(futures: dict[str, Any], gone: int) -> None:
    for name, future in futures.items():
        try:
            future.result(_TIMEOUT)
        except KafkaException as error:
            reason = error.args[0]
            if reason.code() == KafkaError.NON_EMPTY_GROUP:
                raise LabError(
                    f"The consumer group {name} still has members.",
                    service="kafka",
                    remedy="Close its consumers: restart the kernel of the notebook that runs them, then reset again.",
                ) from error
            if reason.code() != gone:
                raise LabError(f"Kafka did not delete {name}: {reason.str()}.", service="kafka") from error


def registry(conf: Masked, owned: Owned) -> Counter[str]:
    """Delete subjects with all their versions. Return how many."""
    client = SchemaRegistryClient(dict(conf))
    subjects = [name for name in client.get_subjects() if owned(name)]
    for subject in subjects:
        client.delete_subject(subject)
        client.delete_subject(subject, permanent=True)
    return Counter(subjects=len(subjects))


def retained(endpoint: MqttEndpoint, filters: Sequence[str], owned: Owned) -> Counter[str]:
    """Clear retained messages under the topic filters. Return how many."""
    found: set[str] = set()
    last = [time.monotonic()]
    granted = threading.Event()

    def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        last[0] = time.monotonic()
        if message.retain and message.payload and owned(message.topic):
            found.add(message.topic)

    def on_connect(client: mqtt.Client, *_: object) -> None:
        client.subscribe([(each, 0) for each in filters])

    def on_subscribe(*_: object) -> None:
        last[0] = time.monotonic()
        granted.set()

    client = mqtt_client(endpoint, f"reset-{uuid.uuid4().hex[:8]}")
    client.on_message = on_message
    client.on_subscribe = on_subscribe
    client.on_connect = on_connect
    with running(client, endpoint):
        if not granted.wait(_TIMEOUT):
            raise LabError("The MQTT broker did not grant the reset's subscription.", service="mqtt")
        while time.monotonic() - last[0] < _QUIET:
            time.sleep(0.02)
        sent = [client.publish(topic, b"", qos=1, retain=True) for topic in found]
        for each in sent:
            each.wait_for_publish(_TIMEOUT)
    return Counter(retained=len(found))


def sessions(endpoint: MqttEndpoint, client_ids: Sequence[str]) -> Counter[str]:
    """End MQTT sessions: connect once under each client id with clean start and no expiry. Return how many existed."""
    ended = 0
    for client_id in client_ids:
        connected = threading.Event()
        present = []

        def on_connect(_c: mqtt.Client, _d: object, flags: mqtt.ConnectFlags, *_: object) -> None:
            present.append(flags.session_present)  # noqa: B023  called within this turn of the loop
            connected.set()  # noqa: B023

        # The first connection asks whether there is a session; the second leaves none.
        for clean in (False, True):
            connected.clear()
            client = mqtt_client(endpoint, client_id)
            client.on_connect = on_connect
            once = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            once.SessionExpiryInterval = 0
            client.connect(endpoint.host, endpoint.port, clean_start=clean, properties=once)
            client.loop_start()
            connected.wait(_TIMEOUT)
            client.disconnect()
            client.loop_stop()
        ended += bool(present and present[0])
    return Counter(sessions=ended)
