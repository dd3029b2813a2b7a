"""Kafka to MQTT: an offset is committed when the broker has the command, and not before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

import paho.mqtt.client as mqtt
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from helpers.bridge import Bridge, CommandsConfig
from helpers.topics import TopicMapping
from tests.integration.bridge.support import Bench, Program, wait_until


def config(bench: Bench, **changes: Any) -> CommandsConfig:
    return CommandsConfig(
        **{
            "mqtt": bench.mqtt.mqtt,
            "kafka": dict(bench.kafka.kafka),
            "client_id": f"{bench.name}-back",
            "group_id": f"{bench.name}-back",
            "route": TopicMapping(f"{bench.name}/{{device}}/commands", topic=bench.topic, key="{device}"),
            "dead_letter_topic": bench.dead,
            **changes,
        }
    )


def produce(bench: Bench, *commands: tuple[str | None, str | None], **more: Any) -> None:
    producer = Producer(dict(bench.kafka.kafka))
    for key, value in commands:
        producer.produce(bench.topic, value, key, **more)
    assert producer.flush(60) == 0


def committed(bench: Bench) -> int:
    consumer = Consumer({**bench.kafka.kafka, "group.id": f"{bench.name}-back"})
    try:
        places = consumer.committed([TopicPartition(bench.topic, each) for each in range(3)], timeout=30)
        return sum(max(0, place.offset) for place in places)
    finally:
        consumer.close()


class Generators:
    """Subscribes like the generators do, and keeps what they would get."""

    def __init__(self, bench: Bench) -> None:
        self.got: list[Any] = []
        self._name = bench.name
        self._subscribed = False
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_message = lambda _client, _data, message: self.got.append(message)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{bench.name}/+/commands", qos=1)
        self._client.on_subscribe = self._note
        self._client.connect(bench.mqtt.mqtt.host, bench.mqtt.mqtt.port)
        self._client.loop_start()
        wait_until(lambda: self._subscribed, "the generators listen")

    def _note(self, *_: object) -> None:
        self._subscribed = True

    def publish(self, payload: bytes) -> None:
        self._client.publish(f"{self._name}/G-9/commands", payload, qos=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_commands_arrive_in_order_per_generator_with_what_an_answer_needs(bench: Bench) -> None:
    headers = [("mqtt.response-topic", b"answers"), ("mqtt.correlation-data", b"c-1"), ("by", b"operator")]
    with Generators(bench) as generators, Bridge(config(bench)) as bridge:
        produce(bench, *((f"G-{number % 5}", str(number)) for number in range(500)), headers=headers)
        wait_until(lambda: len(generators.got) == 500, "all commands arrive")
        wait_until(lambda: bridge.snapshot().in_flight == 0, "all are acknowledged")
    assert committed(bench) == 500
    for device in range(5):
        numbers = [int(each.payload) for each in generators.got if each.topic == f"{bench.name}/G-{device}/commands"]
        assert (numbers if bench.mqtt_keeps_order else sorted(numbers)) == list(range(device, 500, 5))
    properties = generators.got[0].properties
    assert properties.ResponseTopic == "answers"
    assert properties.CorrelationData == b"c-1"
    assert 0 < properties.MessageExpiryInterval <= 60
    assert dict(properties.UserProperty)["by"] == "operator"
    assert dict(properties.UserProperty)["kafka.topic"] == bench.topic


def wait_for_failures(bridge: Bridge) -> None:
    wait_until(lambda: bridge.snapshot().counts.reconnects or "MQTT" in bridge.snapshot().last_error, "MQTT is away")


def test_with_mqtt_down_the_offset_is_held(bench: Bench) -> None:
    with Generators(bench) as generators, Bridge(config(bench, expiry=None)) as bridge:
        produce(bench, ("G-1", "first"))
        wait_until(lambda: generators.got and bridge.snapshot().in_flight == 0, "the first command arrives")
        bench.mqtt.stop()
        wait_for_failures(bridge)
        produce(bench, *(("G-1", str(number)) for number in range(20)))
        before = bridge._runner._failures
        wait_until(lambda: bridge._runner._failures > before + 1, "the bridge tries again, and once more")
        assert committed(bench) == 1
        bench.mqtt.start()
        wait_until(lambda: bridge.snapshot().counts.acked == 21, "the rest arrives once MQTT is back")
    assert committed(bench) == 21


def test_a_naive_consumer_commits_what_mqtt_never_got(bench: Bench) -> None:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.connect(bench.mqtt.mqtt.host, bench.mqtt.mqtt.port)
    bench.mqtt.stop()
    produce(bench, *(("G-1", str(number)) for number in range(20)))
    consumer = Consumer({**bench.kafka.kafka, "group.id": f"{bench.name}-back", "auto.offset.reset": "earliest"})
    consumer.subscribe([bench.topic])
    taken: list[Any] = []
    while len(taken) < 20:
        taken += consumer.consume(20, 1)
        for record in taken:
            client.publish(f"{bench.name}/{record.key().decode()}/commands", record.value(), qos=0)
    consumer.close()  # commits, as it does by default
    assert committed(bench) == 20, "and no broker had one of them"


def test_a_frozen_mqtt_broker_holds_the_offset_and_gets_all_again(bench: Bench) -> None:
    with Generators(bench) as generators, Bridge(config(bench, keep_alive=1)) as bridge:
        produce(bench, ("G-1", "first"))
        wait_until(lambda: generators.got and bridge.snapshot().in_flight == 0, "the first command arrives")
        bench.mqtt.freeze()
        produce(bench, *(("G-1", str(number)) for number in range(20)))
        wait_until(lambda: bridge.snapshot().in_flight == 20, "they are sent")
        assert committed(bench) == 1
        wait_for_failures(bridge)
        bench.mqtt.thaw()
        wait_until(lambda: bridge.snapshot().in_flight == 0 and bridge.snapshot().counts.acked >= 21, "they arrive")
    assert committed(bench) == 21


def test_stale_looped_and_impossible_commands_are_not_sent(bench: Bench) -> None:
    with Generators(bench) as generators, Bridge(config(bench, expiry=10)) as bridge:
        produce(bench, ("G-1", "stale"), timestamp=int(time.time() * 1000) - 11_000)
        produce(bench, ("G-1", "looped"), headers=[("mqtt.topic", f"{bench.name}/G-1/commands".encode())])
        produce(bench, (None, "no key"), ("a/b", "two levels"), ("+", "wildcard"))
        produce(bench, ("G-1", "good"))
        wait_until(lambda: bridge.snapshot().counts.received == 6, "all were read")
        wait_until(lambda: bridge.snapshot().in_flight == 0, "all are dealt with")
        wait_until(lambda: generators.got, "the good one arrives")
        counts = bridge.snapshot().counts
    assert [each.payload for each in generators.got] == [b"good"]
    assert (counts.expired, counts.looped, counts.dead_lettered) == (1, 1, 3)
    assert len(bench.dead_letters()) == 3
    assert committed(bench) == 6


# What people's systems put into headers and keys of commands: by it Mosquitto closed the connection, again and again.
FOREIGN = [
    ("note", "line one\nline two"),
    ("traceparent", b"\xff\xfe\x00\x01"),
    ("__value_schema_id", b"\x01" + bytes(range(16))),
    ("trace", b"a\x00b"),
    ("other", "\uffff"),
    ("a\nb", "x"),
    ("long", "x" * 70_000),
    ("mqtt.topic", "somewhere/else"),
]


def test_no_foreign_header_decides_over_a_command(bench: Bench) -> None:
    with Generators(bench) as generators, Bridge(config(bench)) as bridge:
        for number, header in enumerate(FOREIGN):
            produce(bench, (f"G-{number}", str(number)), headers=[("by", "operator"), header])
        wait_until(lambda: bridge.snapshot().counts.acked == len(FOREIGN), "all are carried")
        wait_until(lambda: len(generators.got) == len(FOREIGN), "all arrive")
        counts = bridge.snapshot().counts
    assert (counts.reconnects, counts.dead_lettered, counts.left_out) == (0, 0, len(FOREIGN) - 1)
    assert all(("by", "operator") in each.properties.UserProperty for each in generators.got)
    assert committed(bench) == len(FOREIGN)


def test_a_key_or_answer_that_mqtt_cannot_hold_is_dead_lettered_and_the_next_passes(bench: Bench) -> None:
    producer = Producer(dict(bench.kafka.kafka))
    with Generators(bench) as generators, Bridge(config(bench)) as bridge:
        for key in (b"G-1\n", b"G\xff", "G\uffff".encode(), b"x" * 70_000):
            producer.produce(bench.topic, b"bad", key)
        for answer in (b"a\nb", b"\xff", b"a/+", b""):
            producer.produce(bench.topic, b"bad", b"G-1", headers=[("mqtt.response-topic", answer)])
        producer.produce(bench.topic, b"bad", b"G-1", headers=[("mqtt.correlation-data", b"x" * 70_000)])
        producer.produce(bench.topic, b"good", b"G-1")
        assert producer.flush(60) == 0
        wait_until(lambda: bridge.snapshot().counts.received == 10, "all were read")
        wait_until(lambda: bridge.snapshot().in_flight == 0, "all are dealt with")
        wait_until(lambda: generators.got, "the good one arrives")
        counts = bridge.snapshot().counts
    assert [each.payload for each in generators.got] == [b"good"]
    assert (counts.reconnects, counts.dead_lettered) == (0, 9)
    reasons = [dict(each.headers())["dead-letter.reason"].decode() for each in bench.dead_letters()]
    assert all(reason and reason.isprintable() for reason in reasons), reasons


def test_what_the_mqtt_broker_will_not_take_is_found_among_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its own check of texts, the bridge learns from the broker what that does not take."""
    monkeypatch.setattr("helpers.bridge.commands.is_mqtt_text", lambda _: True)
    with Generators(bench) as generators, Bridge(config(bench)) as bridge:
        produce(bench, *(("G-1", str(number)) for number in range(100)))
        produce(bench, ("G-1", "bad"), headers=[("note", "one\ntwo")])
        produce(bench, *(("G-1", str(number)) for number in range(100, 200)))
        wait_until(lambda: bridge.snapshot().counts.received == 201, "all were read")
        wait_until(lambda: bridge.snapshot().in_flight == 0, "all are dealt with")
        counts = bridge.snapshot().counts
        wait_until(lambda: b"199" in [each.payload for each in generators.got], "the last one arrives")
    first = list(dict.fromkeys(int(each.payload) for each in generators.got if each.payload != b"bad"))
    assert (first if bench.mqtt_keeps_order else sorted(first)) == list(range(200))
    if bench.mqtt.provider == "mosquitto":
        assert (counts.dead_lettered, counts.acked, counts.reconnects) == (1, 200, 2)
        assert [each.value() for each in bench.dead_letters()] == [b"bad"]
    assert committed(bench) == 201


