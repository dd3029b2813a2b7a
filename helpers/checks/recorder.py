"""What happened on the brokers since a lesson's first cell: MQTT messages recorded, Kafka offsets noted."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from helpers.checks import brokers
from helpers.checks.brokers import MqttClient, Services


@dataclass(frozen=True)
class Seen:
    """One MQTT message as the recorder received it: ``topic`` without the namespace, ``at`` in ``time.monotonic()``."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    user_properties: tuple[tuple[str, str], ...]
    at: float


class Recorder:
    """Records what one lesson does, so that its checks look at the brokers and not at the learner's variables.

    A lesson's first cell starts it: ``watch = Watch(here, mqtt_filters=["generators/#"])``. Topics and filters are
    given without the namespace.

    Raises:
        LessonError: A broker is away; so do all methods that look at one.
    """

    def __init__(self, here: Services, *, mqtt_filters: list[str] | None = None) -> None:
        self.here = here
        self._messages: list[Seen] = []
        self._lock = threading.Lock()
        self._start_offsets: dict[tuple[str, int], int] = {}
        self._client: MqttClient | None = None
        with ExitStack() as stack:
            if mqtt_filters:
                client = MqttClient(here, f"recorder-{uuid.uuid4().hex[:8]}", on_message=self._record)
                self._client = stack.enter_context(client)
                client.subscribe(*mqtt_filters, retained=False)
            self._note_offsets()
            self._connection = stack.pop_all()

    def begin(self, *topics: str) -> None:
        """Begin anew on these Kafka topics and under these MQTT filters: what happened until now no longer counts."""
        for each in topics:
            self.forget(each)
        self._note_offsets([f"{self.here.ns}{each}" for each in topics])

    def messages(self, topic_filter: str = "#", *, since: float = 0.0) -> list[Seen]:
        """The MQTT messages recorded so far whose topic, without the namespace, matches ``topic_filter``."""
        if self._client is not None:
            self._client.require_connection()
        with self._lock:
            return [each for each in self._messages if each.at >= since and _matches(each, topic_filter)]

    def forget(self, topic_filter: str, *, retained: bool = False) -> None:
        """Drop the messages recorded under ``topic_filter``, as an exercise does first: only its latest try counts.

        With ``retained`` the filter is a topic, and the broker too drops what it keeps there.
        """
        if retained:
            with MqttClient(self.here) as client:
                client.publish(topic_filter, b"", retain=True)
            self.settle(quiet=0.6)  # lesson 03 tells by the time which packets on a line belong to this try
        with self._lock:
            self._messages = [each for each in self._messages if not _matches(each, topic_filter)]

    def wait_for(self, condition: Callable[[], bool], *, seconds: float = 3.0) -> bool:
        """Wait until ``condition()`` holds, at most ``seconds``; messages may still be on their way to the recorder."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def settle(self, *, quiet: float = 0.3, seconds: float = 3.0) -> None:
        """Wait until nothing has come for ``quiet`` seconds, at most ``seconds``: a newer answer may be on its way."""
        deadline = time.monotonic() + seconds
        seen, since = len(self._messages), time.monotonic()
        while time.monotonic() < min(since + quiet, deadline):
            time.sleep(0.05)
            if len(self._messages) != seen:
                seen, since = len(self._messages), time.monotonic()

    def kafka_records(self, topic: str) -> list[Any]:
        """The ``confluent_kafka.Message`` objects written to ``topic`` since the recorder started.

        In order of partition and offset. A topic that does not exist has no records.
        """
        name = f"{self.here.ns}{topic}"
        with brokers.consumer(self.here) as consumer:
            found = consumer.list_topics(name, timeout=brokers.TIMEOUT).topics[name]
            unread = set(found.partitions)
            consumer.assign([TopicPartition(name, p, self._start_offsets.get((name, p), 0)) for p in unread])
            records: list[Any] = []
            deadline = time.monotonic() + brokers.TIMEOUT
            while unread:
                if time.monotonic() > deadline:
                    raise TimeoutError
                if (message := consumer.poll(0.2)) is None:
                    continue
                error = message.error()
                if error is None:
                    records.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition() or 0)
                else:
                    raise KafkaException(error)
        return sorted(records, key=lambda each: (each.partition(), each.offset()))

    def close(self) -> None:
        """Stop recording. What was recorded stays."""
        self._client = None
        self._connection.close()

    def _record(self, message: mqtt.MQTTMessage) -> None:
        seen = Seen(
            topic=message.topic.removeprefix(self.here.ns),
            payload=bytes(message.payload),
            qos=message.qos,
            retain=message.retain,
            user_properties=tuple(getattr(message.properties, "UserProperty", [])),
            at=time.monotonic(),
        )
        with self._lock:
            self._messages.append(seen)

    def _note_offsets(self, only: list[str] | None = None) -> None:
        with brokers.consumer(self.here) as consumer:
            for name, topic in consumer.list_topics(timeout=brokers.TIMEOUT).topics.items():
                if name.startswith("__") or not name.startswith(self.here.ns) or name not in (only or [name]):
                    continue
                for place in (TopicPartition(name, each) for each in topic.partitions):
                    _low, high = consumer.get_watermark_offsets(place, timeout=brokers.TIMEOUT)
                    self._start_offsets[name, place.partition] = high


def _matches(seen: Seen, topic_filter: str) -> bool:
    return mqtt.topic_matches_sub(topic_filter, seen.topic)
