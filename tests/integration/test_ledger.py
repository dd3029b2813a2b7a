"""A ledger finds readings on real brokers: in Kafka, in the dead-letter topic, in a session, and nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.checks.brokers import MqttClient
from helpers.errors import LessonError
from helpers.fleet import Fleet
from helpers.ledger import Ledger, name_of
from tests.waiting import wait_until


def test_a_ledger_finds_each_reading_once(here: Any, unique: Callable[[str], str]) -> None:
    topic, client_id = unique("ledger"), unique("ledger-session")
    admin = AdminClient(dict(here.kafka))
    for future in admin.create_topics([NewTopic(each, 3) for each in (topic, f"{topic}-dead")]).values():
        future.result(30)
    wait_until(lambda: {topic, f"{topic}-dead"} <= admin.list_topics(timeout=10).topics.keys(), "the topics")
    readings = list(Fleet(size=3).readings(seconds=4))
    ledger = Ledger()
    names = [name_of(each.generator_id, each.headers()) for each in readings]
    for name in names:
        ledger.publish(name)
    ledger.acknowledge(*names[:-1])

    producer = Producer(dict(here.kafka))
    for reading in [*readings[:6], readings[0]]:
        producer.produce(topic, key=reading.generator_id, value=reading.to_json(), headers=reading.headers())
    producer.produce(f"{topic}-dead", key=f"yard/{names[6][0]}", value=b"?", headers=readings[6].headers())
    assert producer.flush(30) == 0
    with MqttClient(here, client_id, keep_session=True) as subscriber:
        subscriber.subscribe(f"{topic}/+")
    with MqttClient(here) as device:
        for reading in readings[7:9]:
            properties = Properties(PacketTypes.PUBLISH)
            properties.UserProperty = reading.headers()
            device.publish(f"{topic}/{reading.generator_id}", reading.to_json(), properties)

    ledger.read(here, topic, dead_letters=f"{topic}-dead", patience=5)
    for _ in range(2):  # looking takes nothing away
        ledger.look_into_session(here, client_id)
        expected = {"once": 5, "repeated": 1, "dead-lettered": 1, "waiting": 2, "at the device": 1, "lost": 2}
        assert ledger.counts() == expected
    assert ledger.in_order
    assert [letter.value() for letter in ledger.dead_letters] == [b"?"]

    with pytest.raises(LessonError, match=f"no topic {here.ns}{topic}-daed"):
        ledger.read(here, topic, dead_letters=f"{topic}-daed")
    ledger.read(here, topic, dead_letters=f"{topic}-dead", patience=1)  # nor does reading again count twice
    assert ledger.counts() == expected
