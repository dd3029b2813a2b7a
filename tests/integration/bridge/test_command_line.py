"""``lab bridge`` carries ``lab simulate``'s fleet, as one types it, while everything around it breaks."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

import pytest

from tests.integration.bridge.support import Bench, count, records, wait_until

LAB = str(Path(sys.executable).with_name("lab"))
RATE = 200
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="by design: signals are a POSIX idea")


class Command:
    """A ``lab`` command in a process of its own, and what it has printed so far."""

    def __init__(self, env: dict[str, str], *arguments: str) -> None:
        self._env = env | {"PYTHONUNBUFFERED": "1"}
        self._arguments = arguments
        self.said = ""

    def start(self) -> Self:
        self.process = subprocess.Popen(
            [LAB, *self._arguments], env=self._env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()
        return self

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(90)
        self._reader.join(10)
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)


@pytest.fixture
def env(bench: Bench, lab_env: dict[str, str]) -> dict[str, str]:
    """The bench's brokers as given ones, which a test may break; the registry is the tests' lab's."""
    given = {
        "LAB_MQTT_HOST": bench.mqtt.mqtt.host,
        "LAB_MQTT_PORT": str(bench.mqtt.mqtt.port),
        "LAB_KAFKA_BOOTSTRAP_SERVERS": bench.kafka.kafka["bootstrap.servers"],
    }
    return {**lab_env, "LAB_MQTT_PROVIDER": "", "LAB_KAFKA_PROVIDER": "", "LAB_NAMESPACE": bench.name, **given}


@pytest.mark.parametrize("rounds", [1, pytest.param(6, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_a_fleet_is_carried_through_every_fault(bench: Bench, env: dict[str, str], rounds: int) -> None:
    topic = f"{bench.name}-generators-readings"
    fleet = Command(env, "simulate", "--rate", str(RATE), "--size", "20")
    bridge = Command(env, "bridge", "--make-topics", "--sequence", "seq")

    def stored() -> int:
        return count(bench.kafka.kafka, topic)

    def goes_on() -> None:
        before = stored()
        wait_until(lambda: stored() > before + RATE, "readings go on arriving in Kafka")

    with bridge:
        wait_until(lambda: "carrying" in bridge.said, "the bridge carries")
        with fleet:
            for _ in range(rounds):
                goes_on()
                bridge.end(signal.SIGKILL)
                time.sleep(2)  # the fleet speaks, and nobody listens
                bridge.start()
                goes_on()
                bench.kafka.freeze()
                time.sleep(3)
                bench.kafka.thaw()
                goes_on()
                bench.kafka.kill()
                bench.kafka.start()
                goes_on()
                bench.mqtt.stop()
                bench.mqtt.start()
                goes_on()
            assert fleet.end(signal.SIGINT) == 0, fleet.said
        told = re.search(r"(\d+) readings published and acknowledged", fleet.said)
        assert told, fleet.said
        sent = int(told[1])
        wait_until(lambda: stored() >= sent, "everything sent is in Kafka")
        bench.wait_quiet(0.5)
        code = bridge.end(signal.SIGINT)
    assert code == 0, bridge.said
    assert "Ledger: " in bridge.said

    found: Counter[tuple[Any, ...]] = Counter()
    for record in records(bench.kafka.kafka, topic):
        headers = dict(record.headers())
        found[record.key(), headers["boot"], int(headers["seq"])] += 1
    assert len(found) == sent, "none is missing, and duplicates are the same reading again"


def test_a_bridge_without_its_topics_says_what_to_do(env: dict[str, str]) -> None:
    bridge = Command(env, "bridge").start()
    assert bridge.wait() == 1
    assert "create it first" in bridge.said, bridge.said
    assert "Traceback" not in bridge.said
