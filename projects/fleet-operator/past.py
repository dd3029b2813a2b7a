"""Write the past of six generators: `NS=replay- uv run python past.py DAYS`. A reading a minute, ending now."""

import json
import sys
import time

from confluent_kafka import Producer

import settings
from topics import make_topics


def write(days):
    make_topics()
    producer = Producer({"bootstrap.servers": settings.KAFKA, "enable.idempotence": True, "linger.ms": 50})
    refused = []

    def report(error, _record):
        if error:
            refused.append(error)

    began = time.time() // 60 * 60 - days * 86_400
    for minute in range(days * 1440):
        if minute % 1440 == 0:
            producer.flush(60)  # a day at a time: the producer's queue takes 100,000 records
        for number in range(1, 7):
            burnt = number * (minute % 1440) / 60  # filled up every night
            value = {"generatorID": f"G-{number:03}", "fuel": round(1000 - burnt, 2), "pressure": 380.0}
            headers = {"boot": "past", "seq": str(minute + 1)}
            at = int(began + 60 * minute) * 1000
            record = {"key": value["generatorID"], "value": json.dumps(value), "headers": headers, "timestamp": at}
            producer.produce(settings.READINGS, **record, on_delivery=report)
        producer.poll(0)
    if missing := producer.flush(60) + len(refused):
        sys.exit(f"Kafka has not confirmed {missing:,} readings. {refused[0] if refused else 'Does it run?'}")
    print(f"{days * 1440 * 6:,} readings are in {settings.READINGS}")


if __name__ == "__main__":
    write(int(sys.argv[1]))
