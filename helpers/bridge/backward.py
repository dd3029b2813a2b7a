"""Kafka to MQTT: commands go back to the generators, and an offset is committed after the PUBACK."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from typing import cast

import mqtt5
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from mqtt5 import PubAckReasonCode, QoS

from helpers.bridge.config import CommandsConfig
from helpers.bridge.connection import Connection, connect_packet, raise_disconnect
from helpers.bridge.runner import FROM_KAFKA, SHORT_SLICE, SLICE, OnSnapshot, Runner, log
from helpers.errors import BridgeError
from helpers.sink.cluster import check_topics, raise_if_refused
from helpers.topics import TopicError

_WINDOW = 1_000
_PACKET_IDS = 65_535
_DEAD_LETTER_WITHIN = 5.0
# Answers that blame the message, not the broker's present state.
_POISON = (
    PubAckReasonCode.NOT_AUTHORIZED,
    PubAckReasonCode.TOPIC_NAME_INVALID,
    PubAckReasonCode.PAYLOAD_FORMAT_INVALID,
)


Headers = list[tuple[str, bytes | None]]


class _InFlight:
    """One record on its way to MQTT."""

    __slots__ = ("done", "place", "record", "since")

    def __init__(self, record: Message) -> None:
        self.record = record
        self.place = TopicPartition(record.topic() or "", record.partition() or 0, (record.offset() or 0))
        self.since = time.monotonic()
        self.done = False


class Backward(Runner[CommandsConfig]):
    """One run of the bridge from Kafka to MQTT.

    It needs no session at the MQTT broker: after a reconnect it joins its consumer group again, and so starts at the
    committed offset, the first command without PUBACK. Commands of one key are thus sent in order, some of them twice.
    """

    def __init__(self, config: CommandsConfig, on_snapshot: OnSnapshot | None = None, every: float = 1.0) -> None:
        super().__init__(config, on_snapshot, every)
        self._consumer: Consumer | None = None
        self._packet_ids = itertools.cycle(range(1, _PACKET_IDS + 1))
        self._window: deque[_InFlight] = deque()
        self._by_id: dict[int, _InFlight] = {}

    def _open(self) -> bool:
        config, own = self._config, {"error_cb": self._kafka_error, "logger": log}
        try:
            check_topics({**config.kafka, **own}, config.kafka_topics)
        except KafkaException as error:
            self._note_error(error.args[0].str())
            return False
        self._consumer = Consumer(config.consumer_settings() | own)
        return True

    def _kafka_error(self, error: KafkaError) -> None:
        self._note_error(error.str())
        raise_if_refused(error)

    def _close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()

    def _idle(self, seconds: float) -> None:
        time.sleep(seconds)

    def _in_flight(self) -> tuple[int, int, float | None]:
        try:
            return len(self._window), 0, self._window[0].since
        except IndexError:
            return 0, 0, None

    @property
    def _kafka(self) -> Consumer:
        if self._consumer is None:
            raise BridgeError("The bridge has not reached Kafka yet.")
        return self._consumer

    def _connect_packet(self) -> mqtt5.ConnectPacket:
        return connect_packet(self._config, session_expiry=0)

    def _run_connection(self, connection: Connection) -> None:
        consumer, again = self._kafka, self.ready.is_set()
        self._counts.reconnects += again
        self._forget()
        consumer.subscribe([self._config.route.topic], on_revoke=lambda *_: self._forget())
        try:
            self._note_ready()
            while not self.stop.is_set():
                self._step(connection)
            self._drain(connection)
        finally:
            consumer.unsubscribe()

    def _forget(self) -> None:
        self._window.clear()
        self._by_id.clear()

    def _step(self, connection: Connection) -> None:
        room = min(_WINDOW, connection.connack.receive_max) - len(self._window)
        records = self._kafka.consume(room, 0) if room > 0 else []
        connection.send(b"".join(self._send(record, connection.connack) for record in records))
        # No selector covers both sides: while idle, poll both every few milliseconds.
        self._take(connection.read(0 if records else SHORT_SLICE))
        connection.keep_alive()
        self._report()

    def _send(self, record: Message, connack: mqtt5.ConnAckPacket) -> bytes:
        """Return the PUBLISH for one record, or nothing if it ends here."""
        if (error := record.error()) is not None:
            if error.fatal():
                raise BridgeError(f"Kafka: {error.str()}")
            self._note_error(error.str())
            return b""
        sent = _InFlight(record)
        self._window.append(sent)
        self._counts.received += 1
        headers = cast("Headers", record.headers() or [])
        left = self._seconds_left(record)
        if any(name == "mqtt.topic" for name, _ in headers):
            self._counts.looped += 1
            sent.done = True
        elif left is not None and left <= 0:
            self._counts.expired += 1
            sent.done = True
        else:
            return self._publish(sent, headers, left, connack)
        return b""

    def _seconds_left(self, record: Message) -> float | None:
        if self._config.expiry is None:
            return None
        written: float = record.timestamp()[1] / 1000
        return self._config.expiry - (time.time() - written)

    def _publish(self, sent: _InFlight, headers: Headers, left: float | None, connack: mqtt5.ConnAckPacket) -> bytes:
        record, config = sent.record, self._config
        packet_id = next(self._packet_ids)
        named = {name: value for name, value in headers if name.startswith("mqtt.")}
        response_topic = named.get("mqtt.response-topic")
        try:
            packet = mqtt5.PublishPacket(
                config.route.mqtt_topic(**{config.level: (record.key() or b"").decode()}),
                record.value() or b"",
                qos=QoS.AT_LEAST_ONCE,
                packet_id=packet_id,
                retain=config.retain,
                message_expiry_interval=None if left is None else math.ceil(left),
                response_topic=None if response_topic is None else response_topic.decode(),
                correlation_data=named.get("mqtt.correlation-data"),
                user_properties=[
                    *((name, (value or b"").decode()) for name, value in headers if name not in named),
                    (FROM_KAFKA, sent.place.topic),
                    ("kafka.offset", f"{sent.place.partition}/{sent.place.offset}"),
                ],
            ).write()
        except (TopicError, ValueError) as error:
            self._refuse(sent, str(error))
            return b""
        if connack.max_packet_size is not None and len(packet) > connack.max_packet_size:
            self._refuse(sent, f"larger than the {connack.max_packet_size} bytes that the MQTT broker takes")
            return b""
        self._by_id[packet_id] = sent
        self._counts.produced += 1
        return packet

    def _refuse(self, sent: _InFlight, reason: str) -> None:
        """Produce a dead letter for a record that can never be sent, and wait until Kafka has it."""
        record, config = sent.record, self._config
        if config.dead_letter_topic is None:
            raise BridgeError(
                f"Record {sent.place} cannot be sent as a command: {reason}.",
                remedy="its offset is not committed; name a dead_letter_topic to get past such records",
            )
        producer = Producer({**config.kafka, "acks": "all", "enable.idempotence": True, "logger": log})
        failed: list[str] = []
        producer.produce(
            config.dead_letter_topic,
            record.value(),
            record.key(),
            headers=[*(record.headers() or []), ("dead-letter.reason", reason)],
            on_delivery=lambda error, _: failed.append(error.str()) if error else None,
        )
        if producer.flush(_DEAD_LETTER_WITHIN) or failed:
            raise ConnectionError(f"Kafka did not take a dead letter: {failed}")
        self._counts.dead_lettered += 1
        sent.done = True

    def _take(self, packets: list[mqtt5.Packet]) -> None:
        """Take the MQTT broker's answers, and commit as far as all commands have their PUBACK."""
        for packet in packets:
            if isinstance(packet, mqtt5.DisconnectPacket):
                raise_disconnect(packet, self._config.client_id)
            if not isinstance(packet, mqtt5.PubAckPacket) or packet.packet_id not in self._by_id:
                continue
            sent = self._by_id.pop(packet.packet_id)
            if packet.reason_code in _POISON:
                self._refuse(sent, f"MQTT broker: {packet.reason_code.name}")
            elif packet.reason_code == PubAckReasonCode.NO_MATCHING_SUBSCRIBERS:
                self._counts.unheard += 1
            elif packet.reason_code != PubAckReasonCode.SUCCESS:
                raise ConnectionError(f"the MQTT broker did not take a command: {packet.reason_code.name}")
            self._counts.acked += 1
            sent.done = True
        done: dict[int, TopicPartition] = {}
        while self._window and self._window[0].done:
            place = self._window.popleft().place
            done[place.partition] = TopicPartition(place.topic, place.partition, place.offset + 1)
        if done:
            self._kafka.commit(offsets=[*done.values()], asynchronous=True)

    def _drain(self, connection: Connection) -> None:
        """Stop consuming, and wait for the PUBACKs on their way."""
        self.state = "draining"
        ends = time.monotonic() + self._config.drain_timeout
        while self._window and time.monotonic() < ends:
            self._take(connection.read(SLICE))
        connection.finish()
