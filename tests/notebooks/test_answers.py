"""Every exercise, answered wrong and right in many ways: each wrong answer gets the hint for its cause, no other.

The right answer is accepted after each wrong one, and the wrong one is refused after a right one: a check speaks of the
latest attempt.
"""

from __future__ import annotations

import ast
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from helpers.paths import ROOT
from tests.notebooks import sample
from tests.notebooks.anatomy import Lesson, lessons, parsed, tags
from tests.notebooks.bank import Exercise, Wrong, attempts, bank, exercise_cells, mutants, problems, text

BANKS = {lesson: found for lesson in lessons() if (found := bank(lesson.slug))}
LEAST_WRONG, LEAST_RIGHT = 6, 2

each_bank = pytest.mark.parametrize(("lesson", "exercises"), BANKS.items(), ids=[lesson.path.stem for lesson in BANKS])


@each_bank
@pytest.mark.slow
@pytest.mark.timeout(1500, func_only=True)  # the wait for a cluster's place does not count
def test_each_answer_gets_what_it_deserves(lesson: Lesson, exercises: list[Exercise], lab_env: dict[str, str]) -> None:
    tried = attempts(lesson, exercises, lab_env)

    found = problems(tried)
    assert not found, "\n".join(found)
    assert [what for what, mutant in mutants(tried) if not problems(mutant)] == []


@pytest.mark.slow(seconds=10)
def test_a_real_check_that_always_passes_is_found(lab_env: dict[str, str]) -> None:
    (lesson, [exercise, *_]), *_ = BANKS.items()
    notebook = lesson.notebook
    [check, *_] = [cell for cell in notebook.cells if "check" in tags(cell)]
    check.source = f"from dataclasses import replace\n\nreplace({check.source}, passed=True)"

    found = problems(attempts(replace(lesson, text=nbformat.writes(notebook)), [exercise], lab_env))

    assert sum("not refused" in each for each in found) == len(exercise.wrong)


@each_bank
def test_a_bank_is_complete(lesson: Lesson, exercises: list[Exercise]) -> None:
    assert [each.cell for each in exercises] == [cell.id for cell in exercise_cells(lesson)]
    for exercise in exercises:
        assert exercise.misconception.endswith("."), f"{exercise.cell}: a misconception is a sentence"
        assert len(exercise.wrong) >= LEAST_WRONG, exercise.cell
        assert len(exercise.right) >= LEAST_RIGHT, exercise.cell
        assert set(exercise.needs) <= {cell.id for cell in lesson.cells}
        answers = [{}, *exercise.right.values(), *(each.answer for each in exercise.wrong)]
        trees = Counter(ast.dump(parsed(text(lesson, exercise, each))) for each in answers)
        assert max(trees.values()) == 1, f"{exercise.cell}: two answers are the same"


def test_every_lesson_has_a_bank() -> None:
    assert {lesson.number for lesson in lessons()} == {lesson.number for lesson in BANKS}


# The sample's first exercise, whose check is replaced by one with two hints.
CHECK = """\
(
    done("The file is there.")
    if Path("done-1").exists()
    else not_yet("There is no file.", "Make one." if not list(Path().glob("*-1")) else "Look at the name.")
)"""
BEGIN = "for old in Path().glob('*-1'):\n    old.unlink()\n"
SAMPLE = Exercise(
    cell="exercise-1",
    misconception="A file appears when it is named.",
    wrong=[
        Wrong("nothing is made", "Make one", BEGIN + 'Path("done-1")'),
        Wrong("another name", "Look at the name", BEGIN + 'Path("dome-1").touch()'),
    ],
    right={"written": 'Path("done-1").write_text("")'},
)


def tried(folder: Path, check: str = CHECK) -> list[str]:
    """The problems with the sample's answers."""
    notebook = sample.notebook()
    next(cell for cell in notebook.cells if cell.id == "check-1").source = check
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return problems(attempts(sample.lesson(notebook), [SAMPLE], env, folder))


def test_a_good_check_has_no_problems(tmp_path: Path) -> None:
    assert tried(tmp_path) == []


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ('done("Well done.")', ["nothing is made: not refused", "another name: not refused"]),
        ('not_yet("There is no file.", "Make one.")', ["the solution: refused", "another name: “Look at the name” is"]),
        (
            CHECK.replace("Make one.", "|").replace("Look at the name.", "Make one.").replace("|", "Look at the name."),
            ["nothing is made: “Make one” is not in", "another name: “Look at the name” is not in"],
        ),
        ("1 / 0", ["the solution: refused with “ZeroDivisionError"]),
    ],
    ids=["always passes", "never passes", "hints swapped", "raises"],
)
def test_a_bad_check_is_found(tmp_path: Path, check: str, expected: list[str]) -> None:
    found = "\n".join(tried(tmp_path, check))
    assert [each for each in expected if f"exercise-1, {each}" not in found] == []
