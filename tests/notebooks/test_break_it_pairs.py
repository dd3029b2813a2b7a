"""Accidents of lesson 13, each alone and any two in a row: each reading has one fate, and the ledger adds up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from helpers import lab
from helpers.checks import Watch
from helpers.ledger import name_of
from tests.notebooks import cells
from tests.notebooks.anatomy import program

CORE = ("fleet", "analyst", "flow", "line", "queue", "bridge-killed", "leader", "survive")
CELLS = (*CORE, "answers-stuck", "kafka-line", "disk", "poison", "rogue")
ACCIDENTS = (
    "cut_line", "fill_queue", "kill_bridge", "kill_leader",
    "cut_answers", "freeze_leader_line", "fill_disk", "poison", "write_rogue_records",
)  # fmt: skip

pytestmark = [
    pytest.mark.slow(seconds=15),
    pytest.mark.timeout(300, func_only=True),
]  # a cluster, and runs of some seconds


@pytest.fixture(scope="module")
def lesson(_one_cluster: None, mqtt_provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What the lesson's cells define, on a cluster and two MQTT brokers of this module's own."""
    folder = tmp_path_factory.mktemp("break_it")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_HOME", str(folder / "lab"))
        patch.setenv("LAB_MQTT_PROVIDER", mqtt_provider)
        with lab.cluster(via_relays=True) as cluster:
            names: dict[str, Any] = {"lab": lab, "cluster": cluster, "watch": Watch(cluster)}
            names["conf"] = {**cluster.kafka, "reconnect.backoff.max.ms": 500, "log_level": 0}
            cells.run("13", "brokers", names)
            try:
                names["admin"] = AdminClient(names["conf"])
                Path(names["folder"].name, "bridge.py").write_text(program(cells.source("13", "bridge")), "utf-8")
                cells.run("13", "run", names)
                for each in CELLS:
                    cells.define("13", each, names)
                yield SimpleNamespace(**names)
            finally:
                names["post"].close()
                names["narrow"].close()
                names["folder"].cleanup()


@pytest.mark.weekly  # 81 runs, a quarter of an hour of a quiet machine
@pytest.mark.parametrize("accidents", list(product(ACCIDENTS, repeat=2)), ids="-".join)
def test_after_any_two_accidents_the_ledger_adds_up(lesson: Any, accidents: tuple[str, str]) -> None:
    adds_up(lesson, accidents)


def test_after_three_accidents_the_ledger_adds_up(lesson: Any) -> None:
    adds_up(lesson, ("cut_answers", "fill_queue", "kill_leader"))


def adds_up(lesson: Any, accidents: tuple[str, ...]) -> None:
    broker = lesson.narrow if "fill_queue" in accidents else lesson.post
    pipeline = lesson.Pipeline(broker)

    def repair(_pipeline: Any) -> None:
        """Start what is dead, as a supervisor does: with two of three brokers down nothing is stored."""
        lesson.cluster.start()

    lesson.flow(pipeline, [step for each in accidents for step in (getattr(lesson, each), repair)])

    ledger, counts = pipeline.ledger, pipeline.ledger.counts()
    assert sum(counts.values()) == len(ledger.published) == len(ledger.acknowledged)
    records = lesson.watch.kafka_records(pipeline.topic)  # counted once more, without the ledger
    found = {name_of(each.key().decode(), each.headers()) for each in records}
    assert (pipeline.records, pipeline.rows) == (len(records), len(found))
    stored = found & ledger.published.keys()
    assert counts["once"] + counts["repeated"] == len(stored)
    assert len(found - stored) == 100 * ("write_rogue_records" in accidents)
    assert (counts["lost"] > 0) == ("fill_queue" in accidents)
    assert counts["waiting"] == counts["at the device"] == counts["dead-lettered"] == 0
