"""Poison, payloads of every kind, schemas: what can be produced flows, the rest is kept as dead letters, exactly."""

from __future__ import annotations

import contextlib
import gc
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mqtt5
import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from helpers import lab
from helpers.bridge import Bridge, BridgeError
from helpers.bridge.connection import Connection
from helpers.bridge.forward import Forward
from tests.integration.bridge.support import Bench, Program, ends_by_itself, records, wait_until

POISON = {
    "one in a hundred": (3_000, lambda index: index % 100 == 0, 30),
    "1,100 in a row": (1_500, lambda index: 100 <= index < 1_200, 1_100),
}


@pytest.mark.parametrize("name", POISON)
def test_poison_is_dead_lettered_and_the_good_ones_flow(bench: Bench, name: str) -> None:
    messages, poison, bad = POISON[name]
    devices = bench.devices()
    with Bridge(bench.config(serializer="json", receive_maximum=500)) as bridge:
        devices.publish(messages, poison=poison)
        devices.settle()
        wait_until(lambda: bridge.snapshot().counts.acked == messages, "all are acknowledged")
    devices.close()
    outcome, letters = bench.outcome(devices), bench.dead_letters()
    assert (outcome.missing, outcome.duplicates, outcome.out_of_order) == ([], 0, [])
    assert bridge.snapshot().counts.dead_lettered == len(letters) == bad
    headers = dict(letters[0].headers())
    assert letters[0].value() == b"{poison"
    assert headers["mqtt.topic"].startswith(f"{bench.name}/G-".encode())
    assert headers["dead-letter.reason"].startswith(b"not JSON")


def test_afterwards_python_collects_garbage_as_before(bench: Bench) -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    with Bridge(bench.config()):
        assert gc.get_threshold() > before[0]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_poison_stops_the_naive_bridge(bench: Bench) -> None:
    devices = bench.devices()
    with Program("naive", bench.settings(serializer="json")):
        devices.publish(100, poison=lambda index: index == 50)
        devices.settle()
        bench.wait_quiet()
    devices.close()
    assert bench.outcome(devices).missing
    assert bench.dead_letters() == []


def test_poison_may_stop_the_bridge_and_is_not_acknowledged(bench: Bench) -> None:
    devices = bench.devices()
    config = bench.config(serializer="json", dead_letter_topic=None)
    with ends_by_itself(config, "can never be stored"):
        devices.publish(1, poison=lambda _: True)
    with Bridge(bench.config(serializer="json")) as bridge:
        wait_until(lambda: bridge.snapshot().counts.dead_lettered == 1, "the message was still there")
    devices.close()


def test_a_missing_topic_is_an_error_at_the_start(bench: Bench) -> None:
    with (
        pytest.raises(BridgeError, match=f"no topic {bench.name}-nowhere"),
        Bridge(bench.config(dead_letter_topic=f"{bench.name}-nowhere")),
    ):
        pytest.fail("the bridge started")


def test_a_dead_letter_topic_that_goes_away_ends_the_bridge_and_nothing_is_acknowledged(bench: Bench) -> None:
    admin, devices = AdminClient(dict(bench.kafka.kafka)), bench.devices()
    # How long librdkafka takes an unknown topic for one that is still being made; 30 s by default.
    kafka = {**bench.kafka.kafka, "topic.metadata.propagation.max.ms": 1000, "topic.metadata.refresh.interval.ms": 500}
    with ends_by_itself(bench.config(kafka=kafka, serializer="json"), "gone") as bridge:
        devices.publish(1, poison=lambda _: True)
        wait_until(lambda: bridge.snapshot().counts.dead_lettered == 1, "a dead letter")
        admin.delete_topics([bench.dead])[bench.dead].result(30)
        devices.publish(5, poison=lambda index: index == 0)
        devices.settle()
    assert bridge.snapshot().counts.acked == 1, "neither the poison nor what came after it"
    bench.create(NewTopic(bench.dead, 1, 1))
    with Bridge(bench.config(serializer="json")) as bridge:
        wait_until(lambda: bridge.snapshot().counts.acked == 5, "all of it comes again")
        assert bridge.snapshot().counts.dead_lettered == 1
    devices.close()
    assert bench.outcome(devices).missing == []


SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Reading",
    "type": "object",
    "properties": {"generatorID": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["generatorID", "n"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def registry(_clean_environment: None) -> Iterator[Any]:
    with lab.scratch("registry") as broker:
        yield broker


def test_a_schema_checks_and_frames_and_a_registry_that_is_down_is_waited_for(bench: Bench, registry: Any) -> None:
    client = SchemaRegistryClient(dict(registry.registry))
    client.register_schema(f"{bench.topic}-value", Schema(json.dumps(SCHEMA), "JSON"))
    devices = bench.devices()
    config = bench.config(serializer="schema", registry=dict(registry.registry))
    with Bridge(config) as bridge:
        devices.publish(50)
        wait_until(lambda: bridge.snapshot().counts.acked == 50, "the bridge carries")
        devices.one("G-001", b'{"generatorID": "G-001", "n": "many"}')
        wait_until(lambda: bridge.snapshot().counts.dead_lettered == 1, "what does not fit is a dead letter")
    registry.freeze()
    try:
        with Bridge(config) as bridge:
            devices.publish(50)
            devices.settle()
            wait_until(lambda: "registry" in bridge.snapshot().last_error, "the bridge says what it waits for")
            assert bridge.snapshot().counts.acked == 0
            assert bridge.snapshot().counts.dead_lettered == 0
            registry.thaw()
            wait_until(lambda: bridge.snapshot().counts.acked == 50, "the bridge carries on")
            assert bridge.snapshot().counts.dead_lettered == 0
    finally:
        registry.thaw()
    devices.close()
    outcome = bench.outcome(devices)
    assert outcome.missing == [("G-001", 7)], "that one is a dead letter"
    read = JSONDeserializer(None, schema_registry_client=client)
    context = SerializationContext(bench.topic, MessageField.VALUE)
    assert {read(record.value(), context)["generatorID"] for record in outcome.records} == set(devices.sent)


def test_a_schema_that_grows_is_noticed(bench: Bench, registry: Any) -> None:
    client = SchemaRegistryClient(dict(registry.registry))
    client.register_schema(f"{bench.topic}-value", Schema(json.dumps(SCHEMA), "JSON"))
    grown = SCHEMA | {"properties": {**SCHEMA["properties"], "site": {"type": "string"}}}  # type: ignore[dict-item]
    devices = bench.devices()
    with Bridge(bench.config(serializer="schema", registry=dict(registry.registry))) as bridge:
        devices.publish(7)
        wait_until(lambda: bridge.snapshot().counts.acked == 7, "the bridge carries")
        client.register_schema(f"{bench.topic}-value", Schema(json.dumps(grown), "JSON"))
        wait_until(lambda: client.get_latest_version(f"{bench.topic}-value").version == 2, "version 2")
        time.sleep(1.5)  # a schema is asked for at most once a second
        devices.one("G-001", b'{"generatorID": "G-001", "n": 1, "site": "hospital"}')
        wait_until(lambda: bridge.snapshot().counts.acked == 8, "the bridge takes the new form")
        assert bridge.snapshot().counts.dead_lettered == 0
    devices.close()


def test_a_missing_subject_ends_the_bridge(bench: Bench, registry: Any) -> None:
    devices = bench.devices()
    config = bench.config(serializer="schema", registry=dict(registry.registry))
    with ends_by_itself(config, "no subject") as bridge:
        devices.publish(1)
    assert bridge.snapshot().counts.acked == 0
    devices.close()


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "objects"}, "is not valid"),
        ({"type": "object", "properties": {"n": {"$ref": "#/definitions/count"}}}, "cannot be used"),
        ({"type": "object", "properties": {"n": {"$ref": "http://127.0.0.1:9/n.json"}}}, "cannot be used"),
    ],
)
def test_a_broken_schema_ends_the_bridge(bench: Bench, registry: Any, schema: dict[str, Any], says: str) -> None:
    client = SchemaRegistryClient(dict(registry.registry))
    text = json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", **schema})
    client.register_schema(f"{bench.topic}-value", Schema(text, "JSON"))
    devices = bench.devices()
    with ends_by_itself(bench.config(serializer="schema", registry=dict(registry.registry)), says) as bridge:
        devices.publish(1)
    assert bridge.snapshot().counts.acked == 0
    devices.close()


