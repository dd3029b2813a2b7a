"""Lesson 10's sink, from Kafka to a real InfluxDB, killed in the middle of things: nothing lost, nothing twice.

The code is the lesson's own: a program defines what its cells define, and reads on in the lesson's consumer group.

InfluxDB 1 is Debian's. No package brings InfluxDB 2: name its program, ``INFLUXD2=/path/to/influxd``, and the same
tests run on it too.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from helpers import lab
from helpers.fleet.fleet import Fleet, Reading
from helpers.lab.runtime.ports import any_free
from helpers.lab.runtime.program import on_path
from helpers.lab.services.influxdb import InfluxEndpoint
from helpers.paths import ROOT
from tests.waiting import wait_until

pytestmark = pytest.mark.without_mqtt

PARTITIONS = 3
BATCH = 10
GROUP = "alarms-influx"
WITHIN = 60.0
DATABASE, TOKEN = "generators", "a-token-of-the-tests"

# What stands before the cells about InfluxDB in the lesson, and then one call. It says when a batch is written.
PROGRAM = """
import functools, json, logging, sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
told = json.loads(sys.argv[2])
from tests.notebooks import cells
from helpers.fleet import known_sites
from helpers.lab.services.influxdb import InfluxEndpoint
from datetime import UTC
names = {
    "here": SimpleNamespace(ns=told["ns"], kafka=told["kafka"], influxdb=InfluxEndpoint(**told["influxdb"])),
    "ns": told["ns"], "topic": told["topic"], "points": told["measurement"], "UTC": UTC, "Crash": RuntimeError,
    "sites": {site.id: site for site in known_sites()},
}
for cell in ("log", "consumer", "rows", "key", "influx", "sink", "sink-write"):
    cells.define("10", cell, names)
names["batches"] = functools.partial(names["batches"], size=told["batch"])
written = []
names["read_on"](told["group"], lambda rows: (names["write_points"](rows), written.extend(rows)))
print(len(written), flush=True)
"""


@dataclass
class Influxd2:
    """An InfluxDB 2 of the test's own, with what ``lab.scratch`` gives for version 1. Its bucket is the database."""

    program: str
    folder: Path
    port: int = field(default_factory=any_free)
    process: subprocess.Popen[bytes] | None = None

    @property
    def influxdb(self) -> InfluxEndpoint:
        return InfluxEndpoint(url=f"http://127.0.0.1:{self.port}", provider="given", database=DATABASE, token=TOKEN)

    def start(self) -> None:
        paths = [f"--{name}-path={self.folder / name}" for name in ("bolt", "engine", "sqlite")]
        address = f"--http-bind-address=127.0.0.1:{self.port}"
        with (self.folder / "log").open("ab") as log:
            command = [self.program, address, "--reporting-disabled", *paths]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + WITHIN
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.1)

    def make_database(self) -> None:
        said = {"username": "lab", "password": "lessons-only", "org": "lab", "bucket": DATABASE, "token": TOKEN}
        self._ask("/api/v2/setup", json.dumps(said).encode())

    def drop_database(self) -> None:
        [bucket] = self._ask(f"/api/v2/buckets?name={DATABASE}")["buckets"]
        self._ask(f"/api/v2/buckets/{bucket['id']}", method="DELETE")

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self.process:
            self.process.wait(10)

    def _signal(self, number: int) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def _answers(self) -> bool:
        try:
            self._ask("/ping")
        except (URLError, ConnectionError):
            return False
        return True

    def _ask(self, path: str, body: bytes | None = None, method: str | None = None) -> dict[str, Any]:
        request = Request(  # noqa: S310
            f"{self.influxdb.url}{path}", data=body, method=method, headers={"Authorization": f"Token {TOKEN}"}
        )
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return dict(json.loads(answer.read() or b"{}"))


