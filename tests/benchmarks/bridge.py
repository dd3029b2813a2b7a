"""How fast the bridge is beside others that make the same promise, on this machine, one after the other.

    uv run python tests/benchmarks/bridge.py [--messages 300000] [--seconds 20] [--only NAME] [--growth]
        [--rounds 5] [--against CHECKOUT]

CPU: user and system time of the bridge's process per million messages; of all figures a busy machine disturbs this one
least. Draining: a backlog of 100-byte messages waits in the MQTT session, and the rate is taken from the tenth to the
last hundredth of it, by Kafka's offsets. Latency: 5,000 messages a second, from the time in the payload to the broker's
append time in Kafka (milliseconds). Nothing is asserted. Each figure is the median of rounds in which all take turns.

``--against`` measures the bridge of another checkout of this repository, with its own ``.venv``, in the same rounds.
``--seconds 0`` leaves out latency and limits.

A Python built with optimisations, as Debian's, conda's and uv's are, is an eighth faster than one built without: here
that decides a ratio, because the bridge is bound by one Python thread.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import mqtt5
import psutil
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console
from rich.table import Table

from helpers import lab
from tests.benchmarks import bridge_load as load
from tests.benchmarks.bridge_peers import CONTESTANTS, Contestant, Place, ours

RATE = 5_000
PARTITIONS = 3
ROUNDS = 5
WARM_UPS = 4
GIVE_UP = 300.0
TAIL = 20.0  # how long the last hundredth may take; a bridge that stalls is not waited for
SETTLED = 2.0


@dataclass
class Figures:
    """What was measured; 0 and ``nan`` where it could not be."""

    rate: float = 0.0
    cpu: float = float("nan")
    memory: float = float("nan")
    p50: float = float("nan")
    p99: float = float("nan")
    missing: int = 0


class Arena:
    """The brokers, and fresh topics for every round."""

    def __init__(self, mqtt: Any, kafka: Any, folder: Path) -> None:
        # The clients outlive the brokers by a moment, and would log that nothing answers.
        self.mqtt, self.kafka, self.folder = mqtt.mqtt, {**kafka.kafka, "log_level": 0}, folder
        self._admin = AdminClient(self.kafka)
        self._look = Consumer({**self.kafka, "group.id": "bench", "enable.auto.commit": False})
        self._rounds = itertools.count()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._look.close()

    def place(self) -> Place:
        number = next(self._rounds)
        topics = [f"bench-{number}", f"bench-{number}-dead"]
        appended = {"message.timestamp.type": "LogAppendTime"}
        new = [NewTopic(topics[0], PARTITIONS, 1, config=appended), NewTopic(topics[1], 1, 1)]
        for future in self._admin.create_topics(new).values():
            future.result(30)
        prefix = f"bench{number}"
        return Place(
            self.mqtt.host,
            self.mqtt.port,
            self.kafka["bootstrap.servers"],
            f"{prefix}/+/readings",
            f"{prefix}/{{device}}/readings",
            *topics,
            self.folder,
        )

    def stored(self, topic: str) -> int:
        # A topic that was just made may have no leader yet.
        for _ in range(300):
            with contextlib.suppress(KafkaException):
                return self._stored(topic)
            self._look.list_topics(topic, timeout=30)
            time.sleep(0.1)
        return self._stored(topic)

    def _stored(self, topic: str) -> int:
        places = (TopicPartition(topic, each) for each in range(PARTITIONS))
        return sum(self._look.get_watermark_offsets(place, timeout=30)[1] for place in places)

    def latencies(self, topic: str) -> list[float]:
        """Return, sorted and in ms, append time less the time in the payload; the first fifth is warming up."""
        self._look.assign([TopicPartition(topic, each, 0) for each in range(PARTITIONS)])
        left, found = self.stored(topic), []
        while left:
            records = self._look.consume(10_000, 5.0)
            left -= len(records)
            timed = (each for each in records if each.value()[:1].isdigit())
            found += [(int(each.value().split()[0]), each.timestamp()[1]) for each in timed]
        # An assigned consumer waits for records, and questions about offsets would wait behind that.
        self._look.unassign()
        found.sort()
        # The broker cuts its time to whole milliseconds, which is half a one on average.
        return sorted(appended + 0.5 - sent / 1e6 for sent, appended in found[len(found) // 5 :])

    def fill(self, place: Place, messages: int, devices: int) -> None:
        topics = [place.mqtt_filter.replace("+", f"{number:06}") for number in range(devices)]
        payloads = [load.reading(number) for number in range(10_000)]
        turns = itertools.islice(zip(itertools.cycle(topics), itertools.cycle(payloads), strict=False), messages)
        load.publish(self.mqtt.host, self.mqtt.port, turns)

    def warm_up(self) -> None:
        """Let Kafka's JVM compile what it needs: else the first bridge would be measured together with its compiler."""
        place = self.place()
        for _ in range(WARM_UPS):
            load.produce_without_mqtt(place.bootstrap, place.topic, 500_000, 100)


