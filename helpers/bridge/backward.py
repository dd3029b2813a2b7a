"""Kafka to MQTT: commands go back to the generators, and an offset is committed after the PUBACK."""

from __future__ import annotations

import itertools
import time
from collections import deque

import mqtt5
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from helpers.bridge.commands import Command, publish
from helpers.bridge.config import CommandsConfig
from helpers.bridge.connection import Connection, RejectedError, raise_disconnect
from helpers.bridge.runner import SHORT_SLICE, Runner, log
from helpers.errors import BridgeError
from helpers.sink.cluster import check_topics, raise_if_refused
from helpers.sink.config import producer_settings
from helpers.sink.records import fit, shorten
from helpers.sink.run import OnSnapshot

_WINDOW = 1_000
_PACKET_IDS = 65_535
# Answers that blame the message; that may do so; and every other one blames the broker's present state.
_POISON = {"NOT_AUTHORIZED", "TOPIC_NAME_INVALID", "PAYLOAD_FORMAT_INVALID"}
_UNCLEAR = {"UNSPECIFIED_ERROR", "IMPLEMENTATION_SPECIFIC_ERROR"}


class Backward(Runner[CommandsConfig]):
    """One run of the bridge from Kafka to MQTT.

    It needs no session at the MQTT broker: a record stays in the window until its PUBACK, over any number of
    connections, and a new connection begins with those that were under way. So commands of one key are sent in order,
    some of them twice. If the broker ends a connection, one of the commands under way may be why: then each of them is
    sent alone, and the one that ends a connection again becomes a dead letter.
    """

    def __init__(self, config: CommandsConfig, on_snapshot: OnSnapshot | None = None, every: float = 1.0) -> None:
        super().__init__(config, on_snapshot, every)
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None  # of dead letters
        self._errors: deque[KafkaError] = deque()
        self._largest = 0
        self._assigned = self._alone = False
        self._packet_ids = itertools.cycle(range(1, _PACKET_IDS + 1))
        self._window: deque[Command] = deque()  # read and not committed: some wait, some are sent, some are done
        self._waiting: deque[Command] = deque()
        self._sent: dict[int, Command] = {}

    def _open(self) -> bool:
        config, own = self._config, {"error_cb": self._errors.append, "logger": log}
        self._largest = check_topics({**config.kafka, **own}, config.kafka_topics, self._note_error)
        if self._largest:
            if config.dead_letter_topic:
                self._producer = Producer(producer_settings(config.kafka) | {"message.max.bytes": self._largest} | own)
            self._consumer = Consumer(config.consumer_settings() | own)
            self._consumer.subscribe([config.route.topic], on_assign=self._assign, on_revoke=self._revoke)
        return self._largest > 0

    def _report(self) -> None:
        # Not where they are heard: what a callback raises in consume() makes close() wait for ever.
        while self._errors:
            self._note_error((error := self._errors.popleft()).str())
            raise_if_refused(error)
        super()._report()

    def _close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()

    def _in_flight(self) -> tuple[int, int, float | None]:
        window = [*self._window]
        return len(window), 0, window[0].since if window else None

    def _assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned = bool(partitions)

    def _revoke(self, *_: object) -> None:
        """Forget what was read: whichever member gets the partitions begins at the committed offsets."""
        self._assigned = False
        for each in (self._window, self._waiting, self._sent):
            each.clear()

    def _run_connection(self, connection: Connection) -> None:
        self.counts.reconnects += self.ready.is_set()
        self._waiting.extendleft(reversed(self._sent.values()))
        self._sent.clear()
        self._fetch(1)  # even with a full window: the partitions may have gone to another member
        self._note_ready("waiting for partitions")
        try:
            while not self.stop.is_set():
                self._step(connection)
            self._drain(connection)
        except RejectedError as error:
            self._suspect(error)
            raise

    def _step(self, connection: Connection) -> None:
        read = self._fetch(_WINDOW - len(self._window))
        self.state = "carrying" if self._assigned else "waiting for partitions"
        self._send(connection)
        # No selector covers both sides: while idle, poll both every few milliseconds.
        self._take(connection.read(0 if read else SHORT_SLICE))
        self._commit()
        connection.keep_alive()
        self._report()

    def _fetch(self, room: int) -> int:
        """Read up to ``room`` records into the window, and return their number."""
        records = self._consumer.consume(room, 0) if self._consumer and room > 0 else []
        for record in records:
            if (error := record.error()) is None:
                self.counts.received += 1
                self._window.append(Command(record))
                self._waiting.append(self._window[-1])
            elif error.fatal():
                raise BridgeError(f"Kafka: {error.str()}")
            else:
                self._errors.append(error)
        return len(records)

    def _send(self, connection: Connection) -> None:
        """Send what waits, as far as the MQTT broker takes it now: a suspect only alone."""
        packets = []
        while self._waiting and len(self._sent) < connection.connack.receive_max:
            suspect = self._waiting[0].failures > 0
            if self._sent and (suspect or self._alone):
                break
            self._alone = suspect
            packets.append(self._packet(self._waiting.popleft(), connection.connack.max_packet_size))
        if data := b"".join(packets):  # sending nothing would put off the next PINGREQ
            connection.send(data)

    def _packet(self, command: Command, largest: int | None) -> bytes:
        """Return the PUBLISH for one record, or nothing if it ends here."""
        config, packet_id, counts = self._config, next(self._packet_ids), self.counts
        left = None if config.expiry is None else command.seconds_left(config.expiry)
        expired = left is not None and left <= 0
        try:
            packet, left_out = (b"", 0) if expired else publish(command, config, left, packet_id, largest)
        except Exception as error:  # noqa: BLE001 - whatever it is: this record caused it, and the next one may be good
            self._refuse(command, str(error) or type(error).__name__)
            return b""
        counts.left_out += left_out
        counts.produced += bool(packet)
        counts.expired += expired
        counts.looped += not packet and not expired
        command.done = not packet
        if packet:
            self._sent[packet_id] = command
        return packet

    def _refuse(self, command: Command, reason: str) -> None:
        """Produce a dead letter for a record that cannot be sent; the record is done when Kafka has it."""
        record, topic, reason = command.record, self._config.dead_letter_topic, shorten(reason)
        if self._producer is None or topic is None:
            raise BridgeError(
                f"Record {command.place} cannot be sent as a command: {reason}.",
                remedy="its offset is not committed; name a dead_letter_topic to get past such records",
            )
        why = [("dead-letter.reason", reason.encode())]
        value, key, headers, truncated = fit(record.value(), record.key(), command.headers, why, self._largest)

        def report(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                self.counts.dead_lettered += 1
                self.counts.truncated += truncated
                command.done = True
            else:
                raise BridgeError(f"Kafka refuses a dead letter: {error.str()}", remedy="check the topic's settings")

        self._producer.produce(topic, value, key, headers=headers, on_delivery=report)

    def _suspect(self, error: RejectedError) -> None:
        """Note that one of the commands under way may have ended the connection; if it was alone, it did."""
        for packet_id, command in [*self._sent.items()]:
            command.failures += 1
            if self._alone and command.failures > self._config.retries:
                del self._sent[packet_id]
                self._refuse(command, f"MQTT broker: {error}")
                self._failures = 0
                raise ConnectionError(f"reconnecting after a command became a dead letter: {error}") from error

    def _take(self, packets: list[mqtt5.Packet]) -> None:
        """Take the MQTT broker's answers."""
        for packet in packets:
            if isinstance(packet, mqtt5.DisconnectPacket):
                raise_disconnect(packet, self._config.client_id)
            if not isinstance(packet, mqtt5.PubAckPacket) or packet.packet_id not in self._sent:
                continue
            command, code = self._sent[packet.packet_id], packet.reason_code.name
            command.failures += code in _UNCLEAR
            if code in _POISON or (code in _UNCLEAR and command.failures > self._config.retries):
                self._refuse(command, f"MQTT broker: {code}")
            elif code in {"SUCCESS", "NO_MATCHING_SUBSCRIBERS"}:
                self.counts.unheard += code != "SUCCESS"
                self.counts.acked += 1
                command.done = True
            else:
                raise ConnectionError(f"the MQTT broker did not take a command: {code}")
            del self._sent[packet.packet_id]

    def _commit(self) -> None:
        """Commit as far as every record is done: has its PUBACK, is in Kafka as a dead letter, or was not sent."""
        if self._producer is not None:
            self._producer.poll(0)
        done: dict[int, TopicPartition] = {}
        while self._window and self._window[0].done:
            place = self._window.popleft().place
            done[place.partition] = TopicPartition(place.topic, place.partition, place.offset + 1)
        if done and self._consumer:
            self._note_progress()
            self._consumer.commit(offsets=[*done.values()], asynchronous=True)

    def _drain(self, connection: Connection) -> None:
        """Stop consuming, and wait for the PUBACKs and dead letters on their way."""
        self.state = "draining"
        ends = time.monotonic() + self._config.drain_timeout
        while (self._sent or len(self._producer or ())) and time.monotonic() < ends:
            self._take(connection.read(SHORT_SLICE))
            self._commit()
        connection.finish()
