"""Dead letters, sent again: what passes now is stored where it belongs, and the rest becomes a dead letter again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import cast

import mqtt5
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from helpers.errors import BridgeError
from helpers.sink import Counts, InFlight, Sink, SinkConfig
from helpers.sink.cluster import raise_if_refused
from helpers.sink.records import Moment

_BATCH, _TRIES, _SLICE, _ANSWERED_WITHIN = 1_000, 100, 0.1, 30.0
_KNOWN = 6  # the last headers of a dead letter, and of one that was cut to fit not the last


def replay(config: SinkConfig, group_id: str, on_error: Callable[[str], None]) -> Counts:
    """Send each dead letter again that the dead-letter topic of ``config`` has now, and return the counts.

    Of the ``received`` ones, ``produced`` passed and ``dead_lettered`` are at the end of the topic again, with the
    present reason. The others stay where they are: they were cut to fit, or are not of the bridge to Kafka.

    Offsets are committed under ``group_id`` after Kafka's delivery reports. So the next replay goes on where this one
    ended; if it was killed, some are sent twice, and none is lost. ``on_error`` is called with what is waited for.
    Raises ``BridgeError`` if Kafka does not answer, or for what would end a bridge.
    """
    counts = Counts()
    if config.dead_letter_topic is None:
        raise BridgeError("Without their topic there are no dead letters.", remedy="give dead_letter_topic")
    sink = Sink(config, counts, on_error, _fail)
    settings = {"auto.offset.reset": "earliest", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({"log_level": 2, **config.kafka, **settings, "group.id": group_id})
    try:
        with contextlib.closing(consumer), contextlib.closing(sink):
            if not sink.open():
                raise BridgeError("Kafka does not answer.", remedy="start it, and try again")
            for batch in _batches(consumer, config.dead_letter_topic, on_error):
                counts.received += len(batch)
                for message in filter(None, (original(record, sink) for record in batch)):
                    sink.send(message)
                while sink.outstanding:
                    sink.poll(_SLICE)
    except KafkaException as error:
        raise BridgeError(f"Kafka: {error.args[0].str()}", remedy="try again: nothing is lost") from error
    return counts


def _batches(consumer: Consumer, topic: str, on_error: Callable[[str], None]) -> Iterator[list[Message]]:
    """Yield what a topic has now, not what comes meanwhile; commit each batch when the next one is asked for."""
    partitions = consumer.list_topics(topic, timeout=_ANSWERED_WITHIN).topics[topic].partitions
    places = _committed(consumer, [TopicPartition(topic, each) for each in partitions])
    ends = {each.partition: consumer.get_watermark_offsets(each, timeout=_ANSWERED_WITHIN)[1] for each in places}
    # With offsets: without them the client would ask a new coordinator just once, and then wait for ever.
    consumer.assign([TopicPartition(topic, each.partition, max(each.offset, OFFSET_BEGINNING)) for each in places])
    while ends:
        batch = []
        for record in consumer.consume(_BATCH, _SLICE):
            partition, error = record.partition() or 0, record.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # the client tries again
                on_error(error.str())
                raise_if_refused(error)
            elif error is None and (record.offset() or 0) < ends.get(partition, 0):
                batch.append(record)
            else:
                ends.pop(partition, None)
        yield batch
        for last in {record.partition(): record for record in batch}.values():
            consumer.commit(message=last, asynchronous=False)


def _committed(consumer: Consumer, places: list[TopicPartition]) -> list[TopicPartition]:
    for _ in range(_TRIES):  # in a new cluster, the coordinator of groups is not there at once
        with contextlib.suppress(KafkaException):
            return consumer.committed(places, timeout=_ANSWERED_WITHIN)
        time.sleep(_SLICE)
    return consumer.committed(places, timeout=_ANSWERED_WITHIN)


def original(record: Message, sink: Sink) -> InFlight | None:
    """Return the message of a whole dead letter, the reverse of ``records.dead_letter``; ``None`` for other records."""
    found = cast("list[tuple[str, bytes]]", record.headers() or [])
    foreign, known = found[:-_KNOWN], dict(found[-_KNOWN:])
    correlation = foreign.pop()[1] if foreign and foreign[-1][0] == "mqtt.correlation-data" else None
    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):  # cut, of another kind, or forged
        packet = mqtt5.PublishPacket(
            known["mqtt.topic"].decode(), record.value() or b"", qos=mqtt5.QoS(int(known["mqtt.qos"])),
            packet_id=1 if known["mqtt.qos"] == b"1" else None, retain=known["mqtt.retain"] == b"1",
            duplicate=known["mqtt.dup"] == b"1", correlation_data=correlation,
            user_properties=[(name, value.decode()) for name, value in foreign],
        )  # fmt: skip
        return InFlight(packet, Moment(time.monotonic(), ("mqtt.received", known["mqtt.received"])), sink)
    return None


def _fail(_message: InFlight, reason: str) -> None:
    raise BridgeError(f"Kafka did not store a message: {reason}", remedy="try again: nothing is lost")