class Running:
    """One bridge as a process."""

    def __init__(self, contestant: Contestant, place: Place) -> None:
        self._log = (place.folder / "bridge.log").open("ab")
        self._process = subprocess.Popen(contestant.command(place), stdout=self._log, stderr=self._log)
        self.process = psutil.Process(self._process.pid)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def subscribed(arena: Arena, place: Place) -> None:
    """Wait until a message comes through, so that the session stands."""
    ends = time.monotonic() + 90
    while not arena.stored(place.topic):
        arena.fill(place, 1, 1)
        time.sleep(0.5)
        if time.monotonic() > ends:
            raise TimeoutError((place.folder / "bridge.log").read_text()[-500:])
    time.sleep(SETTLED)


def drain(arena: Arena, contestant: Contestant, messages: int, devices: int = 100) -> Figures:
    place = arena.place()
    running = Running(contestant, place)
    subscribed(arena, place)
    running.stop()
    before = arena.stored(place.topic)
    arena.fill(place, messages, devices)
    running = Running(contestant, place)
    began_at = ended_at = began = cpu = 0.0
    ends = time.monotonic() + GIVE_UP
    while True:
        count, now = arena.stored(place.topic) - before, time.perf_counter()
        if count >= messages * 0.1 and not began_at:
            began_at, began, cpu = now, count, load.cpu_seconds(running.process)
        if count >= messages * 0.99:
            ended_at, cpu = now, load.cpu_seconds(running.process) - cpu
            break
        if time.monotonic() > ends:
            running.stop()
            return Figures()
        time.sleep(0.03)  # looking takes time from those that are looked at
    done = count
    ends = time.monotonic() + TAIL
    while arena.stored(place.topic) - before < messages and time.monotonic() < ends:
        time.sleep(0.1)
    missing = messages - (arena.stored(place.topic) - before)
    time.sleep(0.5)
    memory = load.peak_megabytes(running.process)
    running.stop()
    rate, cpu = (done - began) / (ended_at - began_at), cpu / (done - began) * 1e6
    return Figures(rate=rate, cpu=cpu, memory=memory, missing=max(0, missing))


