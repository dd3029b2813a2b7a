"""A lesson's questions in a browser: answered by keyboard, read out, and still answered on a page loaded again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.audit import in_both_themes
from tests.browser.conftest import Jupyter, Visit
from tests.browser.lab_page import LessonPage
from tests.notebooks.anatomy import Lesson

pytestmark = pytest.mark.timeout(300)

# The questions of lesson 02, which need no broker.
SOURCES = {"questions": 'from helpers.checks.wrap_up import WrapUp\n\nWrapUp("publish_with_mqtt")'}


def test_questions_are_answered_by_keyboard_and_outlive_the_page(
    visit: Visit, jupyter: Jupyter, notebook: Lesson, artifacts: Path
) -> None:
    page = LessonPage(visit, jupyter, notebook)
    page.run_all()
    groups = page.cell("questions").get_by_role("group", name=re.compile(r"\?$"))
    groups.nth(2).wait_for()
    first = groups.nth(0)
    assert first.get_by_role("status").text_content() == ""

    first.get_by_role("button", name="c: The password is right.").focus()
    visit.page.keyboard.press("Enter")
    first.get_by_role("status").filter(has_text="Not quite").wait_for()
    visit.page.keyboard.press("Shift+Tab")
    visit.page.keyboard.press("Shift+Tab")
    visit.page.keyboard.press("Space")
    right = first.get_by_role("status").filter(has_text="✓ Right. connect only asks")
    right.wait_for()
    first.get_by_role("button", name="a: A CONNECT packet was sent.", pressed=True).wait_for()
    groups.nth(1).get_by_role("button", name="a: generators/+", exact=True).click()

    page.reload()
    right.wait_for()
    groups.nth(1).get_by_role("status").filter(has_text="✗ Not quite").wait_for()
    assert groups.nth(2).get_by_role("status").text_content() == ""
    page.run_all()
    right.wait_for()
    assert in_both_themes(visit.page, page.cell("questions").locator(".jp-OutputArea"), artifacts / "wrap-up") == []
    assert page.errors() == []
