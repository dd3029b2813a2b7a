"""Killed, told to stop, or working in pairs, under load: nothing is lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.bridge.support import Bench, Devices, Program

WINDOW = 500


@contextmanager
def stream(devices: Devices, count: int) -> Iterator[None]:
    """Publish ``count`` messages from a thread; the block begins in the middle of them, and afterwards all are sent."""
    half = threading.Event()

    def publish() -> None:
        devices.publish(count // 2, rate=2000)
        half.set()
        devices.publish(count - count // 2, rate=2000)

    thread = threading.Thread(target=publish)
    thread.start()
    half.wait()
    try:
        yield
    finally:
        thread.join()
        devices.settle()


def kill_again_and_again(bench: Bench, kind: str, kills: int) -> Devices:
    devices = bench.devices()
    with Program(kind, bench.settings(receive_maximum=WINDOW)) as bridge:
        for _ in range(kills):
            with stream(devices, 1000):
                bridge.wait_received()
                time.sleep(random.uniform(0, 0.1))  # noqa: S311
                bridge.kill()
            bridge.start()
        bench.wait_quiet()
    devices.close()
    return devices


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.weekly)])
def test_killed_in_mid_stream_nothing_is_lost(bench: Bench, kills: int) -> None:
    outcome = bench.outcome(kill_again_and_again(bench, "ours", kills))
    assert outcome.missing == []
    assert outcome.out_of_order == []
    assert outcome.duplicates <= kills * WINDOW


def test_killed_in_mid_stream_the_naive_bridge_loses(bench: Bench) -> None:
    assert bench.outcome(kill_again_and_again(bench, "naive", 2)).missing


def stop_under_load(bench: Bench, kind: str) -> tuple[Devices, list[dict[str, object]]]:
    devices, ledgers = bench.devices(), []
    with Program(kind, bench.settings()) as bridge:
        with stream(devices, 2000):
            bridge.wait_received()
            ledgers.append(bridge.terminate())
        bridge.start()
        bench.wait_quiet()
        ledgers.append(bridge.terminate())
    devices.close()
    return devices, ledgers


def test_told_to_stop_under_load_nothing_is_lost_and_nothing_comes_twice(bench: Bench) -> None:
    devices, ledgers = stop_under_load(bench, "ours")
    outcome = bench.outcome(devices)
    assert outcome.missing == []
    assert outcome.duplicates == 0
    assert outcome.out_of_order == []
    assert sum(int(str(ledger["produced"])) for ledger in ledgers) == devices.total
    assert sum(int(str(ledger["acked"])) for ledger in ledgers) == devices.total
    assert {ledger["in_flight"] for ledger in ledgers} == {0}


def test_told_to_stop_under_load_the_naive_bridge_loses(bench: Bench) -> None:
    assert bench.outcome(stop_under_load(bench, "naive")[0]).missing


def two_on_a_shared_subscription(bench: Bench, kind: str) -> Devices:
    def member(name: str) -> Program:
        client_id = f"{bench.name}-{name}"
        return Program(kind, bench.settings(share="bridges", client_id=client_id, receive_maximum=WINDOW))

    devices = bench.devices()
    with member("one") as one, member("two"):
        with stream(devices, 2000):
            one.wait_received()
            one.kill()
        # Its messages wait in its session until it is back under its client id.
        one.start()
        bench.wait_quiet()
    devices.close()
    return devices


def test_two_on_a_shared_subscription_lose_nothing(bench: Bench) -> None:
    outcome = bench.outcome(two_on_a_shared_subscription(bench, "ours"))
    assert outcome.missing == []


def test_two_naive_ones_on_a_shared_subscription_lose(bench: Bench) -> None:
    assert bench.outcome(two_on_a_shared_subscription(bench, "naive")).missing
