"""What an engine costs: one job by hand and on Quix Streams, one worker and two, one of them killed in the middle.

    uv run python tests/benchmarks/streams.py [--readings 1000000] [--generators 1000] [--rounds hand-1 engine-2 ...]

The job is that of projects/fleet-operator: drop repetitions, an alarm for each theft, a window for each minute, exactly
once. By hand it is a loop over confluent-kafka, with its state in a compacted topic, in the same transaction. A tenth
of the readings come twice. Each round is killed once, with SIGKILL, when a third of its readings are committed; then
the alarms and windows are counted, and compared with the rules applied in plain Python. CPU is user and system time of
the workers, those that were killed included; Kafka shares the machine. Memory is the largest USS of a worker. It ends
with 1 if a count is wrong.

Measured with 1,000,000 readings of 1,000 generators, on two cores that did nothing else. By hand with one worker is 1.

            readings/s   per CPU s   memory   counts
    hand-1        1.00        1.00      1.0    exact
    hand-2        1.26        0.89      0.9    exact
    engine-1      0.19        0.17      2.2    exact
    engine-2      0.26        0.14      1.9    exact

So the engine costs about six times the CPU (seven to eight on a busy machine), and twice the memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from helpers.paths import ROOT

TEMPLATE = ROOT / "projects" / "fleet-operator"
sys.path.insert(0, str(TEMPLATE))

import rules  # noqa: E402

LOADING = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}
PARTITIONS, START, THEFT_EVERY, THEFT_LASTS = 4, 1_700_000_040, 200, 10  # START: a full minute


def reading(number: int, generators: int) -> tuple[str, dict[str, Any], dict[str, str], int]:
    """Key, value, headers and time in ms of the reading with this number: one a second and generator."""
    second, who = divmod(number, generators)
    name, phase = f"G-{who:06}", who % THEFT_EVERY
    whole, rest = divmod(second + phase, THEFT_EVERY)
    stolen = 0.7 * (whole * THEFT_LASTS + min(rest, THEFT_LASTS))
    value = {"generatorID": name, "fuel": round(100_000 - 0.02 * second - stolen, 2), "pressure": 380.0}
    return name, value, {"boot": "b", "seq": str(second + 1)}, (START + second) * 1000


def order(count: int) -> list[range]:
    """Numbers of readings as they arrive: blocks, each of which ends with a tenth of it once more."""
    size = 10_000
    blocks = (range(begin, min(begin + size, count)) for begin in range(0, count, size))
    return [part for block in blocks for part in (block, block[-len(block) // 10 :])]


def flat(value: dict[str, Any], headers: dict[str, str], milliseconds: int) -> dict[str, Any]:
    return value | {"boot": headers["boot"], "seq": int(headers["seq"]), "time": milliseconds / 1000}


class Job:
    """The rules on one reading after the other, with all states in dicts: what the loop by hand and the truth share."""

    def __init__(self) -> None:
        self.states: dict[str, dict[str, Any]] = {}

    def step(self, key: str, one: dict[str, Any]) -> tuple[list[Any], list[tuple[int, Any]]]:
        """Alarms and closed windows, as (start, answer), that follow from a reading."""
        state = self.states.setdefault(key, {"seen": {}, "guard": {}, "open": {}})
        state["seen"], one = rules.sort_out(state["seen"], one, 0)
        if one["is"] != "in time":
            return [], []
        state["guard"], alarm = rules.guard(state["guard"], one)
        start = str(int(one["time"] // rules.WINDOW * rules.WINDOW))
        closed = [(int(at), rules.conclude(state["open"].pop(at))) for at in [*state["open"]] if int(at) < int(start)]
        state["open"][start] = rules.extend(state["open"].get(start), one)
        return [alarm] if alarm else [], closed


def by_hand(kafka: str, ns: str, number: str) -> None:  # noqa: C901 - one loop, and what a group asks for
    """A worker: read, compute, write results, state and offsets in one transaction, again and again."""
    job, name = Job(), f"{ns}operator-watch-{number}"
    changed: set[str] = set()
    options = {"group.id": f"{ns}operator-watch", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    options |= {"group.instance.id": name, "session.timeout.ms": 6000, "partition.assignment.strategy": "range"}
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": name, "transaction.timeout.ms": 30_000})
    producer.init_transactions(30)

    def commit(consumer: Consumer) -> None:
        for key in changed:
            producer.produce(f"{ns}operator-states", json.dumps(job.states[key]), key)
        changed.clear()
        places = [each for each in consumer.position(consumer.assignment()) if each.offset >= 0]
        producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata())
        producer.commit_transaction(30)

    def assigned(_consumer: Consumer, places: list[TopicPartition]) -> None:
        job.states.clear()
        with Consumer({"bootstrap.servers": kafka, "group.id": name, "enable.partition.eof": True}) as reader:
            reader.assign([TopicPartition(f"{ns}operator-states", each.partition, 0) for each in places])
            ended = 0
            while ended < len(places):
                for record in reader.consume(1000, timeout=0.2):
                    ended += record.error() is not None
                    if not record.error():
                        job.states[record.key().decode()] = json.loads(record.value())

    def revoked(_consumer: Consumer, _places: list[TopicPartition]) -> None:
        changed.clear()
        if began:  # what was read since the last commit will be read again
            producer.abort_transaction(30)
            began.clear()

    began: list[float] = []
    consumer = Consumer({"bootstrap.servers": kafka, **options})
    consumer.subscribe([f"{ns}operator-readings"], on_assign=assigned, on_revoke=revoked)
    while True:
        for record in consumer.consume(1000, timeout=0.2):
            if record.error():
                continue
            if not began:
                began.append(time.monotonic())
                producer.begin_transaction()
            key, headers = record.key().decode(), {each: text.decode() for each, text in record.headers()}
            one = flat(json.loads(record.value()), headers, record.timestamp()[1])
            alarms, closed = job.step(key, one)
            changed.add(key)
            for alarm in alarms:
                producer.produce(f"{ns}operator-alarms", json.dumps(alarm), key)
            for start, answer in closed:
                producer.produce(f"{ns}operator-windows", json.dumps(answer), key, timestamp=start * 1000)
        producer.poll(0)
        if began and time.monotonic() - began[0] > 1:
            commit(consumer)
            began.clear()


def fill(kafka: str, ns: str, count: int, generators: int) -> int:
    """Make the topics of a round and write its readings. Return how many records that are."""
    words = ("readings", "alarms", "windows", "late", "dead", "answers", "states")
    topics = [NewTopic(f"{ns}operator-{word}", PARTITIONS, config={"retention.ms": "-1"}) for word in words]
    admin = AdminClient({"bootstrap.servers": kafka})
    for made in admin.create_topics(topics).values():
        made.result(30)
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, "linger.ms": 50})
    written = 0
    for part in order(count):
        for number in part:
            key, value, headers, at = reading(number, generators)
            while True:
                with suppress(BufferError):
                    producer.produce(f"{ns}operator-readings", json.dumps(value), key, headers=headers, timestamp=at)
                    break
                producer.poll(0.1)
            written += 1
        producer.poll(0)
    producer.flush(60)
    return written


@cache
def truth(count: int, generators: int) -> tuple[Counter[Any], Counter[Any]]:
    """What there must be: alarms by generator and time, closed windows by generator and start."""
    job, alarms, windows = Job(), Counter[Any](), Counter[Any]()
    for part in order(count):
        for number in part:
            key, value, headers, at = reading(number, generators)
            raised, closed = job.step(key, flat(value, headers, at))
            alarms.update((key, each["time"]) for each in raised)
            windows.update((key, start, json.dumps(answer)) for start, answer in closed)
    return alarms, windows


def found(kafka: str, ns: str) -> tuple[Counter[Any], Counter[Any]]:
    """What there is, for a reader who takes committed records only."""
    os.environ |= {"KAFKA": kafka, "NS": ns}
    from topics import read  # its settings are those of the first call, and ``read`` needs the address only

    alarms = Counter((each.key().decode(), json.loads(each.value())["time"]) for each in read(f"{ns}operator-alarms"))
    windows = Counter(
        (each.key().decode(), each.timestamp()[1] // 1000, json.dumps(json.loads(each.value())))
        for each in read(f"{ns}operator-windows")
    )
    return alarms, windows


class Worker:
    """A worker's process, across its starts: its CPU time and its largest memory."""

    def __init__(self, kind: str, kafka: str, ns: str, number: int, folder: Path) -> None:
        self.command = {
            "hand": [sys.executable, __file__, "--by-hand", kafka, ns, str(number)],
            "engine": [sys.executable, str(TEMPLATE / "worker.py"), str(number)],
        }[kind]
        self.env = os.environ | {"KAFKA": kafka, "NS": ns, "GRACE": "0", "PYTHONPATH": str(ROOT)}
        self.folder, self.cpu, self.memory, self.spent = folder, 0.0, 0, 0.0
        self.start()

    def start(self) -> None:
        self.process = psutil.Popen(self.command, cwd=self.folder, env=self.env, stdout=subprocess.DEVNULL)

    def look(self) -> None:
        with suppress(psutil.Error):
            times = self.process.cpu_times()
            self.spent = times.user + times.system
            self.memory = max(self.memory, self.process.memory_full_info().uss)

    def kill(self) -> None:
        self.look()
        self.cpu, self.spent = self.cpu + self.spent, 0.0
        self.process.kill()
        self.process.wait()


