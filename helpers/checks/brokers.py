"""One way to look at each broker, for all checks. What goes wrong there becomes a ``LessonError`` that says what to do.

Topics, groups and client ids are given without the namespace, unless a docstring says otherwise.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from typing import Any, Protocol, Self

import paho.mqtt.client as mqtt
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError

# httpx, or its successor httpx2 since confluent-kafka 2.16: the one whose errors its client raises.
from confluent_kafka.schema_registry._sync.schema_registry_client import httpx  # type: ignore[attr-defined]
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from helpers.checks.ports import try_ports
from helpers.errors import LessonError

TIMEOUT = 10.0  # seconds; a broker that is away is reported within 15
_RETAINED_WITHIN, _RECONNECTED_WITHIN = 1.0, 3.0
_NO_ANSWER = {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN}


class Services(Protocol):
    """The part of ``lab.connect()``'s answer that checks use."""

    ns: str
    mqtt: Any
    kafka: dict[str, Any]
    registry: dict[str, Any]
    influxdb: Any


class QueryError(LessonError):
    """InfluxDB answered a query with an error; ``cause`` is its own text."""


def _unusable(service: str, address: object, reason: object) -> LessonError:
    """Make the error that a check raises when a broker does not serve it."""
    return LessonError(
        f"This lesson's checks could not use {service} at {address}: {reason}.",
        remedy="`lab status` in a terminal shows whether it is running; `lab up` starts it. "
        "A broker that the lesson itself started, its first cell starts again. Then run this cell again.",
    )


class MqttClient:
    """A check's own MQTT 5 client, connected while its ``with`` block runs. What it receives waits in ``inbox``.

    It restores a lost connection and its subscription. All methods raise ``LessonError`` if the broker does not answer.
    """

    def __init__(
        self,
        here: Services,
        client_id: str = "",
        *,
        keep_session: bool = False,
        manual_ack: bool = False,
        on_message: Callable[[mqtt.MQTTMessage], None] | None = None,
    ) -> None:
        self.inbox: Queue[mqtt.MQTTMessage] = Queue()
        self.session_present = False
        self._here = here
        self._keep_session = keep_session
        self._subscriptions: list[tuple[str, SubscribeOptions]] = []
        self._answers: Queue[list[ReasonCode]] = Queue()
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{here.ns}{client_id or f'check-{uuid.uuid4().hex[:8]}'}",
            protocol=mqtt.MQTTv5,
            manual_ack=manual_ack,
        )
        client.on_connect = self._on_connect
        client.on_subscribe = lambda _client, _data, _mid, codes, _properties: self._answers.put(codes)
        client.on_message = lambda _client, _data, message: (on_message or self.inbox.put)(message)
        client.reconnect_delay_set(max_delay=2)
        if here.mqtt.username:
            client.username_pw_set(here.mqtt.username, here.mqtt.password)
        if here.mqtt.tls is not None:
            client.tls_set(**here.mqtt.tls)

    def __enter__(self) -> Self:
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = 3600 if self._keep_session else 0
        session.ReceiveMaximum = 65_535  # without it, Mosquitto sends 20 and waits for their acknowledgements
        options: dict[str, Any] = {"keepalive": 30, "clean_start": not self._keep_session, "properties": session}
        try:
            self._client.connect(self._here.mqtt.host, self._here.mqtt.port, **options)
        except OSError as error:
            raise self._unusable(error.strerror or error) from error
        self._client.loop_start()
        try:
            self._await_answer()
        except LessonError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, *topic_filters: str, retained: bool = True) -> None:
        """Subscribe at QoS 1, with or without the messages that the broker retains."""
        options = SubscribeOptions(qos=1, retainHandling=0 if retained else 2)
        self._subscriptions = [(f"{self._here.ns}{each}", options) for each in topic_filters]
        self._client.subscribe(self._subscriptions)
        self._await_answer()

    def publish(self, topic: str, payload: bytes, properties: Properties | None = None, **more: bool) -> None:
        """Publish at QoS 1, with ``more`` of paho's arguments, and wait for the acknowledgement."""
        sent = self._client.publish(f"{self._here.ns}{topic}", payload, qos=1, properties=properties, **more)
        with suppress(RuntimeError):  # paho's word for a lost connection
            sent.wait_for_publish(TIMEOUT)
            if sent.is_published():
                return
        raise self._unusable(f"a message to {topic} was not acknowledged")

    def next(self, *, within: float) -> mqtt.MQTTMessage | None:
        """The next message received, or None if none comes ``within`` seconds."""
        with suppress(Empty):
            return self.inbox.get(timeout=within)
        return None

    def require_connection(self) -> None:
        """Raise ``LessonError`` unless connected; a connection lost just now has a moment to come back."""
        deadline = time.monotonic() + _RECONNECTED_WITHIN
        while not self._client.is_connected():
            if time.monotonic() > deadline:
                raise self._unusable("the connection was lost")
            time.sleep(0.05)

    def _on_connect(self, client: mqtt.Client, _data: object, flags: Any, reason: ReasonCode, _: object) -> None:  # noqa: ANN401
        self.session_present = flags.session_present
        self._answers.put([reason])
        if self._subscriptions:
            client.subscribe(self._subscriptions)

    def _await_answer(self) -> None:
        try:
            codes = self._answers.get(timeout=TIMEOUT)
        except Empty:
            raise self._unusable(f"no answer within {TIMEOUT:.0f} s") from None
        if refused := [str(code) for code in codes if code.is_failure]:
            raise self._unusable(f"it refused: {', '.join(refused)}")

    def _unusable(self, reason: object) -> LessonError:
        return _unusable("the MQTT broker", f"{self._here.mqtt.host}:{self._here.mqtt.port}", reason)


