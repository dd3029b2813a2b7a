"""Dead letters sent again: what passes now is stored, what does not is kept, and a kill loses nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import mqtt5
from confluent_kafka import Consumer, Producer, TopicPartition

from helpers.bridge import Bridge
from helpers.bridge.replay import replay
from helpers.sink.records import Moment, dead_letter
from tests.integration.bridge.support import Bench, Program, records, wait_until

LIMIT = 1_000_000


def write_dead_letters(bench: Bench, payloads: list[bytes], limit: int = LIMIT) -> None:
    producer = Producer(dict(bench.kafka.kafka))
    for number, payload in enumerate(payloads):
        packet = mqtt5.PublishPacket(
            f"{bench.name}/G-{number % 7}/readings", payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1,
            user_properties=[("seq", str(number)), ("boot", "1")], correlation_data=b"\xff",
        )  # fmt: skip
        value, key, headers, _ = dead_letter(packet, Moment.now(), "not JSON", limit)
        producer.produce(bench.dead, value, key, headers=headers)
    assert producer.flush(60) == 0


def committed(bench: Bench) -> int:
    consumer = Consumer({**bench.kafka.kafka, "group.id": group(bench)})
    try:
        return max(0, consumer.committed([TopicPartition(bench.dead, 0)], timeout=30)[0].offset)
    finally:
        consumer.close()


def group(bench: Bench) -> str:
    return f"{bench.name}-bridge-replay"


def again(bench: Bench, **changes: Any) -> tuple[int, int, int]:
    counts = replay(bench.config(**changes), group(bench), lambda _: None)
    return counts.received, counts.produced, counts.dead_lettered


def test_what_passes_now_is_stored_as_if_it_had_passed_at_once(bench: Bench) -> None:
    devices = bench.devices()
    with Bridge(bench.config(serializer="json", headers="all")) as bridge:
        devices.one("G-000", b"{bad")
        devices.one("G-000", b"{}")
        wait_until(lambda: bridge.snapshot().counts.acked == 2, "both are dealt with")
    assert again(bench, serializer="json", headers="all") == (1, 0, 1), "it is as bad as before"
    assert again(bench, headers="all") == (1, 1, 0), "raw takes it"
    assert again(bench, headers="all") == (0, 0, 0), "and that was all"
    devices.close()
    good, bad = sorted(bench.outcome(devices).records, key=lambda each: each.value(), reverse=True)
    assert (good.value(), bad.value(), bad.key()) == (b"{}", b"{bad", b"G-000")
    kept = dict(bad.headers())
    assert list(kept) == [name for name, _ in good.headers()]
    assert (kept["seq"], kept["mqtt.qos"], kept["mqtt.topic"]) == (b"0", b"1", f"{bench.name}/G-000/readings".encode())
    first, second = bench.dead_letters()
    assert first.headers() == second.headers(), "once more the same dead letter"


def test_what_cannot_be_sent_again_is_left_alone(bench: Bench) -> None:
    write_dead_letters(bench, [b"x" * 5_000], limit=2_000)
    producer = Producer(dict(bench.kafka.kafka))
    forged = [(f"mqtt.{name}", b"\xff") for name in ("topic", "qos", "retain", "dup", "received")]
    for headers in ([], [("dead-letter.reason", b"a command")], [*forged, ("dead-letter.reason", b"\xff")]):
        producer.produce(bench.dead, b"x", headers=headers)
    assert producer.flush(60) == 0
    write_dead_letters(bench, [b"good"])
    assert again(bench) == (5, 1, 0)
    assert bench.stored() == 1
    assert len(bench.dead_letters()) == 5


def test_a_replay_that_is_killed_loses_nothing(bench: Bench) -> None:
    payloads = [str(number).encode() if number % 10 else b"{bad" for number in range(5_000)]
    write_dead_letters(bench, payloads)
    settings = bench.settings(serializer="json", killed_after=2_500)
    with Program("replay, killed", settings) as killed:
        killed.process.wait(90)
    assert 0 < bench.stored() < 4_500, "it was in the middle"
    before = committed(bench)
    assert 0 < before < 5_000
    assert again(bench, serializer="json")[0] >= 5_000 - before
    seen = Counter(int(dict(each.headers())["seq"]) for each in records(bench.kafka.kafka, bench.topic))
    assert sorted(seen) == [number for number in range(5_000) if number % 10], "each good one at least once"
    assert max(seen.values()) <= 2
    after = committed(bench)
    waiting = {int(dict(each.headers())["seq"]) for each in bench.dead_letters() if each.offset() >= after}
    assert waiting == set(range(0, 5_000, 10)), "each bad one is there for the next replay"