PAYLOADS = [b"", b"\x00\xff\xfe", b"x" * 256_000, "ü".encode(), b"{}"]


def test_raw_takes_every_payload_as_it_is(bench: Bench) -> None:
    devices = bench.devices(count=1)
    with Bridge(bench.config()) as bridge:
        for payload in PAYLOADS:
            devices.one("G-000", payload)
        wait_until(lambda: bridge.snapshot().counts.acked == len(PAYLOADS), "all are acknowledged")
    devices.close()
    assert sorted(record.value() for record in bench.outcome(devices.settle()).records) == sorted(PAYLOADS)


def test_what_is_too_large_for_kafka_becomes_a_truncated_dead_letter(bench: Bench) -> None:
    devices = bench.devices(count=1)
    with Bridge(bench.config()) as bridge:
        devices.one("G-000", b"x" * 2_000_000)
        devices.one("G-000", b"y" * 900_000)
        wait_until(lambda: bridge.snapshot().counts.acked == 2, "both are acknowledged")
    devices.close()
    assert bridge.snapshot().counts.truncated == 1
    (letter,) = bench.dead_letters()
    assert dict(letter.headers())["dead-letter.length"] == b"2000000"
    assert dict(letter.headers())["seq"] == b"0"
    assert bench.stored() == 1


def test_a_topic_with_a_small_limit_takes_what_fits(bench: Bench) -> None:
    name = f"{bench.name}-small"
    settings = {"max.message.bytes": "5000"}
    bench.create(NewTopic(name, 1, 1, config=settings))
    routes = [{"pattern": f"{bench.name}/{{device}}/readings", "topic": name, "key": "{device}"}]
    devices = bench.devices()
    with Bridge(bench.config(routes=routes)) as bridge:
        devices.publish(2000)
        devices.one("G-000", b"x" * 6000)
        wait_until(lambda: bridge.snapshot().counts.acked == 2001, "all are acknowledged")
    devices.close()
    assert bridge.snapshot().counts.dead_lettered == 1, "batches stay within the limit too"


def test_topics_that_make_no_kafka_name_or_match_no_template_are_dead_lettered(bench: Bench) -> None:
    routes = [
        {"pattern": f"{bench.name}/{{device}}/{{kind}}", "topic": f"{bench.name}-{{kind}}", "key": "{device}"},
    ]
    devices = bench.devices(count=1)
    kafka = {**bench.kafka.kafka, "topic.metadata.propagation.max.ms": 500, "topic.metadata.refresh.interval.ms": 300}
    with Bridge(bench.config(routes=routes, kafka=kafka)) as bridge:
        devices.one("G-000")
        for topic in ("G-000/fuel level", "G-000/no-such", "/readings"):
            devices._client.publish(f"{bench.name}/{topic}", b"{}", qos=1)
        wait_until(lambda: bridge.snapshot().counts.acked == 4, "all are acknowledged")
    devices.close()
    assert bench.stored() == 1
    assert bridge.snapshot().counts.dead_lettered == len(bench.dead_letters()) == 3


def test_user_properties_and_provenance_become_headers(bench: Bench) -> None:
    devices = bench.devices(count=1)
    with Bridge(bench.config(headers="all")) as bridge:
        devices.one("G-000")
        wait_until(lambda: bridge.snapshot().counts.acked == 1, "it is acknowledged")
    devices.close()
    (record,) = bench.outcome(devices.settle()).records
    headers = dict(record.headers())
    assert record.key() == b"G-000"
    assert headers["seq"] == b"0"
    assert headers["boot"] == b"1"
    assert headers["mqtt.topic"] == f"{bench.name}/G-000/readings".encode()
    assert {"mqtt.qos", "mqtt.retain", "mqtt.dup", "mqtt.received"} <= headers.keys()