def retained(here: Services, topic_filter: str) -> dict[str, bytes]:
    """Topic → payload of the retained messages that a client gets which subscribes now."""
    found: dict[str, bytes] = {}
    with MqttClient(here) as client:
        client.subscribe(topic_filter)
        deadline = time.monotonic() + _RETAINED_WITHIN  # they follow the SUBACK, and nothing marks the last one
        while topic_filter not in found and (left := deadline - time.monotonic()) > 0:
            if (message := client.next(within=left)) and message.retain:
                found[message.topic.removeprefix(here.ns)] = bytes(message.payload)
    return found


@contextmanager
def _kafka(here: Services) -> Iterator[dict[str, Any]]:
    """Give the configuration of a client that logs nothing; turn the errors of Kafka's clients into one."""
    try:
        try_ports(here.kafka["bootstrap.servers"], TIMEOUT)
        yield {**here.kafka, "log_level": 0}
    except (KafkaException, OSError) as error:
        reason = getattr(error, "strerror", None) or f"no answer within {TIMEOUT:.0f} s"
        if isinstance(error, KafkaException) and error.args[0].code() not in _NO_ANSWER:
            reason = error.args[0].str().rstrip(".")
        raise _unusable("Kafka", here.kafka["bootstrap.servers"], reason) from error


@contextmanager
def consumer(here: Services) -> Iterator[Consumer]:
    """A consumer of its own group, which commits nothing and reports the end of each partition."""
    with _kafka(here) as conf:
        group = {"group.id": f"{here.ns}check-{uuid.uuid4().hex[:8]}", "enable.auto.commit": False}
        # At the end of a partition the broker delays its answer, by default for 500 ms, in case records arrive.
        with Consumer(conf | group | {"enable.partition.eof": True, "fetch.wait.max.ms": 20}) as made:
            yield made


def produce(here: Services, records: list[dict[str, Any]]) -> None:
    """Write records, each as the arguments of ``Producer.produce`` with its topic in full, and wait for the reports."""
    errors: list[KafkaError] = []
    with _kafka(here) as conf:
        producer = Producer(conf | {"enable.idempotence": True})
        for record in records:
            producer.produce(**record, on_delivery=lambda error, _: errors.append(error) if error else None)
        if producer.flush(TIMEOUT):
            raise TimeoutError
        if errors:
            raise KafkaException(errors[0])


