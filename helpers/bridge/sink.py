"""The Kafka side: every message is produced, or becomes a dead letter, or waits; none is given up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import mqtt5
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from helpers.bridge import records
from helpers.bridge.cluster import check_topics, raise_if_refused
from helpers.bridge.config import BridgeConfig, BridgeError
from helpers.bridge.counts import Counts, log
from helpers.bridge.routes import Routes
from helpers.bridge.serialize import NotYetError, PoisonError, serializer
from helpers.topics import TopicError

_RETRY_AFTER = 0.05
_BY_KEY = -1  # the partition is for librdkafka to choose
# Which refusals blame the message, and which a missing topic. After any other, the message must come again.
_POISON = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP}
_UNKNOWN = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
_PURGED = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}


class Pending:
    """One received message on its way: what was received, when, and whether it is done with.

    ``size``: its bytes that count against the budget. ``reason``: why it is a dead letter, if it is one.
    """

    __slots__ = ("_sink", "done", "packet", "reason", "received", "size")

    def __init__(self, packet: mqtt5.PublishPacket, received: records.Moment, sink: Sink) -> None:
        self.packet = packet
        self.received = received
        self.size = len(packet.payload) + len(packet.topic)
        for name, value in packet.user_properties:
            self.size += len(name) + len(value)
        self.done = False
        self.reason = ""
        self._sink = sink

    def report(self, error: KafkaError | None, _message: Message) -> None:
        """Take Kafka's delivery report. It runs inside ``Sink.poll``, and what it raises comes out there."""
        if error is None:
            self.done = True
            sink = self._sink
            sink.held -= self.size
            sink.outstanding -= 1
            sink.counts.produced += 1
        else:
            self._sink.refused(self, error)


