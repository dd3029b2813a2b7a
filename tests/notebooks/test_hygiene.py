"""Every lesson, read but not run: each of the rules in ``anatomy`` holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.notebooks.anatomy import PREDICTION, RULES, Lesson, lessons


@pytest.mark.parametrize("lesson", lessons(), ids=lambda each: each.path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_lesson_keeps_the_rule(lesson: Lesson, rule: Callable[[Lesson], Iterator[str]]) -> None:
    problems = list(rule(lesson))
    assert not problems, "\n".join(problems)


def test_lesson_numbers_are_unique() -> None:
    numbers = [lesson.number for lesson in lessons()]
    assert numbers == sorted(set(numbers))


def test_names_of_predictions_are_unique() -> None:
    names = [name for lesson in lessons() for cell in lesson.cells for name in PREDICTION.findall(cell.source)]
    assert sorted(names) == sorted(set(names))