def latency(arena: Arena, contestant: Contestant, seconds: float, devices: int = 100) -> tuple[float, float]:
    place = arena.place()
    running = Running(contestant, place)
    subscribed(arena, place)
    topics = [place.mqtt_filter.replace("+", f"{number:06}") for number in range(devices)]
    warm = arena.stored(place.topic)
    sent = load.publish_steadily(arena.mqtt.host, arena.mqtt.port, topics, RATE, seconds)
    ends = time.monotonic() + 30
    while arena.stored(place.topic) - warm < sent and time.monotonic() < ends:
        time.sleep(0.2)
    running.stop()
    found = arena.latencies(place.topic)
    return found[len(found) // 2], found[int(len(found) * 0.99)]


def limits(arena: Arena, messages: int) -> tuple[float, float]:
    """Return the rates of the socket without Kafka, and of the producer without MQTT."""
    place = arena.place()
    connection = load.Mqtt(place.host, place.port, "bench-limit", session_expiry_interval=86_400)
    wanted = mqtt5.TopicFilter(place.mqtt_filter, max_qos=mqtt5.QoS.AT_LEAST_ONCE)
    connection.socket.sendall(mqtt5.SubscribePacket(1, [wanted]).write())
    connection.packets(5.0)
    connection.close()
    arena.fill(place, messages, 100)
    socket_rate = load.drain_without_kafka(place.host, place.port, messages)
    return socket_rate, load.produce_without_mqtt(place.bootstrap, place.topic, messages, 100)


def bare_producer_latency(arena: Arena, seconds: float) -> tuple[float, float]:
    place = arena.place()
    load.produce_steadily(place.bootstrap, place.topic, RATE, seconds)
    found = arena.latencies(place.topic)
    return found[len(found) // 2], found[int(len(found) * 0.99)]


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    drawn = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        drawn.add_column(column, justify="right" if index else "left")
    for row in rows:
        drawn.add_row(*row)
    Console(width=120).print(drawn)


def compare(arena: Arena, chosen: list[Contestant], messages: int, seconds: float, rounds: int) -> None:
    there = []
    for contestant in chosen:
        if missing := contestant.build():
            print(f"{contestant.name} is left out: {missing}")
        else:
            there.append(contestant)
    limit: list[tuple[float, float]] = []
    seen: dict[str, list[Figures]] = {each.name: [] for each in there}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        if seconds:
            limit.append(limits(arena, messages))
        for contestant in there[:: -1 if number % 2 else 1]:
            found = drain(arena, contestant, messages)
            stalled = f", {found.missing} not there {TAIL:.0f} s later" if found.missing else ""
            print(f"  {contestant.name}: {found.cpu:.2f} CPU s/million, {found.rate:,.0f}/s{stalled}", flush=True)
            seen[contestant.name].append(found)
    figures = {name: median(each) for name, each in seen.items()}
    bare = bare_producer_latency(arena, seconds) if seconds else (0.0, 0.0)
    for contestant in there if seconds else ():
        figures[contestant.name].p50, figures[contestant.name].p99 = latency(arena, contestant, seconds)
    rows = [
        [name, f"{each.cpu:.2f}", f"{each.rate:,.0f}", f"{each.memory:.0f}", f"{each.p50:.1f}", f"{each.p99:.1f}"]
        for name, each in figures.items()
    ]
    socket_rate, producer_rate = map(statistics.median, zip(*limit, strict=True)) if limit else (0.0, 0.0)
    if seconds:
        producer = [
            "limit: the producer without MQTT",
            "",
            f"{producer_rate:,.0f}",
            "",
            *(f"{each:.1f}" for each in bare),
        ]
        rows += [["limit: the socket without Kafka", "", f"{socket_rate:,.0f}", "", "", ""], producer]
    columns = ["bridge", "CPU s/million", "drained/s", "peak MB", f"p50 ms at {RATE:,}/s", "p99 ms"]
    table(f"{messages:,} messages, medians of {rounds} rounds, {build()}", columns, rows)
    table("Ratios", ["", "ratio"], ratios(figures, min(socket_rate, producer_rate), bare[1]))


def median(rounds: list[Figures]) -> Figures:
    """Return the median of each figure."""

    def middle(get: Callable[[Figures], float]) -> float:
        return statistics.median(map(get, rounds))

    return Figures(
        rate=middle(lambda each: each.rate), cpu=middle(lambda each: each.cpu), memory=middle(lambda each: each.memory)
    )


def ratios(figures: dict[str, Figures], limit: float, bare: float) -> list[list[str]]:
    """Compare the first bridge with each other one, and with what the machine can do."""
    if not (names := [name for name, each in figures.items() if each.rate]):
        return []
    first, *others = names
    us = figures[first]
    found = [[f"CPU: {name} / {first}", f"{figures[name].cpu / us.cpu:.3f}"] for name in others]
    found += [[f"drain: {first} / {name}", f"{us.rate / figures[name].rate:.2f}"] for name in others]
    if limit:
        found.append([f"drain: {first} / the slower limit", f"{us.rate / limit:.2f}"])
        found.append([f"p99: {first} / the bare producer", f"{us.p99 / bare:.2f}"])
        found += [[f"p99: {first} / {name}", f"{us.p99 / figures[name].p99:.2f}"] for name in others]
    return found


def build() -> str:
    """Name the Python that runs our bridge, and how it was configured. Debian optimises without this option."""
    optimised = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    return f"Python {sys.version.split()[0]}, configured with{'' if optimised else 'out'} --enable-optimizations"


def other_checkout(folder: Path) -> Contestant:
    """Return the bridge of another checkout, in its own environment."""

    def command(place: Place) -> list[str]:
        program = folder / "tests" / "integration" / "bridge" / "programs.py"
        return [str(folder / ".venv" / "bin" / "python"), str(program), *ours(place)[2:]]

    return Contestant(f"helpers.bridge of {folder.name}", command)


def growth(arena: Arena, chosen: list[Contestant], messages: int) -> None:
    rows = []
    for contestant in chosen:
        if contestant.build():
            continue
        for devices in (100, 10_000, 100_000):
            found = drain(arena, contestant, messages, devices)
            rows.append(
                [contestant.name, f"{devices:,}", f"{found.rate:,.0f}", f"{found.cpu:.1f}", f"{found.memory:.0f}"]
            )
            print(*rows[-1], sep=" · ", flush=True)
    table(
        "From a hundred to a hundred thousand devices",
        ["bridge", "devices", "drained/s", "CPU s/million", "peak MB"],
        rows,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", action="append", help="measure what has this in its name; may be repeated")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--against", type=Path, action="append", default=[], help="another checkout; may be repeated")
    parser.add_argument("--growth", action="store_true", help="how it goes from 100 to 100,000 devices, instead")
    options = parser.parse_args()
    chosen = [each for each in CONTESTANTS if not options.only or any(word in each.name for word in options.only)]
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=4"  # a scratch Kafka otherwise rather starts fast
    chosen[1:1] = [other_checkout(each) for each in options.against]
    with (
        tempfile.TemporaryDirectory() as folder,
        lab.scratch("mqtt", provider="mosquitto", autosave_interval=1800) as mqtt,  # its default
        lab.scratch("kafka") as kafka,
        Arena(mqtt, kafka, Path(folder)) as arena,
    ):
        arena.warm_up()
        if options.growth:
            growth(arena, chosen, options.messages)
        else:
            compare(arena, chosen, options.messages, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
