"""What happened on the brokers since a lesson's first cell: MQTT messages recorded, Kafka offsets noted."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import paho.mqtt.client as mqtt
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from helpers.errors import LessonError

_SUBSCRIBED_WITHIN = 10.0
_METADATA_TIMEOUT = 10.0


class MqttAddress(Protocol):
    """The part of a lab's MQTT endpoint that a recorder needs."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: dict[str, Any] | None


class Here(Protocol):
    """The part of ``lab.connect()``'s answer that checks need."""

    ns: str
    mqtt: MqttAddress
    kafka: dict[str, Any]
    registry: dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One MQTT message as the recorder received it; ``at`` in seconds of ``time.monotonic()``."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    user_properties: tuple[tuple[str, str], ...]
    at: float


def begin(client: mqtt.Client, address: MqttAddress, **options: Any) -> None:  # noqa: ANN401 - paho's
    """Connect with paho's ``connect`` options, and run the network loop. Raises ``LessonError`` if nobody answers."""
    if address.username:
        client.username_pw_set(address.username, address.password)
    if address.tls is not None:
        client.tls_set(**address.tls)
    try:
        client.connect(address.host, address.port, **options)
    except OSError as error:
        raise LessonError(
            f"This lesson's checks could not reach the MQTT broker at {address.host}:{address.port}: {error}.",
            remedy="`lab status` in a terminal tells whether it runs, and `lab up` starts it again.",
        ) from error
    client.loop_start()


class Watch:
    """Records what one lesson does, so that its checks look at the brokers and not at the learner's variables.

    Begin it in the lesson's first cell: ``watch = Watch(here, mqtt_filters=["generators/#"])``. Filters are given
    without the namespace. Kafka offsets count from the moment the watch began: see :meth:`kafka_records`.
    """

    def __init__(self, here: Here, *, mqtt_filters: list[str] | None = None) -> None:
        self.here = here
        self._filters = [f"{here.ns}{each}" for each in mqtt_filters or []]
        self._messages: list[Seen] = []
        self._lock = threading.Lock()
        self._granted = threading.Event()
        self._refusal: str = ""
        self._start_offsets: dict[tuple[str, int], int] = {}
        self._client: mqtt.Client | None = None
        if self._filters:
            self._client = self._record()
        try:
            self._note_offsets()
        except BaseException:
            self.close()
            raise

    def messages(self, topic_filter: str = "#", *, since: float = 0.0) -> list[Seen]:
        """The MQTT messages recorded so far whose topic, without the namespace, matches ``topic_filter``."""
        wanted = f"{self.here.ns}{topic_filter}"
        with self._lock:
            seen = list(self._messages)
        return [each for each in seen if each.at >= since and mqtt.topic_matches_sub(wanted, each.topic)]

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

    def kafka_records(self, topic: str, *, limit: int = 100_000, seconds: float = 10.0) -> list[Any]:
        """The ``confluent_kafka.Message`` objects written to ``topic`` (without namespace) since the watch began.

        A topic that does not exist has no records. In order of partition and offset.

        Raises ``LessonError`` when Kafka does not answer.
        """
        return self._read(f"{self.here.ns}{topic}", limit=limit, seconds=seconds)

    def close(self) -> None:
        """Stop recording."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def _record(self) -> mqtt.Client:
        address = self.here.mqtt
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{self.here.ns}watch-{uuid.uuid4().hex[:8]}",
            protocol=mqtt.MQTTv5,
        )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        begin(client, address, keepalive=30, clean_start=True)
        if not self._granted.wait(_SUBSCRIBED_WITHIN) or self._refusal:
            client.loop_stop()
            raise LessonError(
                f"The recorder for this lesson's checks could not subscribe: {self._refusal or 'no answer'}.",
                remedy="Run `lab doctor` in a terminal, then run this cell again.",
            )
        return client

    def _on_connect(self, client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, _p: object) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            self._granted.set()
            return
        client.subscribe([(each, SubscribeOptions(qos=1, retainHandling=2)) for each in self._filters])

    def _on_subscribe(self, _c: mqtt.Client, _data: object, _mid: int, codes: list[ReasonCode], _p: object) -> None:
        failures = [str(code) for code in codes if code.is_failure]
        self._refusal = ", ".join(failures)
        self._granted.set()

    def _on_message(self, _c: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        properties = getattr(message.properties, "UserProperty", [])
        seen = Seen(
            topic=message.topic,
            payload=bytes(message.payload),
            qos=message.qos,
            retain=message.retain,
            user_properties=tuple(properties),
            at=time.monotonic(),
        )
        with self._lock:
            self._messages.append(seen)

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = Consumer(
            {
                **self.here.kafka,
                "group.id": f"{self.here.ns}watch-{uuid.uuid4().hex[:8]}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        try:
            yield consumer
        except KafkaException as error:
            raise LessonError(
                f"This lesson's checks could not look into Kafka: {error.args[0].str()}.",
                remedy="`lab status` in a terminal tells whether it runs, and `lab up` starts it again.",
            ) from error
        finally:
            consumer.close()

    def _note_offsets(self) -> None:
        with self._consumer() as consumer:
            for name, topic in consumer.list_topics(timeout=_METADATA_TIMEOUT).topics.items():
                if name.startswith("__") or not name.startswith(self.here.ns):
                    continue
                for partition in topic.partitions:
                    _low, high = consumer.get_watermark_offsets(
                        TopicPartition(name, partition), timeout=_METADATA_TIMEOUT
                    )
                    self._start_offsets[name, partition] = high

    def _read(self, name: str, *, limit: int, seconds: float) -> list[Any]:
        with self._consumer() as consumer:
            known = consumer.list_topics(timeout=_METADATA_TIMEOUT).topics
            if name not in known or known[name].error is not None:
                return []
            partitions = sorted(known[name].partitions)
            consumer.assign([TopicPartition(name, p, self._start_offsets.get((name, p), 0)) for p in partitions])
            records: list[Any] = []
            ended: set[int | None] = set()
            deadline = time.monotonic() + seconds
            while len(ended) < len(partitions) and len(records) < limit and time.monotonic() < deadline:
                message = consumer.poll(0.2)
                if message is None:
                    continue
                error = message.error()
                if error is None:
                    records.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    raise KafkaException(error)
            return sorted(records, key=lambda each: (each.partition(), each.offset()))
