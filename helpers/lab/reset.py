"""Deleting what lessons made: topics, groups, subjects, retained messages, sessions; in one namespace only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from helpers.lab.lifecycle import Status
from helpers.lab.services.base import Names
from helpers.lab.settings import Settings
from helpers.lab.state import State
from helpers.lessons import BOARD, LESSONS, Lesson


def exclusive(settings: Settings) -> bool:
    """Whether only this learner uses the brokers."""
    return not settings.external and State.load(settings.home).shared is None


def names(ns: str, lesson: Lesson | None, *, alone: bool, everything: bool = False) -> Names:
    """Return the names that a reset may delete: one lesson's or all lessons', in the namespace.

    ``alone``: only this learner uses the brokers. ``everything``: every name but the brokers' own and the room's board.
    """
    lessons = [lesson] if lesson else list(LESSONS.values())

    def owned(name: str) -> bool:
        return not name.startswith(("_", "$", BOARD)) if everything else any(each.owned(name, ns) for each in lessons)

    # Of a broker that others use too, ask only for one's own subtrees. A filter cannot match a part of a level.
    filters = ["#"] if alone else [f"{ns}{word}/#" for each in lessons for word in each.owns]
    return Names(owned=owned, filters=filters, sessions=[f"{ns}{name}" for each in lessons for name in each.sessions])


def reset(statuses: Iterable[Status], what: Names) -> Counter[str]:
    """Delete the names from every service that is ready. Return how many of each kind.

    Raises:
        LabError: A service refused; the message says which name and why.
    """
    return sum((each.service.reset(each.endpoint, what) for each in statuses if each.ready), Counter[str]())