@pytest.mark.parametrize(("retained", "carried"), [("new", 2), ("never", 1)])
def test_retained_messages_come_once_or_never(bench: Bench, retained: str, carried: int) -> None:
    devices = bench.devices(count=1)
    client = devices._client
    client.publish(f"{bench.name}/G-000/readings", b"old", qos=1, retain=True).wait_for_publish(30)
    for _ in range(2):
        with Bridge(bench.config(retained=retained)) as bridge:
            wait_until(lambda: bridge.snapshot().in_flight == 0, "nothing is left")
    with Bridge(bench.config(retained=retained)) as bridge:
        devices.one("G-000")
        wait_until(lambda: bench.stored() >= carried, "it arrives")
        bench.wait_quiet(0.5)
    client.publish(f"{bench.name}/G-000/readings", b"", retain=True).wait_for_publish(30)
    devices.close()
    assert bench.stored() == carried


def test_qos_0_beyond_the_budget_is_dropped_and_counted(bench: Bench) -> None:
    devices = bench.devices(count=1)
    with Bridge(bench.config(byte_budget=20_000)) as bridge:
        bench.kafka.freeze()
        for _ in range(100):
            devices._client.publish(f"{bench.name}/G-000/readings", b"x" * 1000, qos=0)
        wait_until(lambda: bridge.snapshot().counts.received_qos0 == 100, "all were received")
        bench.kafka.thaw()
        dropped = bridge.snapshot().counts.dropped_qos0
        wait_until(lambda: bridge.snapshot().counts.produced == 100 - dropped, "the rest is produced")
    devices.close()
    assert 80 <= dropped < 100
    assert bench.stored() == 100 - dropped


