"""Deleting what lessons made: topics, groups, subjects, retained messages, sessions; in one namespace only."""

from __future__ import annotations

import contextlib
import json
import queue
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import paho.mqtt.client as mqtt
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.errors import LabError
from helpers.lab.services.clients import http, mqtt_client, running
from helpers.lab.services.endpoints import InfluxEndpoint, Masked, MqttEndpoint
from helpers.lessons import LESSONS, Lesson

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
    try:
        listed = admin.list_consumer_groups(request_timeout=_TIMEOUT).result(2 * _TIMEOUT)
        topics = [name for name in admin.list_topics(timeout=_TIMEOUT).topics if owned(name)]
    except KafkaException as error:
        raise LabError(f"Kafka did not say what it holds: {error.args[0].str()}.", service="kafka") from error
    groups = [each.group_id for each in listed.valid if owned(each.group_id)]
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
    """Delete subjects with all their versions. Return how many.

    Raises:
        LabError: The registry refused.
    """
    client = SchemaRegistryClient(dict(conf))
    try:
        subjects = [name for name in client.get_subjects() if owned(name)]
        for subject in subjects:
            client.delete_subject(subject)
            client.delete_subject(subject, permanent=True)
    except SchemaRegistryError as error:
        raise LabError(f"The schema registry did not delete a subject: {error}.", service="registry") from error
    return Counter(subjects=len(subjects))


def influxdb(endpoint: InfluxEndpoint, owned: Owned) -> Counter[str]:
    """Drop measurements with all their points. Return how many.

    Raises:
        LabError: InfluxDB did not drop one.
    """

    def ask(path: str, parameters: Mapping[str, str], method: str = "GET") -> list[str]:
        url = f"{endpoint.url}{path}?{urlencode({'db': endpoint.database, **parameters})}"
        text = http(url, endpoint.conf, method=method, timeout=_TIMEOUT) or b"{}"
        (result,) = json.loads(text).get("results") or [{}]
        if "error" in result:  # with status 200
            raise OSError(result["error"])
        # In a row of SHOW MEASUREMENTS the name is the last value: InfluxDB 3 puts the database before it.
        return [row[-1] for series in result.get("series", []) for row in series["values"]]

    try:
        names = [name for name in ask("/query", {"q": "SHOW MEASUREMENTS"}) if owned(name)]
    except (OSError, ValueError):  # no such database, or a token that may not look: lessons made nothing here
        return Counter()
    for name in names:
        try:
            ask("/query", {"q": f'DROP MEASUREMENT "{name}"'}, "POST")
        except OSError:  # InfluxDB 3 deletes no other way
            try:
                ask("/api/v3/configure/table", {"table": name}, "DELETE")
            except OSError as error:
                raise LabError(f"InfluxDB did not drop {name}: {error}.", service="influxdb") from error
    return Counter(measurements=len(names))


def retained(endpoint: MqttEndpoint, filters: Sequence[str], owned: Owned) -> Counter[str]:
    """Clear retained messages under the topic filters. Return how many.

    Raises:
        LabError: The broker did not let us look, or did not acknowledge.
    """
    found: set[str] = set()
    # What arrived last: None before the subscription is granted, else the time.
    last: list[float] = []

    def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        last.append(time.monotonic())
        if message.retain and message.payload and owned(message.topic):
            found.add(message.topic)

    def on_connect(client: mqtt.Client, *_: object) -> None:
        client.subscribe([(each, 0) for each in filters])

    client = mqtt_client(endpoint)
    client.on_message = on_message
    client.on_connect = on_connect
    client.on_subscribe = lambda *_: last.append(time.monotonic())
    with running(client, endpoint):
        deadline = time.monotonic() + _TIMEOUT
        while not last or time.monotonic() - last[-1] < _QUIET:
            if not last and time.monotonic() > deadline:
                raise LabError("The MQTT broker did not grant the reset's subscription.", service="mqtt")
            time.sleep(0.02)
        for sent in [client.publish(topic, b"", qos=1, retain=True) for topic in found]:
            sent.wait_for_publish(_TIMEOUT)
            if not sent.is_published():
                raise LabError("The MQTT broker did not acknowledge that a retained message is gone.", service="mqtt")
    return Counter({"retained messages": len(found)})


def sessions(endpoint: MqttEndpoint, client_ids: Sequence[str]) -> Counter[str]:
    """End MQTT sessions: connect under each client id, saying that the session ends with this connection.

    Return how many there were.
    """
    ended = 0
    for client_id in client_ids:
        answers: queue.Queue[bool] = queue.Queue()
        client = mqtt_client(endpoint, client_id)
        client.on_connect = lambda _c, _d, flags, *_, answers=answers: answers.put(flags.session_present)
        at_once = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        at_once.SessionExpiryInterval = 0
        with running(client, endpoint, clean_start=False, properties=at_once), contextlib.suppress(queue.Empty):
            ended += answers.get(timeout=_TIMEOUT)
    return Counter(sessions=ended)
