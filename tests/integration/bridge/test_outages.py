"""Kafka away, the MQTT broker away, the session away: what is kept, and what is reported when a broker lost it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from helpers import lab
from helpers.bridge import Bridge
from helpers.lab.runtime.program import on_path
from tests.integration.bridge.support import Bench, Program, wait_until

MESSAGES = 2_000
PAYLOAD_BUDGET = 100_000
SECONDS = [3, pytest.param(60, marks=pytest.mark.weekly)]


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_kafka_away_nothing_is_lost_and_mqtt_stays_connected(bench: Bench, how: str, seconds: int) -> None:
    config = bench.config(keep_alive=1, receive_maximum=500, byte_budget=PAYLOAD_BUDGET, stall_after=1)
    devices = bench.devices()
    with Bridge(config) as bridge:
        devices.publish(100)
        devices.settle()
        wait_until(lambda: bridge.snapshot().counts.acked == 100, "the bridge carries")
        before = psutil.Process().memory_info().rss
        bench.kafka.stop() if how == "stopped" else bench.kafka.freeze()
        began = time.monotonic()
        devices.publish(MESSAGES)
        devices.settle()
        wait_until(lambda: bridge.snapshot().stalled, "the bridge says that it stalls")
        while time.monotonic() - began < seconds:
            snapshot = bridge.snapshot()
            assert snapshot.in_flight <= 500
            # What one read brought comes on top: 500 messages at most, of 1,500 bytes with what they cost in memory.
            assert snapshot.held <= PAYLOAD_BUDGET + 800_000
            time.sleep(0.1)
        assert psutil.Process().memory_info().rss - before < 50_000_000
        bench.kafka.start() if how == "stopped" else bench.kafka.thaw()
        wait_until(lambda: bridge.snapshot().counts.acked >= 100 + MESSAGES, "the bridge carries again")
    ledger = bridge.snapshot()
    assert ledger.counts.reconnects == 0, "keep-alive went on"
    outcome = bench.outcome(devices)
    assert outcome.missing == []
    assert outcome.duplicates == 0
    assert outcome.out_of_order == []
    devices.close()


def test_kafka_away_the_naive_bridge_loses_what_its_queue_cannot_hold(bench: Bench) -> None:
    devices = bench.devices()
    with Program("naive", bench.settings(kafka={**bench.kafka.kafka, "queue.buffering.max.messages": 500})):
        devices.publish(100)
        bench.wait_quiet(0.5)
        bench.kafka.freeze()
        devices.publish(MESSAGES)
        devices.settle()
        time.sleep(1)
        bench.kafka.thaw()
        bench.wait_quiet()
    devices.close()
    assert bench.outcome(devices).missing


IMPATIENT = {"message.timeout.ms": 1500, "linger.ms": 5}


def outlast_the_timeout(bench: Bench, kind: str) -> Any:
    devices = bench.devices()
    with Program(kind, bench.settings(kafka={**bench.kafka.kafka, **IMPATIENT}, receive_maximum=500)):
        devices.publish(100)
        bench.wait_quiet(0.5)
        bench.kafka.freeze()
        devices.publish(500)
        devices.settle()
        time.sleep(4)
        bench.kafka.thaw()
        devices.publish(100)
        devices.settle()
        bench.wait_quiet(3)
    devices.close()
    return bench.outcome(devices)


def test_with_a_finite_timeout_what_failed_is_not_acknowledged_and_comes_again(bench: Bench) -> None:
    assert outlast_the_timeout(bench, "ours").missing == []


def test_with_a_finite_timeout_the_naive_bridge_loses(bench: Bench) -> None:
    assert outlast_the_timeout(bench, "naive").missing


def need_mosquitto(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--mqtt") == "embedded":
        pytest.skip("by design: this run is for the embedded broker")
    if not on_path("mosquitto"):
        pytest.skip("Mosquitto is not installed")


@pytest.fixture
def own_mqtt(bench: Bench) -> Iterator[Bench]:
    """An MQTT broker of the test's own, to be restarted."""
    with lab.scratch("mqtt", provider=bench.mqtt.provider) as broker:
        yield Bench(broker, bench.kafka, bench.name)


