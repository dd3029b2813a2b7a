"""Tests on several workers: long ones begin first, those with a cluster are on few workers, and each runs once."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import ordering
from tests.conftest import place_for_a_cluster
from tests.notebooks.anatomy import Lesson, lessons
from tests.waiting import PATIENCE


def example(lesson: Lesson | None = None, *fixtures: str, slow: bool = False, **estimate: int) -> Any:
    """What :mod:`tests.ordering` looks at in a test."""
    marker = pytest.mark.slow(**estimate).mark
    return SimpleNamespace(
        callspec=SimpleNamespace(params={"lesson": lesson}),
        fixturenames=fixtures,
        path=Path("test_one.py"),
        get_closest_marker=lambda name: marker if (slow or estimate) and name == "slow" else None,
    )


@pytest.mark.parametrize("lanes", [1, 2])
def test_each_worker_begins_with_what_takes_long_and_ends_with_what_does_not(
    lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "CLUSTERS", lanes)
    stretch = 30
    cluster = [example(None, "_one_cluster") for _ in range(4)]
    runs = [example(each, "lab_env") for each in lessons()]
    short = [example() for _ in range(3 * stretch - len(cluster) - len(runs))]
    items = [*short[:30], *cluster, *runs, *short[30:]]

    order = ordering.dealt(items, workers=3)

    assert sorted(map(id, order)) == sorted(map(id, items))
    parts = order[:stretch], order[stretch : 2 * stretch], order[2 * stretch :]
    for number, part in enumerate(parts):
        wanting = [*map(ordering.wants_cluster, part)]
        assert wanting == sorted(wanting, reverse=True)
        assert any(wanting) == (number < lanes)
        others = [ordering.seconds(each) for each in part if not ordering.wants_cluster(each)]
        assert others == sorted(others, reverse=True)
        assert others[0] > 0 == others[-1]
    assert sum(any("_one_cluster" in each.fixturenames for each in part) for part in parts) == 1, "they share it"


def test_a_lesson_that_is_read_and_not_run_takes_no_time() -> None:
    lesson = next(each for each in lessons() if each.uses_cluster)
    assert ordering.wants_cluster(example(lesson, "lab_env"))
    assert not ordering.wants_cluster(example(lesson))
    assert ordering.seconds(example(lesson)) == 0
    assert ordering.seconds(example(slow=True)) > 0
    assert ordering.seconds(example(seconds=20)) == 20


def test_workers_have_the_same_to_do_if_all_tests_take_long() -> None:
    items = [example(seconds=each) for each in (300, 20, 20, 200, 100, 20, 90, 20, 80, 20, 70, 20)]
    order = [*map(ordering.seconds, ordering.dealt(items, workers=3))]
    assert [order[:4], order[4:8], order[8:]] == [[300, 20, 20, 20], [200, 70, 20, 20], [100, 90, 80, 20]]


def test_few_tests_are_all_there() -> None:
    items = [example(slow=True), example(None, "_one_cluster"), example(None, "_one_cluster")]
    assert sorted(map(id, ordering.dealt(items, workers=3))) == sorted(map(id, items))


def test_a_cluster_waits_until_there_is_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(ordering, "CLUSTERS", 2)

    def run() -> None:
        with place_for_a_cluster():
            pass

    third = threading.Thread(target=run, daemon=True)
    with place_for_a_cluster():
        with place_for_a_cluster():
            third.start()
            third.join(0.5)
            assert third.is_alive()
        third.join(PATIENCE)
        assert not third.is_alive()
