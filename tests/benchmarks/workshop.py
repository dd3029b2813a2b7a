"""What a room of learners does to one shared lab: how long a lesson's steps take, for one alone and for all at once.

    uv run python tests/benchmarks/workshop.py [--learners 30] [--rounds 3] [--mqtt embedded] [--lessons 00 04]

Each learner is a process with a namespace, which connects to the listeners of a shared lab, with TLS and the password.
Everybody begins every round at the same moment and waits for nothing in between, as if a whole room pressed *Run All*
together: a worse moment than a workshop brings. Clients and brokers share this machine's cores, so brokers on a machine
of their own have more to give. ``--lessons`` runs whole lessons instead, headless, one each.

Prints the median over all learners and rounds and the slowest, in seconds, and their ratio to one learner alone.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import paho.mqtt.client as mqtt
import psutil
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from helpers import lab
from helpers.fleet.fleet import Fleet
from helpers.lab.connect import attach
from helpers.lab.progress import Reporter
from helpers.lab.runtime import processes
from helpers.lab.services.mqtt import MqttEndpoint, client as mqtt_client, connected
from helpers.lab.shared import join as joining, share as sharing

ADDRESS = "127.0.0.2"
READINGS = 1000  # in a burst
PACED, PACE = 60, 20.0  # readings, and readings per second
WITHIN = 120.0
STEPS = {
    "connect": "connect to the MQTT broker",
    "reading": "a reading, from publish to arrival (median of 60)",
    "burst": f"{READINGS:,} readings at QoS 1, until all arrived",
    "topic": "make a Kafka topic with 3 partitions",
    "produce": f"{READINGS:,} records, until all are acknowledged",
    "consume": f"{READINGS:,} records in a new group, until the last",
    "schema": "register a schema and read it back",
    "clear": "delete topic and subject",
}


def main() -> None:
    """Start a shared lab, let one learner in, then all, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mqtt", choices=["native", "embedded"], default=None)
    parser.add_argument("--lessons", nargs="*", default=[])
    parser.add_argument("--as-learner", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.as_learner:
        learner(asked.rounds)
        return
    with tempfile.TemporaryDirectory(prefix="workshop-") as folder:
        env = {key: value for key, value in os.environ.items() if not key.startswith("LAB_") or key == "LAB_CACHE"}
        chosen = {"LAB_MQTT_PROVIDER": asked.mqtt} if asked.mqtt else {}
        settings = lab.Settings.from_environment({**env, **chosen, "LAB_HOME": f"{folder}/lab", "LAB_PORTS": "any"})
        try:
            lab.up(settings, share=ADDRESS)
            homes = []
            for number in range(asked.learners):
                homes.append({**env, "LAB_HOME": f"{folder}/{number}"})
                joining.join(settings.home / sharing.HANDOUT, f"learner{number}", environ=homes[-1])
            compare(settings, homes, asked)
        finally:
            lab.down(settings)


def compare(settings: lab.Settings, homes: list[dict[str, str]], asked: argparse.Namespace) -> None:
    """Measure one learner, then all, and print both."""
    measure = whole_lessons if asked.lessons else steps
    started: list[tuple[float, dict[str, tuple[float, int]]]] = []

    def starts() -> None:
        started.append((time.monotonic(), busy(settings)))

    measure(homes[:1], asked, starts)  # what the brokers do for the first time takes longer
    alone = measure(homes[:1], asked, starts)
    together = measure(homes, asked, starts)
    (began, before), after = started[-1], busy(settings)
    took = time.monotonic() - began
    print(f"{'what':<52}{'alone':>8}{f'{len(homes)} at once':>12}{'slowest':>9}{'ratio':>7}")
    for name, times in together.items():
        one, middle = statistics.median(alone[name]), statistics.median(times)
        print(f"{STEPS.get(name, name):<52}{one:>8.3f}{middle:>12.3f}{max(times):>9.3f}{middle / one:>7.1f}")
    print(f"\n{took:.0f} s on {os.cpu_count()} cores. Cores that each service used on average, its memory afterwards:")
    for title, (seconds, memory) in after.items():
        print(f"  {title:<18}{(seconds - before[title][0]) / took:>6.2f}{memory / 1e6:>8.0f} MB")
    print(f"The shared lab afterwards: {sharing.problem(settings) or 'open'}")


def busy(settings: lab.Settings) -> dict[str, tuple[float, int]]:
    """Seconds of CPU time and bytes of memory (PSS) of each service, and of the gate, so far."""
    pids = {each.service.title: each.pid for each in lab.status(settings) if each.pid}
    ((_, gate),) = processes.started_in([settings.home / "share"])
    pids["The gate"] = gate.pid
    asked = {title: psutil.Process(pid) for title, pid in pids.items()}
    return {title: (sum(each.cpu_times()[:2]), each.memory_full_info().pss) for title, each in asked.items()}


def steps(homes: list[dict[str, str]], asked: argparse.Namespace, starts: Callable[[], None]) -> dict[str, list[float]]:
    """Let each learner take all steps, every round at the same moment. Return the seconds of each step."""
    command = [sys.executable, __file__, "--as-learner", "yes", "--rounds", str(asked.rounds)]
    running = [
        subprocess.Popen(command, env=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for home in homes
    ]
    found: dict[str, list[float]] = {name: [] for name in STEPS}
    for each in running:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    starts()
    for _ in range(asked.rounds):
        for each in running:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        for each in running:
            assert each.stdout is not None
            for name, seconds in json.loads(each.stdout.readline()).items():
                found[name].append(seconds)
    for each in running:
        each.communicate(timeout=WITHIN)
    return found


def whole_lessons(
    homes: list[dict[str, str]], asked: argparse.Namespace, starts: Callable[[], None]
) -> dict[str, list[float]]:
    """Run whole lessons, all learners at once. Return the seconds that each took."""

    def run(home: dict[str, str], lesson: str) -> float:
        began = time.monotonic()
        command = [Path(sys.executable).with_name("lab"), "run", lesson]
        subprocess.run(command, env=home, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began

    starts()
    with ThreadPoolExecutor(len(homes)) as pool:
        return {
            f"lesson {lesson}, whole": list(pool.map(partial(run, lesson=lesson), homes)) for lesson in asked.lessons
        }


def learner(rounds: int) -> None:
    """Be one learner: take the steps at each ``go``, and say how long each took."""
    found = attach(lab.Settings.from_environment(), report=Reporter())
    readings = [each.to_json() for each in islice(Fleet(6, seed=7).readings(), READINGS)]
    print("ready", flush=True)
    for number in range(rounds):
        sys.stdin.readline()
        print(json.dumps(once(found, f"{found.ns}hello-round-{number}", readings)), flush=True)


def once(found: lab.Here, name: str, readings: list[bytes]) -> dict[str, float]:
    """Take every step once. Return the seconds of each."""
    took: dict[str, float] = {}

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        took[step] = time.monotonic() - began

    over_mqtt(found.mqtt, name, readings, took)
    admin = AdminClient({**found.kafka})
    with timed("topic"):
        admin.create_topics([NewTopic(name, num_partitions=3)])[name].result(WITHIN)
    producer = Producer({**found.kafka})
    with timed("produce"):
        for number, reading in enumerate(readings):
            producer.produce(name, reading, key=f"G-{number % 6:03}")
        assert producer.flush(WITHIN) == 0
    consumer = Consumer({**found.kafka, "group.id": name, "auto.offset.reset": "earliest"})
    with timed("consume"):
        consumer.subscribe([name])
        left, until = len(readings), time.monotonic() + WITHIN
        while left:
            assert time.monotonic() < until
            left -= len(consumer.consume(500, timeout=0.5))
    consumer.close()
    registry = SchemaRegistryClient({**found.registry})
    with timed("schema"):
        text = json.dumps({"title": name, "type": "object", "properties": {"fuel": {"type": "number"}}})
        number = registry.register_schema(f"{name}-value", Schema(text, "JSON"))
        assert registry.get_schema(number)
    with timed("clear"):
        registry.delete_subject(f"{name}-value")
        registry.delete_subject(f"{name}-value", permanent=True)
        admin.delete_consumer_groups([name])[name].result(WITHIN)
        admin.delete_topics([name])[name].result(WITHIN)
    return took


def over_mqtt(endpoint: MqttEndpoint, name: str, readings: list[bytes], took: dict[str, float]) -> None:
    """Publish readings to oneself, at a device's pace and then in a burst."""
    ready: queue.Queue[None] = queue.Queue()
    arrived: queue.Queue[float] = queue.Queue()
    client = mqtt_client(endpoint, name)
    client.on_connect = lambda client, *_: client.subscribe(f"{name}/#", qos=1)
    client.on_subscribe = lambda *_: ready.put(None)
    client.on_message = lambda *_: arrived.put(time.monotonic())
    client.max_queued_messages_set(0)
    began = time.monotonic()
    with connected(client, endpoint):
        ready.get(timeout=WITHIN)
        took["connect"] = time.monotonic() - began
        delays = []
        for reading in readings[:PACED]:
            sent = time.monotonic()
            client.publish(f"{name}/paced", reading, qos=1)
            delays.append(arrived.get(timeout=WITHIN) - sent)
            time.sleep(max(0.0, 1 / PACE - (time.monotonic() - sent)))
        took["reading"] = statistics.median(delays)
        began = time.monotonic()
        last: mqtt.MQTTMessageInfo | None = None
        for reading in readings:
            last = client.publish(f"{name}/burst", reading, qos=1)
        for _ in readings:
            arrived.get(timeout=WITHIN)
        took["burst"] = time.monotonic() - began
        assert last is not None
        last.wait_for_publish(WITHIN)


if __name__ == "__main__":
    main()
