"""Tests on several workers: long ones begin first, those with a cluster are on one worker, and each runs once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests import ordering
from tests.notebooks.anatomy import Lesson, lessons


def example(lesson: Lesson | None = None, *fixtures: str, slow: bool = False) -> Any:
    """What :mod:`tests.ordering` looks at in a test."""
    return SimpleNamespace(
        callspec=SimpleNamespace(params={"lesson": lesson}),
        fixturenames=fixtures,
        get_closest_marker=lambda name: slow and name == "slow",
    )


def test_each_worker_begins_with_what_takes_long_and_ends_with_what_does_not() -> None:
    stretch = 30
    cluster = [example(None, "_one_cluster") for _ in range(4)]
    runs = [example(each, "lab_env") for each in lessons()]
    short = [example() for _ in range(3 * stretch - len(cluster) - len(runs))]
    items = [*short[:30], *cluster, *runs, *short[30:]]

    order = ordering.dealt(items, workers=3)

    assert sorted(map(id, order)) == sorted(map(id, items))
    parts = order[:stretch], order[stretch : 2 * stretch], order[2 * stretch :]
    clusters = [each for each in items if ordering.wants_cluster(each)]
    assert [*map(id, order[: len(clusters)])] == [*map(id, clusters)]
    for part in parts:
        others = [ordering.seconds(each) for each in part if not ordering.wants_cluster(each)]
        assert others == sorted(others, reverse=True)
        assert others[0] > 0 == others[-1]


def test_a_lesson_that_is_read_and_not_run_takes_no_time() -> None:
    lesson = next(each for each in lessons() if each.uses_cluster)
    assert ordering.wants_cluster(example(lesson, "lab_env"))
    assert not ordering.wants_cluster(example(lesson))
    assert ordering.seconds(example(lesson)) == 0
    assert ordering.seconds(example(slow=True)) > 0


def test_few_tests_are_all_there() -> None:
    items = [example(slow=True), example(None, "_one_cluster"), example(None, "_one_cluster")]
    assert sorted(map(id, ordering.dealt(items, workers=3))) == sorted(map(id, items))
