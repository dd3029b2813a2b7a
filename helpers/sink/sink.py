"""Produce every message, or its dead letter, or wait; never give one up."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from helpers.errors import BridgeError
from helpers.sink import records
from helpers.sink.cluster import check_topics, raise_if_refused
from helpers.sink.config import SinkConfig, producer_settings
from helpers.sink.inflight import InFlight
from helpers.sink.routes import Routes
from helpers.sink.serialize import NotYetError, PoisonError, serializer
from helpers.sink.snapshot import Counts
from helpers.topics import TopicError

log = logging.getLogger("helpers.sink")

_RETRY_AFTER = 0.05
_BY_KEY = -1  # librdkafka chooses the partition
# Which errors blame the message, and which a missing topic. After any other, the message must come again.
_POISON = {
    KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE, KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP, KafkaError._INVALID_ARG,
}  # fmt: skip
_UNKNOWN = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
_PURGED = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}


class Sink:
    """Sends messages to Kafka and marks them done when Kafka reports them stored. One thread, and it never blocks.

    ``held``: bytes of messages without a report; ``outstanding``: their number. ``on_error`` is called with what went
    wrong. ``on_failure`` is called with a good message that Kafka did not store, and the reason: the owner of the sink
    must have it sent again, with all that are unacknowledged after it.
    """

    def __init__(
        self, config: SinkConfig, counts: Counts, on_error: Callable[[str], None],
        on_failure: Callable[[InFlight, str], None],
    ) -> None:  # fmt: skip
        self.held = 0
        self.outstanding = 0
        self.counts = counts
        self.routes = Routes(config.routes)
        self._on_error = on_error
        self._on_failure = on_failure
        self._config = config
        self._serialize = serializer(config)
        self._all_headers = config.headers == "all"
        self._backlog: deque[InFlight] = deque()
        self._retry_at = 0.0
        self._limit = 0
        self._settings: dict[str, Any] = {}
        self._producer: Producer | None = None
        self._produce: Callable[..., None]

    def open(self) -> bool:
        """Connect, and check that the topics exist; return False if Kafka does not answer now.

        Raises ``BridgeError`` if a topic is missing or Kafka denies access.
        """
        settings = producer_settings(self._config.kafka) | {"error_cb": self._note_error, "logger": log}
        self._limit = check_topics(settings, self._config.kafka_topics, self._on_error)
        if not self._limit:
            return False
        self._settings = settings | {"message.max.bytes": self._limit, "batch.size": self._limit}
        self._start()
        return True

    def _start(self) -> None:
        self._producer = Producer(self._settings)
        self._produce = self._producer.produce

    def send(self, message: InFlight) -> None:
        """Produce a message, or keep it until that can be done."""
        self.held += message.size
        self.outstanding += 1
        if self._backlog or not self._produce_one(message):
            self._backlog.append(message)

    def poll(self, timeout: float = 0) -> int:
        """Serve delivery reports, try again what had to wait, and return the number of reports."""
        if self._producer is None:
            time.sleep(timeout)
            return 0
        reports: int = self._producer.poll(timeout)
        if self._backlog and (reports or time.monotonic() > self._retry_at):
            self._retry_at = time.monotonic() + _RETRY_AFTER
            while self._backlog and self._produce_one(self._backlog[0]):
                self._backlog.popleft()
        return reports

    def forget(self) -> None:
        """Drop the QoS 1 messages that still wait here: the MQTT broker will send them again."""
        for message in self._backlog:
            if message.packet.packet_id:
                self._settle(message)
        self._backlog = deque(each for each in self._backlog if not each.packet.packet_id)

    def restart(self) -> None:
        """Give up everything on its way to Kafka, and start again with a new producer."""
        self.forget()
        self.close()
        self.held = sum(message.size for message in self._backlog)
        self.outstanding = len(self._backlog)
        self._start()

    def close(self) -> None:
        """Give up what is still on its way, and close the producer."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(1)
            self._producer = None

    def _produce_one(self, message: InFlight) -> bool:
        """Produce a message, or its dead letter if it is poison; return False if it has to wait."""
        packet = message.packet
        try:
            if not message.reason:
                topic, key, headers = self.routes[packet.topic]
                value, stamp = (self._serialize(topic, packet.payload) if self._serialize else packet.payload), 0
                if packet.user_properties or self._all_headers or packet.correlation_data is not None:
                    headers, stamp = self._beside(message, headers)
                # By position: keywords cost a tenth of the throughput. None is for on_delivery, another name for the
                # callback before it.
                self._produce(topic, value, key, _BY_KEY, message.report, None, stamp, headers)
                return True
        except (BridgeError, MemoryError):
            raise
        except BufferError:
            return False
        except NotYetError as error:
            self._on_error(str(error))
            return False
        except KafkaException as error:
            if not self._classify_error(message, error.args[0]):
                return True
        except TopicError as error:
            self._config.check_expected(packet.topic)
            message.reason = records.shorten(error.cause)
        except Exception as error:  # noqa: BLE001 - whatever it is: this message caused it, and the next one may be good
            kind = "" if isinstance(error, PoisonError) else f"{type(error).__name__}: "
            message.reason = records.shorten(f"{kind}{error}")
        return self._dead_letter(message)

    def _beside(self, message: InFlight, origin: list[records.Header]) -> tuple[list[records.Header], int]:
        """Return the headers and the timestamp of a message that has more than a payload."""
        packet, received = message.packet, message.received
        headers = records.headers(packet, *origin) + (records.flags(packet, received) if self._all_headers else [])
        return headers, 0 if message.untimed else records.timestamp(packet, self._config.time)

    def _dead_letter(self, message: InFlight) -> bool:
        packet = message.packet
        if (topic := self._config.dead_letter_topic) is None:
            raise BridgeError(f"A message on {records.shorten(packet.topic)!r} can never be stored: {message.reason}.",
                              remedy="the MQTT broker has it; name a dead_letter_topic to get past it")  # fmt: skip
        letter = records.dead_letter(packet, message.received, message.reason, self._limit)
        value, key, headers, message.truncated = letter
        try:
            self._produce(topic, value, key, headers=headers, on_delivery=message.report)
        except BufferError:
            return False
        return True

    def refused(self, message: InFlight, error: KafkaError) -> None:
        """Take the report that Kafka has not stored ``message``, and try again here if that can help."""
        if self._classify_error(message, error):
            self._backlog.append(message)

    def _classify_error(self, message: InFlight, error: KafkaError) -> bool:
        """Return whether to produce again, as a dead letter if ``reason`` is set; else the message must come again.

        Raises ``BridgeError`` for what concerns the bridge itself.
        """
        code, topics = error.code(), ", ".join(self._config.kafka_topics)
        raise_if_refused(error)
        # librdkafka blames the whole batch for one timestamp: all go again with Kafka's time.
        wrong_time = code == KafkaError.INVALID_TIMESTAMP and not message.untimed
        message.untimed = message.untimed or wrong_time
        if wrong_time or code == KafkaError._INVALID_DIFFERENT_RECORD:
            return True
        if code in _UNKNOWN and (
            message.reason or self.routes[message.packet.topic].topic in self._config.kafka_topics
        ):
            raise BridgeError(f"A topic is gone from Kafka: {error.str()}", remedy=f"create it again; needed: {topics}")
        if code in _POISON | _UNKNOWN:
            if message.reason:
                raise BridgeError(f"Kafka refuses a dead letter: {error.str()}", remedy="check the topic's settings")
            message.reason = f"Kafka: {error.str()}"
            return True
        self._settle(message)
        self.counts.dropped_qos0 += message.packet.packet_id is None  # it is never sent again
        if code not in _PURGED:
            self._on_error(error.str())
            self._on_failure(message, error.str())
        return False

    def _settle(self, message: InFlight) -> None:
        self.held -= message.size
        self.outstanding -= 1

    def _note_error(self, error: KafkaError) -> None:
        self._on_error(error.str())
        raise_if_refused(error)
