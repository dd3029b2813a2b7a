"""Topics are made on purpose: how many partitions, and how long they keep. And how one is read to its end."""

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import settings

KEEP = {name: 365 for name in (settings.ALARMS, settings.WINDOWS, settings.ANSWERS)}  # days
KEEP |= {name: 30 for name in (settings.READINGS, settings.LATE, settings.DEAD)}


def make_topics():
    days = 24 * 3600 * 1000
    new = [
        NewTopic(name, settings.PARTITIONS, config={"retention.ms": str(keep * days)}) for name, keep in KEEP.items()
    ]
    admin = AdminClient({"bootstrap.servers": settings.KAFKA})  # named: without a name it is gone before its answer
    for made in admin.create_topics(new).values():
        try:
            made.result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def read(topic):
    """What is in a topic now, for a reader who takes committed records only."""
    options = {"group.id": f"{topic}-look", "enable.partition.eof": True, "enable.auto.commit": False}
    with Consumer({"bootstrap.servers": settings.KAFKA, **options}) as consumer:
        partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        consumer.assign([TopicPartition(topic, each, 0) for each in partitions])
        records, ended = [], 0
        while ended < len(partitions):
            for record in consumer.consume(1000, timeout=0.2):
                if not record.error():
                    records.append(record)
                elif record.error().code() == KafkaError._PARTITION_EOF:
                    ended += 1
        return records
