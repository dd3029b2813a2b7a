"""Banks of answers: what people answer to an exercise, and what its check must say to it.

A lesson's bank is the list ``EXERCISES`` in ``tests/notebooks/answers/SLUG.py``. Each of its answers is the text of
an exercise cell. :func:`attempts` tries them all in one kernel, :func:`problems` says what the checks got wrong.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, cycle
from pathlib import Path
from typing import Any

import nbformat

from helpers.paths import NOTEBOOKS
from tests.notebooks import execution
from tests.notebooks.anatomy import Lesson, solution, tags
from tests.notebooks.learner import Learner, errors

# The text of an exercise cell. A dict stands for the solution in which each key is replaced by its value.
Answer = str | dict[str, str]


@dataclass(frozen=True)
class Wrong:
    """A wrong answer, why it is wrong, and some words of the hint it must get.

    Answers of one ``cause`` may share a hint; answers of different causes must not. ``raises`` names the error in which
    the exercise cell itself ends, such as ``"TypeError"``.
    """

    cause: str
    hint: str
    answer: Answer
    raises: str = ""


@dataclass(frozen=True)
class Exercise:
    """One exercise cell, by its id, and the answers to it.

    ``needs`` are the ids of the cells that must have run, besides the lesson's first; ``right`` are answers unlike the
    solution, by what is different about them. ``faster`` is replaced in all answers: old text → new text.
    """

    cell: str
    misconception: str
    wrong: list[Wrong]
    right: dict[str, Answer]
    needs: list[str] = field(default_factory=list)
    faster: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Attempt:
    """An answer tried: what the check said, and the error in which the exercise cell ended, if any."""

    cell: str
    name: str
    wrong: Wrong | None
    said: str
    error: str = ""

    @property
    def hint(self) -> str:
        return self.said.partition("\nHint: ")[2]


def bank(slug: str) -> list[Exercise] | None:
    """The bank of the lesson with this slug, or ``None`` if it has none yet."""
    there = (Path(__file__).parent / "answers" / f"{slug}.py").exists()
    return importlib.import_module(f"tests.notebooks.answers.{slug}").EXERCISES if there else None


def text(lesson: Lesson, exercise: Exercise, answer: Answer) -> str:
    """The text of an answer. Raises ``ValueError`` if something to be replaced is not in the solution."""
    place = [cell.id for cell in lesson.cells].index(exercise.cell)
    code = answer if isinstance(answer, str) else solution(lesson.cells[place + 2]) or ""
    for old, new in answer.items() if isinstance(answer, dict) else ():
        if old not in code:
            raise ValueError(f"the solution of {exercise.cell} does not contain {old!r}")
        code = code.replace(old, new)
    for old, new in exercise.faster.items():
        code = code.replace(old, new)
    return code.strip("\n")


def attempts(
    lesson: Lesson, exercises: list[Exercise], env: Mapping[str, str], folder: Path = NOTEBOOKS
) -> list[Attempt]:
    """Try all answers in one kernel: each wrong one after a right one, and followed by another right one.

    So a check that goes by an earlier attempt, or a wrong answer that cannot be mended by a right one, is found.
    """
    kernel = _Kernel(lesson, folder)
    with kernel.client.setup_kernel(env=dict(env)):
        kernel.prepare([kernel.first])
        return [attempt for exercise in exercises for attempt in _attempts(kernel, exercise)]


def _attempts(kernel: _Kernel, exercise: Exercise) -> Iterator[Attempt]:
    kernel.prepare(exercise.needs)
    right = cycle({"the solution": {}, **exercise.right}.items())
    yield kernel.attempt(exercise, *next(right))
    for wrong in exercise.wrong:
        yield kernel.attempt(exercise, wrong.cause, wrong.answer, wrong)
        name, answer = next(right)
        yield kernel.attempt(exercise, f"{name}, after: {wrong.cause}", answer)


class _Kernel:
    """A kernel in which the cells of a lesson run one by one."""

    def __init__(self, lesson: Lesson, folder: Path) -> None:
        self.lesson = lesson
        learner = Learner(nbformat.from_dict(lesson.notebook), folder)
        self.client = learner.client
        self._cells = learner.notebook.cells
        self._ids = [cell.id for cell in self._cells]
        self.first: str = learner.cells[0].id
        self._prepared: set[str] = set()

    def prepare(self, cells: list[str]) -> None:
        """Run cells, each once in a kernel."""
        for each in cells:
            if each not in self._prepared and (error := self._run(each)):
                raise execution.LessonFailedError(f"{each}: {error}")
            self._prepared.add(each)

    def attempt(self, exercise: Exercise, name: str, answer: Answer, wrong: Wrong | None = None) -> Attempt:
        place = self._ids.index(exercise.cell)
        self._cells[place].source = text(self.lesson, exercise, answer)
        error = self._run(exercise.cell)
        said = self._run(self._ids[place + 1]) or execution.shown(self._cells[place + 1])
        return Attempt(exercise.cell, name, wrong, said, error)

    def _run(self, cell: str) -> str:
        """Run a cell and return the error in which it ended, empty if none."""
        place = self._ids.index(cell)
        self.client.execute_cell(self._cells[place], place)
        return "".join(errors(self._cells[place]))


def problems(attempts: list[Attempt]) -> list[str]:
    """What the checks got wrong, one text for each."""
    found = [f"{each.cell}, {each.name}: {problem}" for each in attempts for problem in _problems(each)]
    wrong = [each for each in attempts if each.wrong]
    for one, other in combinations(wrong, 2):
        if one.cell == other.cell and one.name != other.name and one.hint == other.hint:
            found.append(f"{one.cell}: one hint for “{one.name}” and “{other.name}”: {one.hint}")
    return found


def _problems(attempt: Attempt) -> Iterator[str]:
    expected = attempt.wrong.raises if attempt.wrong else ""
    if attempt.error.partition(":")[0] != expected:
        yield f"the cell ended in {attempt.error or 'no error'}, not in {expected or 'none'}"
    if attempt.wrong is None:
        if not attempt.said.startswith("✅"):
            yield f"refused with “{attempt.said}”"
    elif not attempt.said.startswith("Not yet"):
        yield f"not refused: “{attempt.said}”"
    elif attempt.wrong.hint not in attempt.said:
        yield f"“{attempt.wrong.hint}” is not in “{attempt.said}”"


def mutants(attempts: list[Attempt]) -> Iterator[tuple[str, list[Attempt]]]:
    """The same attempts with one verdict or two hints changed, each with what was changed.

    A check that accepts one wrong answer, refuses one right answer, or confuses two causes of one exercise.
    """

    def changed(*said: tuple[int, str]) -> list[Attempt]:
        copy = list(attempts)
        for place, new in said:
            copy[place] = replace(copy[place], said=new)
        return copy

    places = list(enumerate(attempts))
    for place, each in places:
        verdict = "✅ It is there." if each.wrong else "Not yet: it is not there.\nHint: Make it."
        yield f"{each.cell}, {each.name}: {verdict}", changed((place, verdict))
    for (here, one), (there, other) in combinations([each for each in places if each[1].wrong], 2):
        if one.cell == other.cell and one.name != other.name:
            swapped = changed((here, other.said), (there, one.said))
            yield f"{one.cell}: “{one.name}” and “{other.name}” swapped", swapped


def exercise_cells(lesson: Lesson) -> list[Any]:
    """The exercise cells of a lesson."""
    return [cell for cell in lesson.cells if "exercise" in tags(cell)]
