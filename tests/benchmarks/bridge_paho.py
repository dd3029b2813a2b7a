"""The bridge that lesson 7 ends with, for the benchmark: paho, manual acknowledgements in order, confluent-kafka."""

from __future__ import annotations

import json
import sys
from collections import deque
from typing import Any

import paho.mqtt.client as mqtt
from confluent_kafka import KafkaError, Message, Producer
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

place = json.loads(sys.argv[1])
# Mosquitto 2.0.11 sends more than Receive Maximum, so the queue must hold a backlog.
queue = {"queue.buffering.max.messages": 1_000_000}
producer = Producer(
    {"bootstrap.servers": place["bootstrap"], "linger.ms": 5, "acks": "all", "enable.idempotence": True, **queue}
)
waiting: deque[list[Any]] = deque()


def on_message(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
    entry = [message.mid, False]
    waiting.append(entry)

    def reported(error: KafkaError | None, _message: Message) -> None:
        if error is None:
            entry[1] = True
            while waiting and waiting[0][1]:
                client.ack(waiting.popleft()[0], 1)

    key = message.topic.split("/")[1]
    headers = [("mqtt.topic", message.topic)]
    producer.produce(place["topic"], message.payload, key, headers=headers, on_delivery=reported)


def on_connect(client: mqtt.Client, *_: object) -> None:
    client.subscribe(place["mqtt_filter"], qos=1)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"paho-{place['topic']}", protocol=mqtt.MQTTv5, manual_ack=True)
client.on_message, client.on_connect = on_message, on_connect
properties = Properties(PacketTypes.CONNECT)
properties.SessionExpiryInterval = 86_400
properties.ReceiveMaximum = 10_000
client.connect(place["host"], place["port"], clean_start=False, properties=properties)
client.loop_start()
while True:
    producer.poll(0.01)
