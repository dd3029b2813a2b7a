"""The order of tests on several workers: what takes long begins first on each, clusters are on two at most.

pytest-xdist's ``worksteal`` deals each worker one stretch of the list. Who is done takes the end of another's stretch,
down to its last two tests: these should be short, or the others wait for them.
"""

from __future__ import annotations

from itertools import chain

import psutil
import pytest

from tests.notebooks.anatomy import Lesson

# How many clusters of brokers, or brokers with locks, run at a time on this machine: each takes 700 MB or more.
CLUSTERS = 2 if psutil.virtual_memory().total > 12e9 else 1
# About how long a test takes that is marked `slow` without saying so, and one on a cluster that runs already.
SLOW_SECONDS, CLUSTER_SECONDS = 60, 10
# To try so many wrong answers, each with a right one after it, takes about as long as to run the lesson.
ANSWERS_A_RUN = 8
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
    slow = item.get_closest_marker("slow")
    if slow and slow.kwargs:
        return int(slow.kwargs["seconds"])
    if lesson := lesson_run_by(item):
        answers = sum(len(each.wrong) for each in item.callspec.params.get("exercises", []))  # type: ignore[attr-defined]
        return lesson.seconds * (1 + answers // ANSWERS_A_RUN) if answers else 3 * lesson.seconds + 20
    if slow or BROWSER & set(getattr(item, "fixturenames", ())):
        return SLOW_SECONDS
    return CLUSTER_SECONDS * wants_cluster(item)


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in a better order: a stretch for each worker, and in each clusters first, then what takes long."""
    sizes = [len(items[number::workers]) for number in reversed(range(workers))]  # as worksteal deals them
    hands: list[list[pytest.Item]] = [[] for _ in sizes]
    load, homes = [0] * workers, dict[object, int]()
    lanes = max(1, min(CLUSTERS, workers - 1))
    for each in sorted(items, key=lambda each: (not wants_cluster(each), -seconds(each))):
        with_room = [number for number, hand in enumerate(hands) if len(hand) < sizes[number]]
        mine = [number for number in with_room if number < lanes or not wants_cluster(each)] or with_room
        # The tests of a module that share a cluster stay together.
        group = each.path if "_one_cluster" in getattr(each, "fixturenames", ()) else id(each)
        place = homes.get(group)
        if place not in mine:
            place = homes[group] = min(mine, key=load.__getitem__)
        hands[place].append(each)
        load[place] += seconds(each)
    return list(chain(*hands))
