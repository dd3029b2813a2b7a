"""What runs beside a lesson's cells ends when its name is taken again, and when the lesson begins anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers import running


@pytest.fixture(autouse=True)
def _nothing_runs() -> Iterator[None]:
    running.end()
    yield
    running.end()


def test_a_name_taken_again_ends_what_ran_under_it() -> None:
    ended: list[str] = []
    running.beside("client", lambda: ended.append("disconnected"), lambda: ended.append("stopped"))
    running.beside("other", lambda: ended.append("other"))
    assert ended == []
    running.beside("client", lambda: ended.append("second client"))
    assert ended == ["disconnected", "stopped"]


def test_everything_ends_once_the_latest_first() -> None:
    ended: list[str] = []
    for name in ("relay", "client"):
        running.beside(name, lambda name=name: ended.append(name))  # type: ignore[misc]
    running.end()
    running.end()
    assert ended == ["client", "relay"]


def test_what_died_before_its_end_keeps_no_other_from_its_turn() -> None:
    ended: list[str] = []

    def fail() -> None:
        raise OSError("it is gone")

    running.beside("relay", lambda: ended.append("relay"))
    running.beside("client", fail, lambda: ended.append("client"))
    running.end()
    assert ended == ["client", "relay"]
