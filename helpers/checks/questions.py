"""The questions at a lesson's end: what they ask, their options, which one is right, and what to say about each.

They are files of their own, ``notebooks/questions/SLUG.toml``, so that no cell shows the answers.
"""

from __future__ import annotations

import tomllib
from typing import Any

from helpers.errors import LessonError
from helpers.paths import NOTEBOOKS

LETTERS = "abcd"


def questions(lesson: str) -> list[dict[str, Any]]:
    """Return the questions of a lesson, given by its slug.

    Each has ``asks``, the letter ``right``, and three or four of ``LETTERS``: the option, and a sentence about it.

    Raises:
        LessonError: The lesson has no such file.
    """
    file = NOTEBOOKS / "questions" / f"{lesson}.toml"
    try:
        found: list[dict[str, Any]] = tomllib.loads(file.read_text(encoding="utf-8"))["question"]
    except FileNotFoundError as error:
        remedy = 'Give the notebook\'s name without its number, as in WrapUp("copies").'
        raise LessonError(f"The lesson {lesson!r} has no questions: {file.name} is missing.", remedy=remedy) from error
    return found


def as_text(question: dict[str, Any]) -> str:
    """Return a question and its options, a line each, without the answer."""
    return "\n".join([question["asks"], *(f"  {each}: {question[each][0]}" for each in LETTERS if each in question)])
