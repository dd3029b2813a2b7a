"""The order of tests on several workers: what takes long begins first on each, what starts a cluster is on one.

pytest-xdist's ``worksteal`` deals each worker one stretch of the list. Who is done takes the end of another's stretch,
down to its last two tests: these should be short, or the others wait for them.
"""

from __future__ import annotations

import pytest

from tests.notebooks.anatomy import Lesson

# About how long a test takes that is marked `slow` and runs no lesson, and one on a cluster that runs already.
SLOW_SECONDS, CLUSTER_SECONDS = 60, 10
# What tests in a browser ask for: they take long too.
BROWSER = {"visit", "site"}


def lesson_run_by(item: pytest.Item) -> Lesson | None:
    """The lesson whose cells a test runs, if it does."""
    call = getattr(item, "callspec", None)
    lesson = call and call.params.get("lesson")  # another module's ``lesson`` may be something else
    return lesson if isinstance(lesson, Lesson) and "lab_env" in getattr(item, "fixturenames", ()) else None


def wants_cluster(item: pytest.Item) -> bool:
    """Whether a test starts a cluster, or brokers with locks: there is one at a time on a machine."""
    lesson = lesson_run_by(item)
    return lesson.uses_cluster if lesson else "_one_cluster" in getattr(item, "fixturenames", ())


def seconds(item: pytest.Item) -> int:
    """How long a test takes, roughly: 0 for most."""
    if lesson := lesson_run_by(item):
        return lesson.seconds + SLOW_SECONDS
    slow = item.get_closest_marker("slow") or BROWSER & set(getattr(item, "fixturenames", ()))
    return SLOW_SECONDS if slow else CLUSTER_SECONDS * wants_cluster(item)


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in a better order: a stretch for each worker, and in each the long ones first."""
    clusters = [each for each in items if wants_cluster(each)]
    others = [each for each in items if not wants_cluster(each)]
    long = sorted(filter(seconds, others), key=seconds, reverse=True)
    short = [each for each in others if not seconds(each)]
    hands = [clusters, *([] for _ in range(workers - 1))]
    for each in long:
        min(hands, key=lambda hand: sum(map(seconds, hand))).append(each)
    order: list[pytest.Item] = []
    for number, hand in enumerate(hands):
        size = (len(items) - len(order)) // (workers - number)
        count = max(0, size - len(hand))
        order += hand + short[:count]
        short = short[count:]
    return order + short