def tiny(bench: Bench, count: int) -> None:
    """Publish so many messages of one byte at QoS 0."""
    connection = Connection(bench.mqtt.mqtt, mqtt5.ConnectPacket(f"{bench.name}-tiny"))
    packet = mqtt5.PublishPacket(f"{bench.name}/G-000/readings", b"x").write()
    for _ in range(count // 1000):
        connection.send(packet * 1000)
        connection.read(0)
    connection.finish()


def test_a_flood_of_tiny_messages_stays_within_the_budget_of_bytes(bench: Bench) -> None:
    budget, flood = 20_000_000, 100_000
    with Bridge(bench.config(byte_budget=budget)) as bridge:
        tiny(bench, 1000)
        wait_until(lambda: bridge.snapshot().counts.produced >= 900, "the bridge carries")
        before = psutil.Process().memory_info().rss
        bench.kafka.freeze()
        tiny(bench, flood)
        wait_until(lambda: bridge.snapshot().counts.dropped_qos0, "there is no room for more")
        grown = psutil.Process().memory_info().rss - before
        assert bridge.snapshot().held <= budget
        assert grown < budget + 20_000_000, "one buffer more, and what the allocator keeps"
        bench.kafka.thaw()


def test_a_time_that_kafka_refuses_does_not_cost_the_batch(bench: Bench) -> None:
    """Kafka refuses the whole batch for one time that the topic does not allow."""
    name = f"{bench.name}-strict"
    bench.create(NewTopic(name, 1, 1, config={"message.timestamp.before.max.ms": "60000"}))
    routes = [{"pattern": f"{bench.name}/{{device}}/readings", "topic": name, "key": "{device}"}]
    kafka = {**bench.kafka.kafka, "linger.ms": 200}  # one batch
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    with Bridge(bench.config(routes=routes, kafka=kafka)) as bridge:
        connection = Connection(bench.mqtt.mqtt, mqtt5.ConnectPacket(f"{bench.name}-old"))
        packets = [
            mqtt5.PublishPacket(
                f"{bench.name}/G-000/readings",
                str(number).encode(),
                qos=mqtt5.QoS.AT_LEAST_ONCE,
                packet_id=number + 1,
                user_properties=[("time", old)] if number == 3 else [],
            ).write()
            for number in range(10)
        ]
        connection.send(b"".join(packets))
        wait_until(lambda: bridge.snapshot().counts.acked == 10, "all are acknowledged")
        connection.finish()
        ledger = bridge.snapshot()
    assert (ledger.counts.produced, ledger.counts.dead_lettered, ledger.counts.reconnects) == (10, 0, 0)
    assert sorted(int(record.value()) for record in records(bench.kafka.kafka, name)) == [*range(10)]


def test_a_device_that_says_kafka_topic_loses_nothing(bench: Bench) -> None:
    with Bridge(bench.config()) as bridge:
        connection = Connection(bench.mqtt.mqtt, mqtt5.ConnectPacket(f"{bench.name}-claims"))
        for packet_id, claim in enumerate(("elsewhere", bench.topic), 1):
            packet = mqtt5.PublishPacket(
                f"{bench.name}/G-000/readings",
                b"{}",
                qos=mqtt5.QoS.AT_LEAST_ONCE,
                packet_id=packet_id,
                user_properties=[("kafka.topic", claim)],
            )
            connection.send(packet.write())
        wait_until(lambda: bridge.snapshot().counts.acked == 2, "both are acknowledged")
        connection.finish()
    assert bench.stored() == 1
    assert "1 CAME FROM KAFKA" in bridge.snapshot().line()


def test_a_filter_of_an_earlier_configuration_ends_the_bridge_and_unsubscribe_ends_the_filter(bench: Bench) -> None:
    old = [{"pattern": f"{bench.name}/+/{{device}}", "topic": bench.topic, "key": "{device}"}]
    new = [{"pattern": f"{bench.name}/new/{{device}}", "topic": bench.topic, "key": "{device}"}]
    with Bridge(bench.config(routes=old)):
        pass
    devices = bench.devices(count=1)
    devices._client.publish(f"{bench.name}/old/G-000", b"waits", qos=1).wait_for_publish(30)
    bridge = Bridge(bench.config(routes=new))
    with pytest.raises(BridgeError, match="earlier configuration"), bridge:
        wait_until(lambda: bridge.error, "the bridge ends")
    assert bridge.snapshot().counts.acked == 0, "the MQTT broker still has it"
    with Bridge(bench.config(routes=new, unsubscribe=(f"{bench.name}/+/+",))) as bridge:
        devices._client.publish(f"{bench.name}/new/G-000", b"{}", qos=1).wait_for_publish(30)
        wait_until(lambda: bench.stored() == 1, "the first of the new ones comes")
        if bench.mqtt_keeps_unsubscribed:
            wait_until(lambda: bridge.snapshot().counts.dead_lettered == 1, "what waited is a dead letter")
    with Bridge(bench.config(routes=new)) as bridge:
        devices._client.publish(f"{bench.name}/old/G-000", b"after", qos=1).wait_for_publish(30)
        devices._client.publish(f"{bench.name}/new/G-000", b"{}", qos=1).wait_for_publish(30)
        wait_until(lambda: bench.stored() == 2, "the new one comes, and nothing before it")
    devices.close()
    assert b"after" not in [record.value() for record in bench.dead_letters()]


def test_overlapping_routes_store_each_message_once(bench: Bench) -> None:
    routes = [
        {"pattern": f"{bench.name}/{{device}}/{level}", "topic": bench.topic, "key": "{device}"}
        for level in ("alarm", "+", "#")
    ]
    devices = bench.devices(count=1)
    with Bridge(bench.config(routes=routes)) as bridge:
        for _ in range(5):
            devices._client.publish(f"{bench.name}/G-000/alarm", b"!", qos=1).wait_for_publish(30)
        wait_until(lambda: bridge.snapshot().counts.acked >= 5, "all are acknowledged")
        bench.wait_quiet(0.5)
    devices.close()
    assert bench.stored() == 5


def test_a_full_disk_is_not_an_mqtt_failure(bench: Bench) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("by design: /dev/full is a Linux device")
    devices = bench.devices(count=1)
    with Path("/dev/full").open("w") as full:
        runner = Forward(bench.config(), lambda snapshot: print(snapshot.line(), file=full, flush=True), 0.01)
        thread = threading.Thread(target=runner.run, daemon=True)
        thread.start()
        wait_until(runner.ready.is_set, "the bridge carries")
        devices.publish(500, rate=500)
        wait_until(lambda: runner.snapshot().counts.acked == 500, "all are acknowledged")
        runner.stop.set()
        thread.join()
        with contextlib.suppress(OSError):
            full.close()
    devices.close()
    assert runner.snapshot().counts.reconnects == 0
    assert bench.stored() == 500
