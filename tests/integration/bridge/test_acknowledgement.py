"""Which PUBACKs leave, and when: looked at on the wire."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import mqtt5
import pytest

from helpers import lab
from helpers.bridge import Bridge, BridgeError
from helpers.bridge.connection import Connection, connect_packet
from helpers.lab.runtime.program import on_path
from helpers.relay.relay import Relay
from tests.integration.bridge.support import Bench, Program, wait_until


@pytest.fixture
def relay(bench: Bench) -> Iterator[Relay]:
    with Relay(bench.mqtt.mqtt.host, bench.mqtt.mqtt.port) as relay:
        yield relay


def through(relay: Relay) -> dict[str, object]:
    return {"host": relay.host, "port": relay.port}


def ids(relay: Relay, kind: str, *, to_broker: bool) -> list[int]:
    seen = [each for each in relay.packets() if each.kind == kind and each.to_broker is to_broker]
    return [each.packet_id for each in seen if each.packet_id is not None]


def acknowledged_and_received(bench: Bench, relay: Relay, kind: str) -> tuple[list[int], list[int]]:
    """Carry messages to twelve partitions, whose reports come in an order of their own; return both lists of ids."""
    devices = bench.devices(count=50)
    with Program(kind, bench.settings(mqtt=through(relay), receive_maximum=2000)):
        for _ in range(3):
            devices.publish(1000)
            bench.wait_quiet(0.5)
        devices.settle()
        wait_until(lambda: len(ids(relay, "PUBACK", to_broker=True)) == 3000, "all are acknowledged")
    devices.close()
    return ids(relay, "PUBACK", to_broker=True), ids(relay, "PUBLISH", to_broker=False)


@pytest.fixture
def wide(bench: Bench) -> Bench:
    return Bench(bench.mqtt, bench.kafka, f"{bench.name}w").make_topics(partitions=12)


def test_pubacks_leave_in_receive_order(wide: Bench, relay: Relay) -> None:
    acked, received = acknowledged_and_received(wide, relay, "ours")
    assert acked == received


def test_acknowledging_in_the_order_of_reports_breaks_it(wide: Bench, relay: Relay) -> None:
    acked, received = acknowledged_and_received(wide, relay, "acks by report")
    assert sorted(acked) == sorted(received)
    assert acked != received


def test_a_report_that_comes_after_a_reconnect_acknowledges_nothing(bench: Bench, relay: Relay) -> None:
    class Through:
        host, port, username, password, tls = relay.host, relay.port, None, None, None

    devices = bench.devices(count=3)
    with Bridge(bench.config(mqtt=Through(), receive_maximum=10)) as bridge:
        bench.kafka.freeze()
        devices.publish(10)
        devices.settle()
        wait_until(lambda: bridge.snapshot().in_flight == 10, "ten messages wait for Kafka")
        relay.cut()
        # Mosquitto under the same packet ids, which is the trap; Artemis under new ones.
        wait_until(lambda: bridge.snapshot().counts.received == 20, "the broker sends them again")
        assert ids(relay, "PUBACK", to_broker=True) == []
        bench.kafka.thaw()
        wait_until(lambda: bridge.snapshot().counts.acked == 10, "all are acknowledged")
        # The first ten reports belong to the cut connection. Had they acknowledged, there would be twenty PUBACKs.
        wait_until(lambda: bridge.snapshot().counts.produced == 20, "Kafka has both")
        devices.publish(10)
        wait_until(lambda: bridge.snapshot().counts.acked == 20, "new messages under old ids are acknowledged once")
    devices.close()
    received = ids(relay, "PUBLISH", to_broker=False)
    assert ids(relay, "PUBACK", to_broker=True) == received[10:]
    outcome = bench.outcome(devices.settle())
    assert outcome.missing == []
    assert outcome.duplicates == 10


def take_and_forget(bench: Bench, config_of: str) -> None:
    """Be the bridge's client id for a moment: receive the messages, and die without a PUBACK."""
    config = bench.config()
    connection = Connection(config.mqtt, connect_packet(bench.config(session_expiry=3600)))
    received = 0
    ends = time.monotonic() + 30
    while received < 10 and time.monotonic() < ends:
        received += sum(type(packet) is mqtt5.PublishPacket for packet in connection.read(0.1))
    connection.close()
    assert received == 10, config_of


def redeliver(bench: Bench, kind: str) -> list[tuple[str, int]]:
    devices = bench.devices(count=1)
    with Program(kind, bench.settings()) as program:
        program.kill()
    devices.publish(10)
    devices.settle()
    take_and_forget(bench, kind)
    with Program(kind, bench.settings()):
        bench.wait_quiet()
    devices.close()
    return bench.outcome(devices).missing


def test_dup_is_no_reason_to_drop(bench: Bench) -> None:
    assert redeliver(bench, "ours") == []


def test_a_bridge_that_drops_dup_loses(bench: Bench) -> None:
    if bench.mqtt.provider == "artemis":
        pytest.skip("by design: Artemis sends again without DUP")
    assert redeliver(bench, "skips DUP")


@pytest.mark.parametrize(("provider", "says"), [("artemis", "took over"), ("mosquitto", "same client id")])
def test_of_two_bridges_with_one_client_id_one_ends(bench: Bench, provider: str, says: str) -> None:
    """Artemis says so, by 0x8E. Mosquitto 2.0 closes the connection, and each of the two connects again."""
    if provider == "mosquitto" and not on_path("mosquitto"):
        pytest.skip("Mosquitto is not installed")
    with lab.scratch("mqtt", provider=provider) as broker:
        bench = Bench(broker, bench.kafka, bench.name)
        bridges = [Bridge(bench.config()) for _ in range(2)]
        for bridge in bridges:
            bridge.__enter__()
        wait_until(lambda: any(bridge.error for bridge in bridges), "one of them ends")
        errors = [str(bridge.error) for bridge in bridges if bridge.error]
        for bridge in bridges:
            with contextlib.suppress(BridgeError):
                bridge.close()
        assert says in errors[0]
