"""What a learner has done, as text: what is next, a question about what was done a week ago, a record of practice."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from helpers.board.record import Entry
from helpers.checks.questions import as_text, questions
from helpers.lessons import LESSONS, Lesson, steps

_WEEK = 7 * 24 * 3600


def overview(entries: Mapping[str, Entry], reader: str | None) -> Iterator[str]:
    """Yield lines: the lessons on a reader's path or all, what is next, and what was asked by those done a week ago.

    A lesson is done with its exercises. Where the path has only a part of it, it is done when it was opened.
    """
    left, before = [], []
    for lesson, how in steps(reader):
        tried, done, count = _tried(entries, lesson)
        complete = f"{lesson.slug}/opened" in entries if how else done == count
        name = f"{lesson.number} {lesson.title} {how}".rstrip()
        yield f"{'✓' if complete else ' '} {name:<35} {done} of {count} exercises"
        if not complete:
            left.append(name)
        elif tried and max(each.last for each in tried) < time.time() - _WEEK:
            before.append(lesson)
    yield f"\nYour next lesson: {left[0]}" if left else "\nYou have done them all."
    for lesson in before:
        yield f"\nA week later: do you still know lesson {lesson.number}? Its section *Wrap-up* has the answer."
        yield f"\n{question(lesson)}"


def report(entries: Mapping[str, Entry]) -> Iterator[str]:
    """Yield the lines of a record of practice, in Markdown."""
    yield f"# Record of practice\n\nWritten by `lab progress --report` on {_day(time.time())}, from what this computer"
    yield "noted at each check. It can be edited: it says what was practised, and certifies nothing.\n"
    yield "| lesson | exercises done | tries | from | to |\n|---|---|---|---|---|"
    for lesson in LESSONS.values():
        tried, done, count = _tried(entries, lesson)
        if tried:
            days = f"{_day(min(each.first for each in tried))} | {_day(max(each.last for each in tried))}"
            counts = f"{done} of {count} | {sum(each.tries for each in tried)}"
            yield f"| {lesson.number} {lesson.title} | {counts} | {days} |"


def question(lesson: Lesson) -> str:
    """Return one of the questions of the lesson's wrap-up, another one tomorrow, without its answer."""
    asked = questions(lesson.slug)
    return as_text(asked[time.localtime().tm_yday % len(asked)])


def _tried(entries: Mapping[str, Entry], lesson: Lesson) -> tuple[list[Entry], int, int]:
    """Return the entries of the lesson's exercises, how many of these are done, and how many exercises there are."""
    tried = [each for key, each in entries.items() if key.startswith(f"{lesson.slug}/exercise_")]
    return tried, sum(each.state == "done" for each in tried), len(lesson.cells("check"))


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))
