"""The questions at the end of each lesson: three, each with one right option, and a sentence about every option."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from helpers.checks.questions import LETTERS, questions
from tests.notebooks.anatomy import Lesson, lessons

LONGEST = 60  # characters of an option, which is a button
SENTENCE = re.compile(r"[^.?!]+(?:\.\w[^.?!]*)*\.")


def problems(asked: list[dict[str, Any]]) -> list[str]:
    """What is wrong with a lesson's questions."""
    found = [f"{each['asks']!r}: {what}" for each in asked for what, wrong in faults(each).items() if wrong]
    if len(asked) != 3 or len({each["right"] for each in asked}) == 1:
        found.append("not three questions whose right options have different letters")
    return found


def faults(question: dict[str, Any]) -> dict[str, bool]:
    """What may be wrong with a question, and whether it is."""
    letters = [each for each in LETTERS if each in question]
    options, reasons = zip(*(question[each] for each in letters), strict=True)
    right, *_ = question.get(question["right"], [""])
    return {
        "it does not ask": not question["asks"].endswith("?"),
        "its keys are not asks, right and three or four options": set(question) != {"asks", "right", *letters}
        or "".join(letters) not in {"abc", "abcd"},
        "no option is right": not right,
        "two options are the same": len(set(options)) < len(options),
        "an option is too long for a button": max(map(len, options)) > LONGEST,
        # It often is the longest, and gives itself away.
        "the right option is much longer than another": len(right) > 20 + min(map(len, options)),
        "a reason is not one sentence": not all(SENTENCE.fullmatch(each) for each in reasons),
        "it has markup besides `code`": any(
            re.search(r"[*`]", re.sub(r"`[^`]+`", "", text)) for text in (question["asks"], *options, *reasons)
        ),
    }


@pytest.mark.parametrize("lesson", lessons(), ids=lambda each: each.path.stem)
def test_a_lesson_ends_with_three_good_questions(lesson: Lesson) -> None:
    assert problems(questions(lesson.slug)) == []


def test_no_question_is_asked_twice() -> None:
    asked = [each["asks"] for lesson in lessons() for each in questions(lesson.slug)]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize(
    "changes",
    [
        {"asks": "Say something."},
        {"right": "d"},
        {"right": "b"},
        {"e": ["an option", "It is one too many."]},
        {"a": ["the same", "It is so."], "b": ["the same", "It is so."]},
        {"a": ["an option that goes on and on, until everybody sees that it is right", "It is so."]},
        {"b": ["another", "Not a sentence"]},
        {"b": ["another", "One. Two."]},
        {"b": ["another", "An *unknown* markup."]},
        {"b": ["another", "An `open end."]},
    ],
)
def test_a_spoilt_question_is_found(changes: dict[str, Any]) -> None:
    question = {"asks": "Which?", "right": "a", "a": ["one", "It is."], "b": ["two", "No."], "c": ["three", "No."]}
    good = [question, {**question, "right": "b"}, {**question, "right": "b"}]
    assert problems(good) == []
    spoilt = copy.deepcopy(good)
    spoilt[0] |= changes
    assert problems(spoilt)
    assert problems(good[:2])