def committed(asking: Consumer, ns: str) -> int:
    """How many readings the workers have committed. The first look makes Kafka choose and load a coordinator."""
    places = [TopicPartition(f"{ns}operator-readings", each) for each in range(PARTITIONS)]
    deadline = time.monotonic() + 60
    while True:
        try:
            return sum(max(each.offset, 0) for each in asking.committed(places, timeout=60))
        except KafkaException as error:
            if error.args[0].code() not in LOADING or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def one_round(name: str, kafka: str, count: int, generators: int) -> tuple[float, float, float, bool]:
    """Run a round. Return seconds, CPU seconds, megabytes of the largest worker, and whether all counts are right."""
    kind, workers = name.split("-")
    ns = f"bench-{time.time_ns()}-"
    records = fill(kafka, ns, count, generators)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        began = time.monotonic()
        asking = Consumer({"bootstrap.servers": kafka, "group.id": f"{ns}operator-watch"})  # it does not join
        running = [Worker(kind, kafka, ns, number, Path(folder)) for number in range(1, int(workers) + 1)]
        try:
            killed = False
            while (done := committed(asking, ns)) < records:
                for each in running:
                    each.look()
                if done > records / 3 and not killed:
                    killed = True
                    running[0].kill()
                    running[0].start()
                time.sleep(0.2)
            seconds = time.monotonic() - began
        finally:
            asking.close()
            for each in running:
                each.kill()
    right = found(kafka, ns) == truth(count, generators)
    return seconds, sum(each.cpu for each in running), max(each.memory for each in running) / 1e6, right


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--readings", type=int, default=1_000_000)
    options.add_argument("--generators", type=int, default=1000)
    options.add_argument("--rounds", nargs="+", default=["hand-1", "hand-2", "engine-1", "engine-2"])
    chosen = options.parse_args()

    from helpers import lab

    wrong = 0
    print(f"{'':<10}{'readings/s':>12}{'per CPU s':>12}{'MB':>6}{'CPU, by hand = 1':>18}  counts")
    with lab.scratch("kafka", **{"log.retention.ms": -1}) as kafka:
        base = 0.0
        for name in chosen.rounds:
            seconds, cpu, memory, right = one_round(
                name, kafka.kafka["bootstrap.servers"], chosen.readings, chosen.generators
            )
            base, wrong = base or cpu, wrong + (not right)
            rate, efficiency = chosen.readings / seconds, chosen.readings / cpu
            verdict = "exact" if right else "WRONG"
            print(
                f"{name:<10}{rate:>12,.0f}{efficiency:>12,.0f}{memory:>6.0f}{cpu / base:>18.1f}  {verdict}", flush=True
            )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--by-hand"]:
        by_hand(*sys.argv[2:])
    main()
