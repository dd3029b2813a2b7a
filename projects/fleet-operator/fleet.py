"""Devices to try it with. Each publishes a reading a second; every third knows MQTT 3.1.1 only. A thief comes by."""

import json
import random
import time
import uuid

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import settings


class Device:
    """A generator: what it measures, how it says so, and how it answers a command."""

    def __init__(self, number):
        self.id, self.boot, self.seq, self.fuel, self.robbed = f"G-{number:03}", uuid.uuid4().hex[:8], 0, 1000.0, 0
        self.old = number % 3 == 0
        version = mqtt.MQTTv311 if self.old else mqtt.MQTTv5
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"{settings.NS}fleet-{self.id}", protocol=version)
        self.client.on_connect = lambda *_: self.client.subscribe(settings.COMMANDS.replace("+", self.id), qos=1)
        self.client.on_message = self.obey
        self.client.connect(settings.MQTT_HOST, settings.MQTT_PORT)
        self.client.loop_start()

    def measure(self):
        self.seq, self.robbed = self.seq + 1, self.robbed - 1 if self.robbed > 0 else 20 * (random.random() < 0.005)
        self.fuel = max(0.0, self.fuel - 0.02 - 0.7 * (self.robbed > 0))
        return {"generatorID": self.id, "temperature": 82.0, "pressure": 380.0, "fuel": round(self.fuel, 2)}

    def publish(self, now):
        reading, beside, properties = self.measure(), {"seq": self.seq, "time": now, "boot": self.boot}, None
        if self.old:  # there are no user properties: an envelope
            reading = beside | {"reading": reading}
        else:
            properties = Properties(PacketTypes.PUBLISH)
            properties.UserProperty = [(name, str(value)) for name, value in beside.items()]
        topic = settings.FILTER.replace("+", self.id)
        self.client.publish(topic, json.dumps(reading), qos=1, properties=properties)

    def obey(self, client, _data, message):
        """Answer a command with one's boot: to the response topic, with the correlation data."""
        if where := getattr(message.properties, "ResponseTopic", ""):
            properties = Properties(PacketTypes.PUBLISH)
            properties.CorrelationData = message.properties.CorrelationData
            client.publish(where, self.boot, qos=1, properties=properties)


if __name__ == "__main__":
    devices = [Device(number) for number in range(1, settings.DEVICES + 1)]
    while True:
        for each in devices:
            each.publish(round(time.time(), 3))
        time.sleep(1)