@dataclass
class Sink:
    """A topic full of readings, an InfluxDB of the test's own, and the lesson's program between them."""

    here: Any
    influxdb: Any
    topic: str
    measurement: str
    readings: int
    produce: Callable[[Reading], None]
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self) -> subprocess.Popen[str]:
        """Start the program; it reads on where its group stands, and ends at the end of the topic."""
        told = {
            "ns": "",
            "kafka": dict(self.here.kafka),
            "influxdb": asdict(self.influxdb.influxdb),
            "topic": self.topic,
            "measurement": self.measurement,
            "group": self.group,
            "batch": BATCH,
        }
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(ROOT), json.dumps(told)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    @property
    def group(self) -> str:
        return f"{GROUP}-{self.topic}"

    def finish(self) -> int:
        """Run the program to its end; answer with the number of records that it wrote."""
        output, errors = self.start().communicate(timeout=WITHIN)
        assert output, errors
        return int(output)

    def generators(self) -> set[str]:
        series = self.ask(f'SHOW TAG VALUES FROM "{self.measurement}" WITH KEY = "generator"')
        return {value for each in series for _, value in each["values"]}

    def ask(self, query: str, method: str = "GET") -> list[dict[str, Any]]:
        server = self.influxdb.influxdb
        headers = {"Authorization": f"Token {server.token}"} if server.token else {}
        parameters = urlencode({"db": DATABASE, "q": query})
        request = Request(f"{server.url}/query?{parameters}", method=method, headers=headers)  # noqa: S310
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            [result] = json.load(answer)["results"]
        return list(result.get("series", []))

    def make_database(self) -> None:
        if isinstance(self.influxdb, Influxd2):
            self.influxdb.make_database()
        else:
            self.ask(f"CREATE DATABASE {DATABASE}", method="POST")

    def drop_database(self) -> None:
        if isinstance(self.influxdb, Influxd2):
            self.influxdb.drop_database()
        else:
            self.ask(f"DROP DATABASE {DATABASE}", method="POST")

    def points(self) -> int:
        series = self.ask(f'SELECT count("fuel") FROM "{self.measurement}"')  # noqa: S608
        return int(series[0]["values"][0][1]) if series else 0

    def committed(self) -> int:
        """How many records the group has committed, all partitions together."""
        consumer = Consumer({**self.here.kafka, "group.id": self.group})
        try:
            places = consumer.committed([TopicPartition(self.topic, each) for each in range(PARTITIONS)], timeout=10)
        finally:
            consumer.close()
        return sum(max(0, each.offset) for each in places)

    def coordinated(self) -> bool:
        """Whether Kafka has a coordinator for the group: a new one takes a moment to choose."""
        try:
            self.committed()
        except KafkaException:
            return False
        return True


@pytest.fixture(params=[1, 2], ids=["version-1", "version-2"])
def influxdb(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == 1:
        if not on_path("influxd"):
            pytest.skip("InfluxDB is not installed")
        with lab.scratch("influxdb") as server:
            yield server
        return
    if not os.environ.get("INFLUXD2"):
        pytest.skip("by design: no package brings InfluxDB 2; INFLUXD2=/path/to/influxd runs these tests on it")
    server2 = Influxd2(os.environ["INFLUXD2"], tmp_path)
    try:
        server2.start()
        yield server2
    finally:
        server2.kill()


@pytest.fixture
def sink(here: Any, influxdb: Any, unique: Callable[[str], str]) -> Iterator[Sink]:
    topic = unique("alarms-readings")
    admin = AdminClient({**here.kafka})
    admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS)])[topic].result(30)
    readings = list(Fleet(24, seed=9).readings(seconds=6000, every=60))
    producer = Producer({**here.kafka})
    # Every tenth comes twice, as from a bridge whose acknowledgement was lost.
    for each in [*readings, *readings[::10]]:
        producer.produce(topic, each.to_json(), each.generator_id, headers=each.headers())
    assert producer.flush(30) == 0

    def produce(reading: Reading) -> None:
        producer.produce(topic, reading.to_json(), reading.generator_id, headers=reading.headers())
        assert producer.flush(30) == 0

    made = Sink(here, influxdb, topic, topic, len(readings), produce)
    made.make_database()
    wait_until(made.coordinated, "a coordinator", WITHIN)
    try:
        yield made
    finally:
        for process in made.running:
            process.kill()
            process.communicate()


