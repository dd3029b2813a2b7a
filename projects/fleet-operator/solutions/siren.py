"""Stage 2: each alarm becomes a command, and its answer comes back to Kafka. At least once, both ways."""

import json

import paho.mqtt.client as mqtt
from confluent_kafka import Consumer, Producer
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import settings

producer = Producer({"bootstrap.servers": settings.KAFKA, "enable.idempotence": True})


def on_message(client, _data, message):
    """Write an answer to Kafka; acknowledge it when it is there."""

    def stored(error, _record):
        if error is None:
            client.ack(message.mid, message.qos)

    key = message.topic.split("/")[-2]
    beside = {"boot": message.payload}
    producer.produce(settings.ANSWERS, message.properties.CorrelationData, key, headers=beside, on_delivery=stored)


session = Properties(PacketTypes.CONNECT)
session.SessionExpiryInterval = 24 * 3600
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"{settings.NS}siren", protocol=mqtt.MQTTv5, manual_ack=True)
client.on_connect = lambda *_: client.subscribe(settings.ANSWERED, qos=1)
client.on_message = on_message
client.connect(settings.MQTT_HOST, settings.MQTT_PORT, clean_start=False, properties=session)
client.loop_start()

options = {"group.id": f"{settings.NS}siren", "auto.offset.reset": "earliest", "enable.auto.commit": False}
with Consumer({"bootstrap.servers": settings.KAFKA, **options}) as alarms:
    alarms.subscribe([settings.ALARMS])
    while True:
        producer.poll(0)
        record = alarms.poll(0.2)
        if record is None or record.error():
            continue
        who, at = record.key().decode(), json.loads(record.value())["time"]
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic, properties.CorrelationData = settings.ANSWERED.replace("+", who), str(at).encode()
        sent = client.publish(settings.COMMANDS.replace("+", who), b"siren on", qos=1, properties=properties)
        sent.wait_for_publish(30)
        if not sent.is_published():
            raise TimeoutError("no PUBACK within 30 s")  # not committed: sent again after a restart
        alarms.commit(record, asynchronous=False)  # only now: a kill before this repeats the command
