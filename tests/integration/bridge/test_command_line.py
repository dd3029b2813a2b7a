"""``lab bridge`` carries ``lab simulate``'s fleet, as one types it, while everything around it breaks."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, Self

import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers import lab
from helpers.cli.topics import make_topics
from helpers.errors import LessonError
from tests.integration.bridge.support import Bench, Devices, count, records, wait_until
from tests.integration.bridge.test_commands import Generators, committed, produce
from tests.integration.bridge.test_replay import write_dead_letters

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


def test_a_topic_that_kafka_refuses_is_named(bench: Bench) -> None:
    with pytest.raises(LessonError, match="did not make no name: ") as caught:
        make_topics(dict(bench.kafka.kafka), ("no name",), 1)
    assert "--make-topics" in caught.value.remedy


@pytest.mark.parametrize("rounds", [1, pytest.param(6, marks=[pytest.mark.weekly, pytest.mark.timeout(900)])])
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
    # One more may be there for each device: its acknowledgement was still under way when the fleet ended.
    assert sent <= len(found) <= sent + 20, "none is missing, and duplicates are the same reading again"


def test_a_bridge_without_its_topics_says_what_to_do(env: dict[str, str]) -> None:
    bridge = Command(env, "bridge").start()
    assert bridge.wait() == 1
    assert "create it first" in bridge.said, bridge.said
    assert "Traceback" not in bridge.said


def ledger(command: Command) -> dict[str, Any]:
    (line,) = [line for line in command.said.splitlines() if line.startswith("{")]
    return dict(json.loads(line))


def test_a_session_that_is_gone_is_a_loss_and_the_ledger_is_json(bench: Bench, env: dict[str, str]) -> None:
    topic, devices = f"{bench.name}-generators-readings", bench.devices(prefix=f"{bench.name}-generators")

    def stored() -> int:
        return count(bench.kafka.kafka, topic)

    with Command(env, "bridge", "--make-topics", "--expect-session", "--json") as bridge:
        wait_until(lambda: "messages may be missing" in bridge.said, "the bridge sees that its session is gone")
        # Until it has subscribed, nothing waits for the next run.
        wait_until(lambda: devices.publish(1) or stored(), "it carries")
        assert bridge.end(signal.SIGINT) == 1
    assert ledger(bridge)["sessions_lost"] == 1
    assert "1 sessions lost" in bridge.said
    with Command(env, "bridge", "--expect-session", "--json", "--session-expiry", "60") as bridge:
        wait_until(lambda: "Ctrl-C" in bridge.said, "the bridge starts")
        before = stored()
        devices.publish(10)
        devices.settle()
        wait_until(lambda: stored() >= before + 10, "it carries")
        devices.close()
        assert bridge.end(signal.SIGTERM) == 0, bridge.said
    assert ledger(bridge)["state"] == "ended"
    assert ledger(bridge)["acked"] >= 10


def test_what_a_full_queue_dropped_is_a_loss(bench: Bench, env: dict[str, str]) -> None:
    if bench.mqtt.provider != "mosquitto":
        pytest.skip("by design: only Mosquitto counts what it drops")
    with lab.scratch("mqtt", provider="mosquitto", max_queued_messages=100, sys_interval=1) as broker:
        env = env | {"LAB_MQTT_HOST": broker.mqtt.host, "LAB_MQTT_PORT": str(broker.mqtt.port)}
        with Command(env, "bridge", "--make-topics", "--receive-maximum", "20") as bridge:
            wait_until(lambda: "carrying" in bridge.said, "the bridge carries")
            bench.kafka.freeze()
            devices = Devices(broker.mqtt, f"{bench.name}-generators")
            devices.publish(1000)
            devices.settle()
            bench.kafka.thaw()
            wait_until(lambda: "DROPPED BY THE MQTT BROKER" in bridge.said, "the bridge hears of it")
            devices.close()
            assert bridge.end(signal.SIGINT) == 1
    assert "dropped by the MQTT broker, for any of its clients." in bridge.said, bridge.said


def test_the_way_back_and_a_command_that_no_device_hears(bench: Bench, env: dict[str, str]) -> None:
    bench = Bench(bench.mqtt, bench.kafka, f"{bench.name}-x").make_topics()
    arguments = ["--from", "x-readings", "--to", "x/{device}/commands", "--dead-letter", "x-dead", "--group", "x-back"]
    with Command(env, "bridge", "back", *arguments, "--json") as bridge:
        with Generators(bench) as generators:
            produce(bench, *((f"G-{number}", str(number)) for number in range(20)), ("a/b", "no level"))
            wait_until(lambda: len(generators.got) == 20, "the commands arrive")
        assert bridge.end(signal.SIGINT) == 0, bridge.said
    assert {"acked": 20, "dead_lettered": 1}.items() <= ledger(bridge).items()
    assert committed(bench) == 21
    if bench.mqtt.provider != "mosquitto":  # Artemis does not say whether a message had a subscriber
        return
    with Command(env, "bridge", "back", *arguments) as bridge:
        produce(bench, ("G-1", "again"))
        wait_until(lambda: "1 UNHEARD" in bridge.said, "the command goes to nowhere")
        assert bridge.end(signal.SIGINT) == 1
    assert "1 commands without a subscriber" in bridge.said, bridge.said


def test_metrics_and_health_while_the_bridge_carries_and_while_it_stalls(bench: Bench, env: dict[str, str]) -> None:
    with Command(env, "bridge", "--make-topics", "--json", "--metrics", "0", "--stall-after", "1") as bridge:
        wait_until(lambda: "/health" in bridge.said, "it says where")
        url = re.findall(r"http://127.0.0.1:\d+", bridge.said)[0]

        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def get(path: str) -> tuple[int, str]:
            try:
                with opener.open(f"{url}{path}", timeout=30) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        def metrics() -> dict[str, float]:
            code, text = get("/metrics")
            families = text_string_to_metric_families(text if code == 200 else "")
            return {
                sample.labels.get("state", sample.name): sample.value for each in families for sample in each.samples
            }

        wait_until(lambda: "carrying" in metrics(), "it carries")
        devices = bench.devices(prefix=f"{bench.name}-generators")
        devices.publish(10)
        devices.settle()
        wait_until(lambda: metrics()["bridge_acked_total"] == 10, "the count of what is acknowledged grows")
        assert (get("/health")[0], get("/elsewhere")[0]) == (200, 404)
        assert metrics()["bridge_stalled"] == 0
        bench.kafka.freeze()
        devices.publish(1)
        wait_until(lambda: metrics()["bridge_stalled"] == 1, "Kafka hangs, and the bridge stalls")
        code, text = get("/health")
        assert code == 503
        assert "STALLED: " in text
        bench.kafka.thaw()
        wait_until(lambda: get("/health")[0] == 200, "Kafka goes on, and the bridge too")
        devices.close()
        with Command(env, "bridge", "--client-id", "second", "--metrics", url.rpartition(":")[2]) as second:
            assert second.wait() == 1
        assert "cannot be used for metrics" in second.said
        assert "Traceback" not in second.said
        assert bridge.end(signal.SIGINT) == 0, bridge.said


def test_replay_says_what_it_did(bench: Bench, env: dict[str, str]) -> None:
    bench = Bench(bench.mqtt, bench.kafka, f"{bench.name}-x").make_topics()
    arguments = ["--from", "x/{device}/readings", "--to", "x-readings", "--dead-letter", "x-dead"]
    write_dead_letters(bench, [b"{}", b"{bad"])
    with Command(env, "bridge", "replay", *arguments, "--serializer", "json") as replay:
        wait_until(lambda: "left alone" in replay.said, "it comes to an end")
        assert replay.wait() == 0, replay.said
    assert "2 dead letters: 1 sent again, 1 are dead letters again, 0 left alone" in replay.said
    assert bench.stored() == 1
