"""MQTT to Kafka: read, produce, and acknowledge what Kafka has stored."""

from __future__ import annotations

import contextlib
import time

import mqtt5
from mqtt5 import QoS, RetainHandling, SubAckReasonCode

from helpers.bridge.acks import PUBACK, AckQueue
from helpers.bridge.config import BridgeConfig
from helpers.bridge.connection import Connection, raise_disconnect
from helpers.bridge.runner import FROM_KAFKA, SHORT_SLICE, SLICE, Runner, log
from helpers.bridge.sequences import Sequences
from helpers.errors import BridgeError
from helpers.sink import InFlight, Sink
from helpers.sink.records import Moment, shorten
from helpers.sink.run import OnSnapshot
from helpers.topics import TopicError

_DROPPED = "$SYS/broker/publish/messages/dropped"  # Mosquitto's own count; other brokers have none

_DIGITS = 20  # of a sequence number: 64 bits have no more


class Forward(Runner[BridgeConfig]):
    """One run of the bridge from MQTT to Kafka."""

    def __init__(self, config: BridgeConfig, on_snapshot: OnSnapshot | None = None, every: float = 1.0) -> None:
        super().__init__(config, on_snapshot, every)
        self._sequences = Sequences()
        self._acks = AckQueue()
        self._sink = Sink(config, self.counts, self._note_error, self._note_failure)
        self._failure = ""
        self._dropped_at_start: int | None = None

    def _note_failure(self, _message: InFlight, reason: str) -> None:
        self._failure = reason

    def _open(self) -> bool:
        return self._sink.open()

    def _close(self) -> None:
        self._sink.close()

    def _idle(self, seconds: float) -> None:
        self._sink.poll(seconds)

    def _in_flight(self) -> tuple[int, int, float | None]:
        return len(self._acks), self._sink.held, self._acks.oldest

    def _run_connection(self, connection: Connection) -> None:
        self._begin(connection)
        patience = 0.0
        while not self.stop.is_set():
            patience = self._step(connection, patience)
            if reason := self._failure:
                connection.finish()
                self._sink.restart()
                self._failure = ""
                raise ConnectionError(f"reconnecting, because Kafka did not store a message: {reason}")
        self._drain(connection)

    def _begin(self, connection: Connection) -> None:
        """Start a generation: see whether the broker has a session, and subscribe."""
        answer, config = connection.connack, self._config
        if answer.session_expiry_interval == 0:
            raise BridgeError(
                "The MQTT broker keeps no session for this client.",
                remedy="allow a session expiry in the broker's settings",
            )
        if config.share and not answer.shared_subscription_available:
            raise BridgeError("The MQTT broker does not support shared subscriptions.", remedy="leave out share")
        self._acks.begin()
        self._sink.forget()
        again = self._acks.generation > 1
        self.counts.reconnects += again
        if not answer.session_present:
            lost = again or config.expect_session
            self.counts.sessions_lost += lost
            meaning = "messages may be missing" if lost else "messages published before now are not carried"
            log.warning("%s: the MQTT broker has no session: %s", config.client_id, meaning)
        new = config.retained == "new"
        handling = RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS if new else RetainHandling.SEND_NEVER
        filters = [
            # At QoS 1 at most: the broker delivers QoS 2 as QoS 1. RETAIN=1 then marks messages stored before.
            mqtt5.TopicFilter(name, max_qos=QoS.AT_LEAST_ONCE, retain_as_published=False, retain_handling=handling)
            for name in config.filters
        ]
        filters.append(mqtt5.TopicFilter(_DROPPED, max_qos=QoS.AT_MOST_ONCE))
        if former := config.former_filters:
            connection.send(mqtt5.UnsubscribePacket(2, [*former]).write())
        connection.send(mqtt5.SubscribePacket(1, filters).write())

    def _step(self, connection: Connection, patience: float) -> float:
        """Read, produce, acknowledge, once; return how long the next step may wait for the socket."""
        connection.pause(self._sink.held >= self._config.byte_budget)
        if packets := connection.read(patience):
            self._receive(packets)
        reports = self._sink.poll()
        self._acknowledge(connection)
        connection.keep_alive()
        self._report()
        idle = SHORT_SLICE if self._sink.outstanding else SLICE
        return 0.0 if packets or reports else idle

    def _receive(self, packets: list[mqtt5.Packet]) -> None:
        """Pass on what came. Here, and in what it calls for each message, the bridge spends its time."""
        counts, sink, add, received = self.counts, self._sink, self._acks.add, Moment.now()
        for packet in packets:
            if type(packet) is not mqtt5.PublishPacket:
                self._control(packet)
                continue
            message = InFlight(packet, received, sink)
            if message.packet_id is not None:
                counts.received += 1
                if packet.duplicate:
                    counts.redelivered += 1
                add(message)
            elif not self._takes_qos0(packet):
                continue
            if packet.user_properties:
                properties = dict(packet.user_properties)
                if FROM_KAFKA in properties and self._came_from_target(packet):
                    counts.looped += 1
                    message.done = True
                    continue
                self._note_sequence(packet.topic, properties)
            sink.send(message)

    def _takes_qos0(self, packet: mqtt5.PublishPacket) -> bool:
        if packet.topic == _DROPPED:
            self._note_dropped(packet.payload)
            return False
        self.counts.received_qos0 += 1
        full = self._sink.held >= self._config.byte_budget // 2
        self.counts.dropped_qos0 += full
        return not full

    def _came_from_target(self, packet: mqtt5.PublishPacket) -> bool:
        """Return whether a message came from the Kafka topic that it would go to."""
        with contextlib.suppress(TopicError):
            return (FROM_KAFKA, self._sink.routes[packet.topic].topic) in packet.user_properties
        return False

    def _note_sequence(self, topic: str, properties: dict[str, str]) -> None:
        number = properties.get(self._config.sequence or "", "")
        if not number.isdecimal() or len(number) > _DIGITS:
            return
        with contextlib.suppress(TopicError):
            device = str(self._sink.routes[topic].key or topic)
            if (gap := self._sequences.note(device, properties.get("boot", ""), int(number))) > 0:
                log.warning("%s: %d messages before sequence number %s have not come", shorten(device), gap, number)
            self.counts.missing = self._sequences.missing

    def _note_dropped(self, payload: bytes) -> None:
        with contextlib.suppress(ValueError):
            dropped = int(payload)
            if self._dropped_at_start is None or dropped < self._dropped_at_start:  # the broker restarted
                self._dropped_at_start = dropped
            self.counts.broker_dropped = dropped - self._dropped_at_start

    def _control(self, packet: mqtt5.Packet) -> None:
        """Handle a packet other than PUBLISH."""
        if isinstance(packet, mqtt5.SubAckPacket):
            # The last filter is for the broker's own count, which it may refuse.
            for name, code in zip(self._config.filters, packet.reason_codes, strict=False):
                if code != SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE:
                    raise BridgeError(f"The MQTT broker refuses to subscribe the bridge to {name}: {code.name}.",
                                      remedy="allow this topic filter at QoS 1 in its access rules")  # fmt: skip
            self._note_ready()
        elif isinstance(packet, mqtt5.DisconnectPacket):
            raise_disconnect(packet, self._config.client_id)

    def _acknowledge(self, connection: Connection) -> None:
        if acks := self._acks.take():
            connection.send(acks)
            self.counts.acked += len(acks) // PUBACK.size
            self._note_progress()

    def _drain(self, connection: Connection) -> None:
        """Stop reading, wait for Kafka, acknowledge what it stored. The rest is delivered again to the next run."""
        self.state = "draining"
        ends = time.monotonic() + self._config.drain_timeout
        connection.pause(paused=True)
        while self._sink.outstanding and not self._failure and time.monotonic() < ends:
            self._sink.poll(SHORT_SLICE)
            self._acknowledge(connection)
            connection.read(0)  # sends what the socket did not take before; reading is paused
            connection.keep_alive()
            self._report()
        self._acknowledge(connection)
        connection.finish()