def records(sink: Sink) -> int:
    return sink.readings + len(range(0, sink.readings, 10))


def complete(sink: Sink) -> bool:
    """Each reading is one point, and nothing is left to read."""
    return (sink.points(), sink.committed()) == (sink.readings, records(sink))


def test_an_undisturbed_sink_writes_each_reading_once(sink: Sink) -> None:
    assert sink.finish() == records(sink)
    assert complete(sink)


def test_a_sink_killed_again_and_again_loses_nothing_and_doubles_nothing(sink: Sink) -> None:
    for share in (0.2, 0.4, 0.6):
        process = sink.start()
        wait_until(lambda share=share: sink.points() > share * sink.readings, "points", WITHIN)  # type: ignore[misc]
        process.kill()
        process.communicate()
        assert sink.committed() < records(sink)
    sink.finish()
    assert complete(sink)


def test_a_sink_killed_while_a_write_has_no_answer_writes_that_batch_again(sink: Sink) -> None:
    """InfluxDB hangs with the batch in its hands; the program dies; InfluxDB wakes up and stores what it was sent."""
    process = sink.start()
    wait_until(lambda: sink.points() > 0.3 * sink.readings, "points", WITHIN)
    sink.influxdb.freeze()
    time.sleep(1)  # the program is now waiting for the answer to a write
    process.kill()
    process.communicate()
    before = sink.committed()
    sink.influxdb.thaw()
    written = sink.finish()
    assert written == records(sink) - before
    assert complete(sink)


def test_an_influxdb_that_dies_leaves_the_offsets_where_they_were(sink: Sink) -> None:
    """No acknowledgement, no commit: what the group has committed is in InfluxDB when it is back."""
    process = sink.start()
    wait_until(lambda: sink.points() > 0.3 * sink.readings, "points", WITHIN)
    sink.influxdb.kill()
    _, errors = process.communicate(timeout=WITHIN)
    assert process.returncode
    assert "URLError" in errors or "RemoteDisconnected" in errors or "ConnectionResetError" in errors
    committed = sink.committed()
    assert committed < records(sink)

    sink.influxdb.start()
    assert sink.points() >= committed - len(range(0, sink.readings, 10))
    sink.finish()
    assert complete(sink)


def test_a_write_that_influxdb_refuses_commits_nothing(sink: Sink) -> None:
    sink.drop_database()
    _, errors = sink.start().communicate(timeout=WITHIN)
    assert "InfluxDB answers 404" in errors
    assert sink.committed() == 0


STRANGE = ("X-001", "two words", "a,b", "a=b", "kind=fuel, none", "back\\slash", '"quoted"', "Ü")
REFUSED: tuple[dict[str, Any], ...] = (
    {"fuel": math.nan}, {"temperature": math.inf}, {"generator_id": "two\nlines"}, {"generator_id": "end\\"},
)  # fmt: skip


def test_a_point_that_is_refused_stops_neither_its_batch_nor_the_commit(sink: Sink) -> None:
    """And a generator of any other name, which no list of sites knows, is a point of its own."""
    reading = next(Fleet(1, seed=5).readings())
    for changed in [*({"generator_id": each} for each in STRANGE), *REFUSED]:
        sink.produce(replace(reading, **changed))
    output, errors = sink.start().communicate(timeout=WITHIN)
    refused = re.findall(r"points refused: (\d+)", output)  # one line for each batch that had such points
    assert sum(map(int, refused)) == len(REFUSED), errors
    assert sink.points() == sink.readings + len(STRANGE)
    assert sink.committed() == records(sink) + len(STRANGE) + len(REFUSED)
    assert set(STRANGE) < sink.generators()