def topics(here: Services) -> dict[str, int]:
    """Topic → number of its partitions, for all topics in the namespace."""
    with _kafka(here) as conf:
        listed = AdminClient(conf).list_topics(timeout=TIMEOUT).topics
    mine = {name.removeprefix(here.ns): topic for name, topic in listed.items() if name.startswith(here.ns)}
    return {name: len(topic.partitions) for name, topic in mine.items() if topic.error is None}


def topic_settings(here: Services, topic: str) -> dict[str, str]:
    """The settings of a topic, defaults included."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, f"{here.ns}{topic}")
    with _kafka(here) as conf:
        admin = AdminClient(conf)  # named, so that it outlives the answer
        answer = admin.describe_configs([resource], request_timeout=TIMEOUT)
        return {name: entry.value for name, entry in answer[resource].result(TIMEOUT).items()}


def committed(here: Services, group: str) -> dict[tuple[str, int], int]:
    """(Topic in full, partition) → the offset that the group committed; empty if it committed nothing.

    A consumer asks that does not join: librdkafka's admin client crashes if the group's coordinator dies meanwhile.
    """
    with _kafka(here) as conf, Consumer(conf | {"group.id": f"{here.ns}{group}"}) as asking:
        listed = asking.list_topics(timeout=TIMEOUT).topics
        everything = [TopicPartition(name, each) for name, topic in listed.items() for each in topic.partitions]
        places = asking.committed(everything, timeout=TIMEOUT)
    return {(each.topic, each.partition): each.offset for each in places if each.offset >= 0}


def lag(here: Services, group: str, topic: str) -> int:
    """How many of the topic's records the group has yet to read. Those that retention deleted do not count."""
    name, read = f"{here.ns}{topic}", committed(here, group)
    with consumer(here) as looking:
        partitions = looking.list_topics(name, timeout=TIMEOUT).topics[name].partitions
        ends = {p: looking.get_watermark_offsets(TopicPartition(name, p), timeout=TIMEOUT) for p in partitions}
    return sum(high - max(low, read.get((name, partition), low)) for partition, (low, high) in ends.items())


def header(record: Any, name: str) -> str:  # noqa: ANN401 - confluent_kafka.Message has no public constructor
    """The value of a record's header as text, empty if it has none of that name."""
    return (dict(record.headers() or []).get(name) or b"").decode(errors="replace")


def json_object(payload: bytes | None) -> dict[str, Any] | None:
    """The JSON object in ``payload``, or None if it holds something else."""
    try:
        value = json.loads(payload or b"")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


@contextmanager
def registry(here: Services) -> Iterator[SchemaRegistryClient]:
    """A client of the schema registry. Its errors, raised inside the ``with`` block, become a ``LessonError``."""
    try:
        yield SchemaRegistryClient({**here.registry, "timeout": TIMEOUT / 2, "max.retries": 1})
    except (SchemaRegistryError, httpx.HTTPError) as error:
        raise _unusable("the schema registry", here.registry["url"], error) from error


def query_influxdb(here: Services, query: str) -> list[dict[str, Any]]:
    """The series that answer an InfluxQL query.

    Raises:
        QueryError: InfluxDB answered with an error.
        LessonError: InfluxDB did not answer.
    """
    server = here.influxdb
    try:
        answer = httpx.get(
            f"{server.url}/query",
            params={"db": server.database, "q": query},
            headers={"Authorization": f"Token {server.token}"} if server.token else None,
            auth=(server.username, server.password or "") if server.username and not server.token else None,
            verify=server.tls or True,
            timeout=TIMEOUT,
        )
        result = ((answer.json() if answer.content.strip() else {}).get("results") or [{}])[0]
    except (httpx.HTTPError, ValueError) as error:
        raise _unusable("InfluxDB", server.url, error) from error
    if answer.is_error or "error" in result:  # a query may fail with status 200
        raise QueryError(result.get("error") or answer.text.strip() or f"HTTP status {answer.status_code}")
    return list(result.get("series", []))