# Whether each broker keeps the session, and the messages waiting in it. Mosquitto writes a snapshot at intervals and
# when told to stop; killed, it knows what it knew then. Artemis has a journal, which the lab lets it write milliseconds
# after the PUBACK: killed, it may or may not know its last messages (None).
KEPT = {
    ("mosquitto", "stop"): (True, True),
    ("mosquitto", "kill"): (False, False),
    ("artemis", "stop"): (True, True),
    ("artemis", "kill"): (True, None),
}


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_mqtt_broker_restarted(own_mqtt: Bench, how: str) -> None:
    bench = own_mqtt
    devices = bench.devices(count=3)
    config = bench.config(receive_maximum=10, sequence="seq", keep_alive=2)
    with Bridge(config) as bridge:
        devices.publish(30)
        devices.settle()
        wait_until(lambda: bridge.snapshot().counts.acked == 30, "the bridge carries")
        # Kafka hangs, so that the rest waits in the MQTT broker when that ends.
        bench.kafka.freeze()
        devices.publish(300)
        devices.settle()
        getattr(bench.mqtt, how)()
        bench.mqtt.start()
        bench.kafka.thaw()
        wait_until(lambda: bridge.snapshot().counts.reconnects > 0, "the bridge reconnects")
        wait_until(lambda: bridge.snapshot().state == "carrying", "the bridge subscribes again")
        devices.publish(30)
        devices.settle()
        wait_until(lambda: bridge.snapshot().in_flight == 0, "the bridge has caught up")
        bench.wait_quiet(1)
        ledger = bridge.snapshot()
    devices.close()
    outcome = bench.outcome(devices)
    sent_last = [(device, number) for device, numbers in devices.sent.items() for number in numbers[-10:]]
    assert not set(sent_last) & set(outcome.missing), "subscribed again"
    session, messages = KEPT[bench.mqtt.provider, how]
    assert session == (ledger.counts.sessions_lost == 0)
    assert messages in {None, outcome.missing == []}
    assert ledger.counts.missing == len(outcome.missing), "what the broker lost is reported"


def test_a_session_that_expired_is_an_alarm(bench: Bench) -> None:
    config = bench.config(session_expiry=1, expect_session=True)
    devices = bench.devices()
    with Bridge(bench.config(session_expiry=1)) as bridge:
        assert bridge.snapshot().counts.sessions_lost == 0, "the first session of all is no alarm"
    time.sleep(3)
    devices.publish(70)
    devices.settle()
    with Bridge(config) as bridge:
        devices.publish(7)
        devices.settle()
        wait_until(lambda: bridge.snapshot().counts.acked == 7, "the bridge carries what comes now")
        assert bridge.snapshot().counts.sessions_lost == 1
        assert "SESSIONS LOST" in bridge.snapshot().line()
    devices.close()
    assert len(bench.outcome(devices).missing) == 70, "the alarm was true"


def test_what_a_full_queue_dropped_is_reported_from_sequence_numbers(bench: Bench, pytestconfig: pytest.Config) -> None:
    need_mosquitto(pytestconfig)
    with lab.scratch("mqtt", provider="mosquitto", max_queued_messages=100, sys_interval=1) as broker:
        bench = Bench(broker, bench.kafka, bench.name)
        devices = bench.devices(count=3)
        with Bridge(bench.config(receive_maximum=20, sequence="seq")) as bridge:
            devices.publish(30)
            wait_until(lambda: bridge.snapshot().counts.acked == 30, "the bridge carries")
            bench.kafka.freeze()
            devices.publish(1000)
            devices.settle()
            bench.kafka.thaw()
            wait_until(lambda: bridge.snapshot().in_flight == 0, "the queue is drained")
            bench.wait_quiet(1)
            devices.publish(30)
            devices.settle()
            bench.wait_quiet(1)
            wait_until(lambda: bridge.snapshot().counts.broker_dropped, "Mosquitto's own count says so too")
            missing = bridge.snapshot().counts.missing
        devices.close()
        assert missing > 0
        assert missing == len(bench.outcome(devices).missing)
