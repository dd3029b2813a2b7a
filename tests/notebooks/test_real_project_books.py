"""Lesson 15's job on two workers: whatever is killed and when, each answer is there once, and it is the right one."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from helpers import lab
from helpers.checks import Watch
from helpers.errors import LessonError
from helpers.lab.errors import LabError
from helpers.lab.runtime import processes
from helpers.streams import feed, new_run
from helpers.worker import Worker
from tests.notebooks import cells
from tests.notebooks.anatomy import program
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow(seconds=30),  # a Kafka, and workers that are killed
    pytest.mark.timeout(400, func_only=True),
]


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What the lesson's cells define, on a Kafka of this module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_HOME", str(tmp_path_factory.mktemp("a_real_project")))
        patch.setattr(sys, "path", [*sys.path])
        with lab.scratch("kafka") as kafka:
            names: dict[str, Any] = {"lab": lab, "kafka": kafka, "watch": Watch(kafka), "Watch": Watch}
            names["conf"] = {**kafka.kafka, "log_level": 0}
            cells.run("15", "day", names)
            cells.run("15", "rules-folder", names)
            for each in ("rules", "windows", "job", "worker"):
                source = cells.source("15", each)
                file = source.splitlines()[0].rpartition("/")[2].rstrip('"')
                Path(names["folder"].name, file).write_text(program(source) or "", encoding="utf-8")
            cells.run("15", "truth", names)
            for each in ("by-hand-loop", "by-hand-reveal", "in-a-cell", "topics", "kill-reveal"):
                cells.define("15", each, names)
            yield SimpleNamespace(**names, names=names)
            for each in ("rules", "windows", "job", "watch_fleet"):
                sys.modules.pop(each, None)
            names["folder"].cleanup()


def reach(lesson: Any, ns: str, count: int, *workers: Worker) -> None:
    """Wait until so many readings are committed; fail at once if a worker has ended."""

    def reached() -> bool:
        for each in workers:
            assert each.alive, each.log
        time.sleep(0.3)  # each look takes a connection
        return bool(lesson.done(lesson.conf, ns) >= count)

    wait_until(reached, f"{count} readings committed")


def test_each_answer_is_there_once_whichever_worker_is_killed(lesson: Any) -> None:
    log = lesson.log
    ns = new_run(lesson.conf, log[:400])
    with lesson.worker(lesson.conf, ns, 1) as first, lesson.worker(lesson.conf, ns, 2) as second:
        for victim, part in ((first, log[400:800]), (second, log[800:1200]), (first, log[1200:])):
            before = lesson.done(lesson.conf, ns)
            feed(lesson.conf, ns, part)
            reach(lesson, ns, before + 50, first, second)
            victim.kill()
            victim.start()
        reach(lesson, ns, len(log), first, second)
    books = lesson.books(lesson.watch, ns, log)
    kinds, alarms, closed, still_open = lesson.plainly(log)
    assert Counter(books.values()) == {"once": len(alarms) + len(closed)}
    assert [(each["generatorID"], each["time"]) for each in alarms] == lesson.robbed
    late = [(each.key(), each.timestamp()) for each in lesson.watch.kafka_records(f"{ns}operator-late")]
    assert len(late) == len(set(late)) == kinds["late"] > 0
    assert kinds["repeated"] == 200
    # What has no answer is open: the last windows of each generator, and no others.
    assert {who for who, _ in still_open} == set(lesson.fleet.generators)
    assert not still_open & {name[1:] for name in books}


@pytest.mark.weekly
def test_a_worker_that_joins_and_one_that_leaves_change_nothing(lesson: Any) -> None:
    ns = new_run(lesson.conf, lesson.log[:500])
    with lesson.worker(lesson.conf, ns, 1) as first:
        reach(lesson, ns, 50, first)
        with lesson.worker(lesson.conf, ns, 2) as second:
            feed(lesson.conf, ns, lesson.log[500:1100])
            reach(lesson, ns, 700, first, second)
            first.stop()  # its partitions wait until its session times out, and go to the other one
            feed(lesson.conf, ns, lesson.log[1100:])
            reach(lesson, ns, len(lesson.log), second)
    assert set(lesson.books(lesson.watch, ns, lesson.log).values()) == {"once"}


def test_readings_that_kafka_refuses_are_an_error(lesson: Any) -> None:
    ns = new_run(lesson.conf)
    tiny = ConfigEntry("max.message.bytes", "1", incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ConfigResource.Type.TOPIC, f"{ns}operator-readings", incremental_configs=[tiny])
    admin = AdminClient(lesson.conf)
    admin.incremental_alter_configs([topic])[topic].result(15)
    with pytest.raises(LessonError, match="did not take all readings"):
        feed(lesson.conf, ns, lesson.log[:10])


@pytest.mark.weekly
def test_a_replay_has_the_same_answers(lesson: Any) -> None:
    def answers(ns: str) -> list[tuple[bytes, int, bytes]]:
        records = [
            each for word in ("alarms", "windows") for each in lesson.watch.kafka_records(f"{ns}operator-{word}")
        ]
        return sorted((each.key(), each.timestamp()[1], each.value()) for each in records)

    runs = []
    for _ in range(2):
        runs.append(new_run(lesson.conf, lesson.log))
        with lesson.worker(lesson.conf, runs[-1], 1) as worker:
            reach(lesson, runs[-1], len(lesson.log), worker)
    assert answers(runs[0]) == answers(runs[1])


@pytest.mark.weekly
def test_books_without_exactly_once_show_it(lesson: Any) -> None:
    """The same kill, and a worker that commits its offsets after its answers: so the books above can fail."""
    ns = new_run(lesson.conf, lesson.log[:500])
    settings = {"kafka": lesson.conf["bootstrap.servers"], "ns": ns, "commit_interval": 30}
    settings["processing_guarantee"] = "at-least-once"
    worker = Worker(Path(lesson.folder.name, "watch_fleet.py"), json.dumps(settings))
    with worker:
        wait_until(lambda: lesson.watch.kafka_records(f"{ns}operator-windows"), "the first window")
        worker.kill()
        feed(lesson.conf, ns, lesson.log[500:])
        worker.start()
        reach(lesson, ns, len(lesson.log), worker)
    assert "repeated" in lesson.books(lesson.watch, ns, lesson.log).values()


@pytest.mark.weekly  # a cluster, and a minute
def test_answers_outlive_the_broker_that_coordinates_their_group(lesson: Any, _one_cluster: None) -> None:
    cells.run("15", "three-brokers", lesson.names, **{"on_three_brokers = False": "on_three_brokers = True"})
    assert list(lesson.names["counts"]) == ["once"]


def test_three_brokers_are_refused_where_memory_is_short(lesson: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "free_memory", lambda: 400e6)
    with pytest.raises(LabError, match="3 Kafka brokers need 700 MB of memory; 400 MB are free"):
        cells.run("15", "three-brokers", lesson.names, **{"on_three_brokers = False": "on_three_brokers = True"})
