"""Every lesson with its solutions: each check says ✅. With ``--again`` nbmake then runs it untouched: not yet."""

from __future__ import annotations

import os
from typing import Any

import pytest
from nbmake.nb_run import NotebookRun

from helpers import lab, lessons as table
from tests.notebooks import brokers, execution
from tests.notebooks.anatomy import Lesson, lessons, with_solutions

NAMESPACE = "ana"
LESSONS = pytest.mark.parametrize(
    "lesson",
    [
        pytest.param(each, id=each.path.stem, marks=[] if each.uses_mqtt else [pytest.mark.without_mqtt])
        for each in lessons()
    ],
)

# Each cell may take a minute; a lesson has many.
pytestmark = pytest.mark.timeout(900, func_only=True)


@LESSONS
def test_a_solved_lesson_passes_and_leaves_only_names_it_owns(
    lesson: Lesson, here: Any, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a namespace, as on a shared cluster: what is new is the lesson's own, and goes at a reset.

    With ``--again`` the lesson then runs untouched, as a maintainer's ``pytest --nbmake --nbmake-timeout=60`` does: a
    check counts only what happened since the lesson's first cell.
    """
    row = table.find(lesson.number)
    before = brokers.names(here)
    monkeypatch.setenv("LAB_NAMESPACE", NAMESPACE)  # ``here`` has set the other variables

    executed = execution.run(with_solutions(lesson.notebook), env=os.environ)

    excused = (
        [] if here.influxdb else ["there is no InfluxDB here"]
    )  # then nothing: exercise 3 of lesson 10 cannot be solved
    failed = [answer for answer in execution.answers(executed) if not answer.passed]
    assert [answer for answer in failed if not any(text in answer.text for text in excused)] == []
    made = brokers.names(here) - before
    assert {(kind, name) for kind, name in made if not row.owned(name, f"{NAMESPACE}-")} == set()

    if pytestconfig.getoption("--again"):
        again = NotebookRun(lesson.path, execution.CELL_SECONDS).execute()
        assert again.error is None, execution.without_colours(again.error.trace)
        answers = execution.answers(again.nb)
        assert answers
        assert [answer for answer in answers if not answer.not_yet] == []
        assert execution.complaints(again.nb) == []

    lab.connect(lesson=lesson.number)
    assert brokers.names(here) - before == set()


def test_the_table_of_lessons_lists_every_notebook() -> None:
    stored = {lesson.path.name for lesson in lessons()}
    assert {row.file for row in table.LESSONS.values()} == stored


@LESSONS
def test_a_lesson_has_the_title_in_the_table(lesson: Lesson) -> None:
    row = table.find(lesson.number)
    assert lesson.cells[0].source.startswith(f"# {row.number} · {row.title}\n")
