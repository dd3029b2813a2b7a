"""MQTT to Kafka. A message is acknowledged when Kafka has it, so a crash repeats, and loses nothing."""

import json
import math
import time
from contextlib import suppress

import paho.mqtt.client as mqtt
from confluent_kafka import KafkaException, Producer
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import settings
from topics import make_topics


def unpack(payload, user_properties):
    """A reading, and its name: from the user properties of MQTT 5, or from the envelope of 3.1.1.

    Raises an exception if it is anything else: what comes through here must not stop a worker.
    """
    value, beside = json.loads(payload), dict(user_properties)
    if "reading" in value:
        beside, value = value, value["reading"]
    seconds, seq = float(beside["time"]), int(beside["seq"])
    if not isinstance(value["generatorID"], str) or not (0 < seconds < 1e10 and 0 <= seq < 1e15):
        raise ValueError(f"generatorID {value['generatorID']!r}, time {seconds}, seq {seq}")
    if not (math.isfinite(value["fuel"]) and math.isfinite(value["pressure"])):
        raise ValueError(f"fuel {value['fuel']}, pressure {value['pressure']}")
    return value, {"boot": str(beside["boot"]), "seq": str(seq), "time": str(seconds)}


def main():
    make_topics()
    producer = Producer({"bootstrap.servers": settings.KAFKA, "enable.idempotence": True, "message.timeout.ms": 0})
    connections = 0

    def on_connect(client, *_):
        nonlocal connections
        connections += 1
        client.subscribe(settings.FILTER, qos=1)

    def on_message(client, _data, message):
        received_in = connections  # in another connection its number may be another message's

        def stored(error, _record):
            if error:
                raise KafkaException(error)
            if received_in == connections:
                client.ack(message.mid, message.qos)

        try:
            value, headers = unpack(message.payload, getattr(message.properties, "UserProperty", []))
            record = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
            at = round(float(headers["time"]) * 1000)
            key = value["generatorID"]
            producer.produce(settings.READINGS, record, key, headers=headers, timestamp=at, on_delivery=stored)
        except Exception as error:  # whatever it is, it will not get better: keep the message, with the reason
            reason = f"{type(error).__name__}: {error}"[:200].encode(errors="replace")
            body = message.payload[:100_000]  # it may have been too large
            producer.produce(settings.DEAD, body, message.topic, headers={"reason": reason}, on_delivery=stored)

    session = Properties(PacketTypes.CONNECT)
    session.SessionExpiryInterval, session.ReceiveMaximum = 7 * 24 * 3600, 500
    name = f"{settings.NS}operator-bridge"
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5, manual_ack=True)
    client.on_connect = on_connect
    client.on_subscribe = lambda *_: print("the bridge carries", flush=True)
    client.on_message = on_message
    client.connect(settings.MQTT_HOST, settings.MQTT_PORT, clean_start=False, properties=session)
    while True:
        if client.loop(0.1) != mqtt.MQTT_ERR_SUCCESS:
            time.sleep(1)
            with suppress(OSError):  # the broker is still away
                client.reconnect()
        producer.poll(0)


if __name__ == "__main__":
    main()