class Sink:
    """Sends messages to Kafka and marks them done when Kafka reports them stored. One thread, and it never waits.

    ``held``: bytes of messages without a report; ``outstanding``: their number. ``failed``: the bad report of a good
    message, after which all that is unacknowledged must come again. ``note_trouble`` hears what goes wrong.
    """

    def __init__(self, config: BridgeConfig, counts: Counts, note_trouble: Callable[[str], None]) -> None:
        self.held = 0
        self.outstanding = 0
        self.failed = ""
        self._trouble = note_trouble
        self._config = config
        self.counts = counts
        self.routes = Routes(config.routes)
        self._serialize = serializer(config)
        self._everything = config.headers == "all"
        self._backlog: deque[Pending] = deque()
        self._retry_at = 0.0
        self._limit = 0
        self._settings: dict[str, Any] = {}
        self._producer: Producer | None = None
        self._produce: Callable[..., None]

    def open(self) -> bool:
        """Look whether Kafka answers and has the topics, and connect; return False if it does not answer now.

        Raises ``BridgeError`` if a topic is missing or Kafka refuses us.
        """
        settings = self._config.producer_settings() | {"error_cb": self._error, "logger": log}
        try:
            self._limit = check_topics(settings, self._config.kafka_topics)
        except KafkaException as error:
            self._error(error.args[0])
            return False
        self._settings = settings | {"message.max.bytes": self._limit, "batch.size": self._limit}
        self._begin()
        return True

    def _begin(self) -> None:
        self._producer = Producer(self._settings)
        self._produce = self._producer.produce

    def send(self, pending: Pending) -> None:
        """Take a message: produce it, or keep it until that can be done."""
        self.held += pending.size
        self.outstanding += 1
        if self._backlog or not self._hand_over(pending):
            self._backlog.append(pending)

    def poll(self, timeout: float = 0) -> int:
        """Serve delivery reports, try again what had to wait, and return the number of reports."""
        if self._producer is None:
            time.sleep(timeout)
            return 0
        reports: int = self._producer.poll(timeout)
        if self._backlog and (reports or time.monotonic() > self._retry_at):
            self._retry_at = time.monotonic() + _RETRY_AFTER
            while self._backlog and self._hand_over(self._backlog[0]):
                self._backlog.popleft()
        return reports

    def forget(self) -> None:
        """Drop what Kafka was not given yet and the MQTT broker will send again."""
        waiting, self._backlog = self._backlog, deque()
        for pending in waiting:
            if pending.packet.packet_id:
                self._settle(pending)
            else:
                self._backlog.append(pending)

    def restart(self) -> None:
        """Give up all that is on its way to Kafka, and begin again with a new producer."""
        self.forget()
        self.close()
        self.failed = ""
        self.held = sum(pending.size for pending in self._backlog)
        self.outstanding = len(self._backlog)
        self._begin()

    def close(self) -> None:
        """Give up what is still on its way, and let go of Kafka."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(1)
            self._producer = None

    def _hand_over(self, pending: Pending) -> bool:
        """Hand a message, or its dead letter if it is poison, to the producer; return False if it has to wait."""
        packet = pending.packet
        try:
            if not pending.reason:
                topic, key = self.routes[packet.topic]
                # By position: by name takes a tenth more of the bridge's time. None is for on_delivery, another name of
                # the callback before it.
                self._produce(
                    topic,
                    self._serialize(topic, packet.payload),
                    key,
                    _BY_KEY,
                    pending.report,
                    None,
                    records.timestamp(packet, self._config.time) if packet.user_properties else 0,
                    records.all_headers(packet, pending.received) if self._everything else records.headers(packet),
                )
                return True
        except TopicError as error:
            pending.reason = error.cause
        except (PoisonError, ValueError) as error:  # ValueError: text that librdkafka cannot write as a header
            pending.reason = str(error)
        except NotYetError as error:
            self._trouble(str(error))
            return False
        except BufferError:
            return False
        except KafkaException as error:
            self._judge(pending, error.args[0])
        return not pending.reason or self._dead_letter(pending)

    def _dead_letter(self, pending: Pending) -> bool:
        if (topic := self._config.dead_letter_topic) is None:
            raise BridgeError(
                f"A message on {pending.packet.topic!r} can never be produced: {pending.reason}.",
                remedy="the MQTT broker still has it; name a dead_letter_topic to get past such messages",
            )
        packet, reason = pending.packet, pending.reason
        value, headers, truncated = records.dead_letter(packet, pending.received, reason, self._limit)
        report = partial(self._report_dead_letter, pending, truncated=truncated)
        try:
            self._produce(topic, value, packet.topic, headers=headers, on_delivery=report)
        except BufferError:
            return False
        return True

    def _report_dead_letter(
        self, pending: Pending, error: KafkaError | None, _message: Message, *, truncated: bool
    ) -> None:
        if error is not None:
            self._judge(pending, error)
            return
        pending.done = True
        self._settle(pending)
        self.counts.dead_lettered += 1
        self.counts.truncated += truncated

    def refused(self, pending: Pending, error: KafkaError) -> None:
        """Take the report that Kafka has not stored a message: it becomes a dead letter, or must come again."""
        self._judge(pending, error)
        if pending.reason:
            self._backlog.append(pending)

    def _judge(self, pending: Pending, error: KafkaError) -> None:
        """Say what a refusal means: a dead letter, the end of the bridge, or that the message must come again."""
        code, known = error.code(), self._config.kafka_topics
        raise_if_refused(error)
        if code in _UNKNOWN and (pending.reason or self.routes[pending.packet.topic].topic in known):
            raise BridgeError(f"A topic of the bridge is gone from Kafka: {error.str()}", remedy=f"make {known} again")
        if code in _POISON | _UNKNOWN and not pending.reason:
            pending.reason = f"Kafka: {error.str()}"
            return
        self._settle(pending)
        self.counts.dropped_qos0 += pending.packet.packet_id is None  # nobody sends it again
        if code not in _PURGED:
            self.failed = error.str()
            self._trouble(error.str())

    def _settle(self, pending: Pending) -> None:
        self.held -= pending.size
        self.outstanding -= 1

    def _error(self, error: KafkaError) -> None:
        self._trouble(error.str())
        raise_if_refused(error)
