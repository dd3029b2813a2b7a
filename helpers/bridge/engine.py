"""One run of the bridge: a loop that reads MQTT, feeds Kafka, and acknowledges what Kafka has."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import mqtt5
from mqtt5 import DisconnectReasonCode, QoS, RetainHandling, SubAckReasonCode

from helpers.bridge.acks import Acks, Pending
from helpers.bridge.config import BridgeConfig, BridgeError
from helpers.bridge.connection import Connection
from helpers.bridge.ledger import Counts, Sequences, Snapshot
from helpers.bridge.sink import Sink, log
from helpers.topics import TopicError

_DROPPED = "$SYS/broker/publish/messages/dropped"  # Mosquitto's own count; other brokers never send it
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_FINISHED_WITHIN = 2.0
_SLICE, _REPORT_SLICE = 0.1, 0.001  # how long the loop sleeps at most; and while it expects delivery reports
_PUBACK_LENGTH = 4


# The user property that the reverse bridge writes: such a message came from Kafka and does not go back there.
FROM_KAFKA = "kafka.topic"

OnSnapshot = Callable[[Snapshot], None]


class Engine:
    """Runs once, on one thread. ``ready`` is set when the subscription stands; set ``stop`` to end it."""

    def __init__(self, config: BridgeConfig, on_snapshot: OnSnapshot | None = None, every: float = 1.0) -> None:
        self.ready = threading.Event()
        self.stop = threading.Event()
        self.state = "starting"
        self._config = config
        self._on_snapshot = on_snapshot
        self._every = every
        self._tick_at = 0.0
        self._stalled = False
        self._failures = 0
        self._counts = Counts()
        self._sequences = Sequences()
        self._acks = Acks()
        self._sink = Sink(config, self._counts)
        self._down_since: float | None = time.monotonic()
        self._dropped_at_start: int | None = None

    def snapshot(self) -> Snapshot:
        """Return the present counts; from any thread."""
        now = time.monotonic()
        oldest, down = self._acks.oldest, self._down_since
        age = 0.0 if oldest is None else now - oldest
        return Snapshot(
            state=self.state,
            counts=replace(self._counts),
            in_flight=len(self._acks),
            held=self._sink.held,
            oldest_unacked=age,
            stalled=max(age, 0.0 if down is None else now - down) > self._config.stall_after,
            trouble=self._sink.trouble,
        )

    def run(self) -> None:
        """Carry until ``stop`` is set; return when drained. Raises ``BridgeError`` when it cannot or must not go on."""
        try:
            self.state = "waiting for Kafka"
            while not self.stop.is_set() and not self._sink.open():
                self._pause()
            self._failures = 0
            while not self.stop.is_set():
                try:
                    self.state = "connecting"
                    self._carry(Connection(self._config.mqtt, self._connect_packet()))
                except OSError as error:
                    self._sink.trouble = f"MQTT: {error}"
                    log.warning("MQTT: %s", error)
                    self._pause()
            self.state = "ended"
        except BaseException:
            self.state = "failed"
            raise
        finally:
            self._down_since = None
            self._sink.close()

    def _pause(self) -> None:
        """Wait before trying again: twice as long each time, and never in step with other clients."""
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failures)
        self._failures += 1
        ends = time.monotonic() + random.uniform(0.5, 1) * longest  # noqa: S311 - no secret
        while time.monotonic() < ends and not self.stop.is_set():
            self._tick()
            self._sink.poll(_SLICE)

    def _connect_packet(self) -> mqtt5.ConnectPacket:
        config = self._config
        return mqtt5.ConnectPacket(
            config.client_id,
            username=config.mqtt.username,
            password=None if config.mqtt.password is None else config.mqtt.password.encode(),
            clean_start=False,
            session_expiry_interval=config.session_expiry,
            keep_alive=config.keep_alive,
            receive_max=config.receive_maximum,
        )

    def _carry(self, connection: Connection) -> None:
        """Carry on one connection until it breaks (``OSError``), the bridge must end, or ``stop`` is set."""
        try:
            self._begin(connection)
            patience = 0.0
            while not self.stop.is_set():
                patience = self._round(connection, patience)
                if failed := self._sink.failed:
                    connection.finish(_FINISHED_WITHIN)
                    self._sink.restart()
                    raise ConnectionError(f"hung up, because Kafka gave up a message ({failed}): it must come again")
            self._drain(connection)
        except BridgeError:
            connection.finish(_FINISHED_WITHIN)
            raise
        finally:
            connection.close()
            self._down_since = time.monotonic()

    def _begin(self, connection: Connection) -> None:
        answer, config = connection.connack, self._config
        if answer.session_expiry_interval == 0:
            raise BridgeError("The MQTT broker keeps no session for this client.", remedy="allow it a session expiry")
        if config.share and not answer.shared_subscription_available:
            raise BridgeError("The MQTT broker has no shared subscriptions.", remedy="leave out share")
        self._acks.begin()
        self._sink.forget()
        again = self._acks.generation > 1
        self._counts.reconnects += again
        if not answer.session_present:
            lost = again or config.expect_session
            self._counts.sessions_lost += lost
            log.warning("The MQTT broker has no session for %s: %s", config.client_id,
                        "messages may be missing" if lost else "what came before now is not carried")  # fmt: skip
        handling = RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS
        if config.retained == "never":
            handling = RetainHandling.SEND_NEVER
        wanted = [
            # At QoS 1 at most: the broker turns QoS 2 into it. RETAIN=1 then means: stored, sent because we came.
            mqtt5.TopicFilter(name, max_qos=QoS.AT_LEAST_ONCE, retain_as_published=False, retain_handling=handling)
            for name in config.filters
        ]
        wanted.append(mqtt5.TopicFilter(_DROPPED, max_qos=QoS.AT_MOST_ONCE))
        connection.send(mqtt5.SubscribePacket(1, wanted).write())

    def _round(self, connection: Connection, patience: float) -> float:
        """Read, produce, acknowledge, once; return how long the next round may wait for the socket."""
        connection.pause(self._sink.held >= self._config.byte_budget)
        packets = connection.read(patience)
        now = time.monotonic()
        for packet in packets:
            if type(packet) is mqtt5.PublishPacket:
                self._receive(packet, now)
            else:
                self._control(packet)
        reports = self._sink.poll()
        self._acknowledge(connection)
        connection.keep_alive()
        self._tick()
        if packets or reports:
            return 0.0
        return _REPORT_SLICE if self._sink.outstanding else _SLICE

    def _receive(self, packet: mqtt5.PublishPacket, now: float) -> None:
        counts = self._counts
        pending = Pending(packet, self._acks.generation, now)
        if packet.packet_id is None:  # QoS 0
            if packet.topic == _DROPPED:
                self._note_dropped(packet.payload)
                return
            counts.received_qos0 += 1
            if self._sink.held >= self._config.byte_budget // 2:
                counts.dropped_qos0 += 1
                return
        else:
            counts.received += 1
            counts.redelivered += packet.duplicate
            self._acks.add(pending)
        if packet.user_properties:
            if any(name == FROM_KAFKA for name, _ in packet.user_properties):
                counts.looped += 1
                pending.done = True
                return
            if self._config.sequence:
                self._note_sequence(packet, self._config.sequence)
        self._sink.send(pending)

    def _note_sequence(self, packet: mqtt5.PublishPacket, name: str) -> None:
        properties = dict(packet.user_properties)
        if not properties.get(name, "").isdecimal():
            return
        with contextlib.suppress(TopicError):
            device = self._sink.route(packet.topic).key or packet.topic
            if gap := self._sequences.note(device, properties.get("boot", ""), int(properties[name])):
                self._counts.missing += gap
                log.warning("%s: %d messages before sequence number %s never came", device, gap, properties[name])

    def _note_dropped(self, payload: bytes) -> None:
        with contextlib.suppress(ValueError):
            dropped = int(payload)
            if self._dropped_at_start is None or dropped < self._dropped_at_start:  # less: the broker began again
                self._dropped_at_start = dropped
            self._counts.broker_dropped = dropped - self._dropped_at_start

    def _control(self, packet: mqtt5.Packet) -> None:
        """Deal with what is not a message."""
        if isinstance(packet, mqtt5.SubAckPacket):
            # The last filter is the broker's own count, which it may well keep to itself.
            for name, code in zip(self._config.filters, packet.reason_codes, strict=False):
                if code is not SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE:
                    raise BridgeError(f"The MQTT broker answers SUBSCRIBE {name} with {code.name}.",
                                      remedy="the bridge needs this topic filter at QoS 1")  # fmt: skip
            self.state = "carrying"
            self._failures = 0
            self._down_since = None
            self.ready.set()
        elif isinstance(packet, mqtt5.DisconnectPacket):
            if packet.reason_code is DisconnectReasonCode.SESSION_TAKEN_OVER:
                raise BridgeError(f"Another client took over the client id {self._config.client_id!r}.",
                                  remedy="give every bridge a client id of its own")  # fmt: skip
            raise ConnectionError(f"the MQTT broker disconnected: {packet.reason_code.name}")

    def _acknowledge(self, connection: Connection) -> None:
        if acks := self._acks.take():
            connection.send(acks)
            self._counts.acked += len(acks) // _PUBACK_LENGTH

    def _drain(self, connection: Connection) -> None:
        """Read no more, wait for Kafka, acknowledge what it stored. What it has not by then comes again next time."""
        self.state = "draining"
        ends = time.monotonic() + self._config.drain_timeout
        connection.pause(paused=True)
        while self._sink.outstanding and not self._sink.failed and time.monotonic() < ends:
            self._sink.poll(_REPORT_SLICE)
            self._acknowledge(connection)
            connection.read(0)  # sends what the socket did not take before; reading is paused
            connection.keep_alive()
            self._tick()
        self._acknowledge(connection)
        connection.finish(_FINISHED_WITHIN)

    def _tick(self) -> None:
        now = time.monotonic()
        if now < self._tick_at:
            return
        self._tick_at = now + self._every
        snapshot = self.snapshot()
        if snapshot.stalled and not self._stalled:
            log.warning("stalled: %s", snapshot.line())
        self._stalled = snapshot.stalled
        if self._on_snapshot is not None:
            self._on_snapshot(snapshot)
