"""All of it, on the brokers that MQTT and KAFKA name: devices of both kinds, repetitions, a kill, one alarm each."""

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import settings
import topics

FOLDER = Path(__file__).parents[1]
WITHIN = 120.0  # seconds
BEGAN = time.time() // 60 * 60 - 600


@pytest.fixture(autouse=True)
def brokers():
    try:
        AdminClient({"bootstrap.servers": settings.KAFKA, "log_level": 0}).list_topics(timeout=5)
        mqtt.Client(mqtt.CallbackAPIVersion.VERSION2).connect(settings.MQTT_HOST, settings.MQTT_PORT)
    except (KafkaException, OSError) as error:
        pytest.skip(f"no brokers ({error}): `docker compose up --wait`, or MQTT=host:port KAFKA=host:port")


def publish(ns, generator, version, *poison):
    """Five minutes with a theft from second 11 to 30, each reading twice; then what no bridge can carry."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"{ns}{generator}", protocol=version)
    client.connect(settings.MQTT_HOST, settings.MQTT_PORT)
    client.loop_start()
    sent = []
    for second in [*range(300), *range(300)]:
        fuel = round(1000 - 0.02 * second - 0.7 * min(max(second - 10, 0), 20), 2)
        value = {"generatorID": generator, "fuel": fuel, "pressure": 380.0}
        beside, properties = {"seq": second + 1, "time": BEGAN + second, "boot": "b"}, None
        if version == mqtt.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)
            properties.UserProperty = [(name, str(each)) for name, each in beside.items()]
        else:
            value = beside | {"reading": value}
        sent.append(client.publish(f"{ns}fleet/{generator}/readings", json.dumps(value), qos=1, properties=properties))
    for each in poison:
        sent.append(client.publish(f"{ns}fleet/{generator}/readings", each, qos=1))
    for each in sent:
        each.wait_for_publish(WITHIN)
    client.disconnect()
    client.loop_stop()


def read(topic):
    return [(each.key().decode(), json.loads(each.value())) for each in topics.read(topic)]


def until(condition, what):
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {WITHIN:.0f} s"
        time.sleep(0.2)


def test_each_theft_has_one_alarm_in_spite_of_repetitions_and_a_kill(tmp_path):
    ns = f"test-{uuid.uuid4().hex[:8]}-"
    env = os.environ | {"NS": ns, "PYTHONPATH": str(FOLDER), "GRACE": "0"}

    def start(program, *arguments):
        log = (tmp_path / f"{program}.log").open("ab")
        return subprocess.Popen(
            [sys.executable, FOLDER / program, *arguments], cwd=tmp_path, env=env, stdout=log, stderr=log
        )

    running = [start("bridge.py"), start("worker.py", "1")]
    bridge_log = tmp_path / "bridge.py.log"
    try:
        until(lambda: "carries" in bridge_log.read_text() or running[0].poll(), "a subscription")
        assert "carries" in bridge_log.read_text()
        reading = {"generatorID": "G-001", "fuel": 1000, "pressure": 380, "note": "x" * 1_100_000}
        large = {"seq": 601, "time": BEGAN, "boot": "b", "reading": reading}
        publish(ns, "G-001", mqtt.MQTTv5, b"\xff", json.dumps(large))
        until(lambda: read(f"{ns}operator-alarms"), "the first alarm")
        running[1].kill()
        running[1].wait()
        running[1] = start("worker.py", "1")
        publish(ns, "G-003", mqtt.MQTTv311)
        until(lambda: len(read(f"{ns}operator-windows")) >= 8, "four closed windows of each")
        assert sorted((who, alarm["time"]) for who, alarm in read(f"{ns}operator-alarms")) == [
            ("G-001", BEGAN + 11),
            ("G-003", BEGAN + 11),
        ]
        assert len(read(f"{ns}operator-windows")) == 8
        assert len(read(f"{ns}operator-readings")) == 1200  # Kafka keeps what the devices said, twice
        assert read(f"{ns}operator-late") == []
        reasons = [dict(each.headers())["reason"] for each in topics.read(f"{ns}operator-dead")]
        assert [each.split(b":")[0] for each in reasons] == [b"UnicodeDecodeError", b"KafkaException"]
    finally:
        for each in running:
            each.kill()
            each.wait()
