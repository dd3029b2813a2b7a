"""What `lab progress` says: what is done, what is next on a path, and a question a week later."""

from __future__ import annotations

import time

import pytest

from helpers.board import practice
from helpers.board.record import Entry
from helpers.checks.questions import as_text, questions
from helpers.lessons import LESSONS, PATHS

NOW = time.time()
DAY = 24 * 3600


def done(number: str, *, days_ago: float = 0.0, tries: int = 1) -> dict[str, Entry]:
    lesson, last = LESSONS[number], NOW - days_ago * DAY
    count = len(lesson.cells("check"))
    return {f"{lesson.slug}/exercise_{each + 1}": Entry("done", tries, last - 60, last) for each in range(count)}


def opened(number: str) -> dict[str, Entry]:
    return {f"{LESSONS[number].slug}/opened": Entry("opened", 1, NOW, NOW)}


def overview(entries: dict[str, Entry], reader: str | None = None) -> str:
    return "\n".join(practice.overview(entries, reader))


def test_the_first_lesson_comes_first() -> None:
    assert "Your next lesson: 00 Start here" in overview({})


def test_the_next_lesson_is_the_next_on_the_path() -> None:
    entries = done("00") | done("02") | done("03")
    assert "Your next lesson: 01 Emergency generators" in overview(entries)
    assert "Your next lesson: 08 Talk back" in overview(entries, "embedded")


def test_a_lesson_of_which_one_exercise_is_missing_is_next() -> None:
    entries = done("00") | done("01")
    entries.popitem()
    assert "Your next lesson: 01" in overview(entries)
    assert f"  01 Emergency generators{' ' * 13}2 of 3 exercises" in overview(entries)


def test_a_part_of_a_lesson_is_done_when_it_was_opened() -> None:
    entries = done("00") | done("06")
    assert "Your next lesson: 07 Bridge by hand §1–4" in overview(entries, "architect")
    assert "Your next lesson: 14 Grow" in overview(entries | opened("07"), "architect")


def test_there_is_an_end() -> None:
    every = {key: each for number in LESSONS for key, each in done(number).items()}
    assert "You have done them all." in overview(every)


def test_a_week_later_it_asks() -> None:
    assert "A week later" not in overview(done("03", days_ago=6))
    asked = overview(done("03", days_ago=8))
    assert "do you still know lesson 03?" in asked
    assert [each for each in questions(LESSONS["03"].slug) if as_text(each) in asked]


def test_a_record_of_practice_is_a_table() -> None:
    lines = "\n".join(practice.report(done("02", tries=4)))
    today = time.strftime("%Y-%m-%d", time.localtime(NOW))
    assert f"| 02 Publish with MQTT | 3 of 3 | 12 | {today} | {today} |" in lines
    assert "03 " not in lines


@pytest.mark.parametrize("reader", PATHS)
def test_each_path_can_be_followed(reader: str) -> None:
    assert overview({}, reader).count(" exercises") == len(PATHS[reader][1].split(","))
