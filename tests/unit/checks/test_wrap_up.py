"""The wrap-up without a browser: text without answers, choices kept, and a clear error for a wrong name."""

from __future__ import annotations

import pytest

from helpers.checks.questions import questions
from helpers.checks.wrap_up import WrapUp
from helpers.errors import LessonError
from tools.book.outputs import widget

LESSON = "publish_with_mqtt"


def test_without_a_browser_it_is_text_that_gives_no_answer_away() -> None:
    shown = repr(WrapUp(LESSON))
    for question in questions(LESSON):
        assert question["asks"] in shown
        for letter in "abc":
            option, why = question[letter]
            assert f"{letter}: {option}" in shown
            assert why not in shown


def test_a_cell_that_runs_again_keeps_the_choices_of_its_own_lesson() -> None:
    WrapUp(LESSON).choices = {"1": "b"}
    assert WrapUp(LESSON).choices == {"1": "b"}
    WrapUp(LESSON).choices = {}


def test_in_the_book_the_reasons_unfold() -> None:
    page = widget(WrapUp(LESSON).get_state(), {})
    assert page.count("<details>") == page.count("✓") == len(questions(LESSON))
    assert "b: <code>generators/+/fuel</code>" in page
    assert "✗ a: <code>+</code> stands for exactly one level" in page


def test_a_lesson_without_questions_is_named() -> None:
    with pytest.raises(LessonError, match=r"'02' has no questions: 02\.toml is missing"):
        WrapUp("02")
