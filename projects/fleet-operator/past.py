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
    began = time.time() // 60 * 60 - days * 86_400
    for minute in range(days * 1440):
        for number in range(1, 7):
            burnt = number * (minute % 1440) / 60  # filled up every night
            value = {"generatorID": f"G-{number:03}", "fuel": round(1000 - burnt, 2), "pressure": 380.0}
            headers = {"boot": "past", "seq": str(minute + 1)}
            at = int(began + 60 * minute) * 1000
            producer.produce(settings.READINGS, json.dumps(value), value["generatorID"], headers=headers, timestamp=at)
        producer.poll(0)
    producer.flush(60)
    print(f"{days * 1440 * 6:,} readings are in {settings.READINGS}")


if __name__ == "__main__":
    write(int(sys.argv[1]))