def test_an_idle_bridge_stays_connected(bench: Bench) -> None:
    with Generators(bench) as generators, Bridge(config(bench, keep_alive=1)) as bridge:
        bench.wait_quiet(4)  # more than one and a half keep-alives
        produce(bench, ("G-1", "at last"))
        wait_until(lambda: generators.got, "the command arrives")
        assert bridge.snapshot().counts.reconnects == 0


def test_after_a_kill_the_next_run_waits_for_its_partitions_and_then_carries(bench: Bench) -> None:
    settings = {name: bench.settings()[name] for name in ("mqtt", "kafka", "client_id")}
    route = {"pattern": f"{bench.name}/{{device}}/commands", "topic": bench.topic, "key": "{device}"}
    with Program("commands", {**settings, "group_id": f"{bench.name}-back", "route": route}) as first:
        first.kill()
    with Generators(bench) as generators, Bridge(config(bench)) as bridge:
        produce(bench, ("G-1", "for the next run"))
        assert bridge.snapshot().state == "waiting for partitions"
        wait_until(lambda: generators.got, "the next run takes over, though the first never left the group")
        assert bridge.snapshot().state == "carrying"


def test_a_command_that_came_from_kafka_does_not_go_back_there(bench: Bench) -> None:
    routes = [{"pattern": f"{bench.name}/{{device}}/commands", "topic": bench.topic, "key": "{device}"}]
    with Bridge(bench.config(routes=routes)) as forth, Bridge(config(bench)):
        produce(bench, ("G-1", "start"))
        wait_until(lambda: forth.snapshot().counts.looped == 1, "the guard sees it")
        wait_until(lambda: forth.snapshot().counts.acked == 1, "it is acknowledged")
    assert bench.stored() == 1


def desired_state(bench: Bench, produced: Callable[[], None], expected: list[bytes]) -> None:
    produced()
    with Bridge(config(bench, retain=True, expiry=None)) as bridge:
        wait_until(lambda: bridge.snapshot().counts.acked >= 1, "the state is with the broker")
        wait_until(lambda: bridge.snapshot().in_flight == 0, "all of it")
    with Generators(bench) as generators:
        generators.publish(b"now")  # what is retained was sent at the subscription, before this
        wait_until(lambda: len(generators.got) > len(expected), "what is retained comes, and what is sent now")
    assert [each.payload for each in generators.got if each.payload != b"now"] == expected


def test_a_desired_state_waits_for_a_generator_that_sleeps_and_a_tombstone_clears_it(bench: Bench) -> None:
    desired_state(bench, lambda: produce(bench, ("G-1", "run"), ("G-1", "rest")), [b"rest"])
    desired_state(bench, lambda: produce(bench, ("G-1", None)), [])
