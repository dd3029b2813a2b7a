"""A prediction in a browser: chosen by keyboard, named for screen readers, and still there on a page loaded again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.audit import in_both_themes
from tests.browser.conftest import Jupyter, Visit
from tests.browser.lab_page import LessonPage
from tests.notebooks.anatomy import Lesson

pytestmark = pytest.mark.timeout(300)

PREDICT = """
from helpers.figures import Prediction

prediction = Prediction("browser", "both readers", "only the reader of Kafka", "neither")
prediction
"""
SOURCES = {"predict": PREDICT, "reveal": 'print("chosen:", prediction or "none yet")'}


def test_a_prediction_is_chosen_by_keyboard_and_outlives_the_page(
    visit: Visit, jupyter: Jupyter, notebook: Lesson, artifacts: Path
) -> None:
    page = LessonPage(visit, jupyter, notebook)
    page.run_all()
    page.cell("reveal").get_by_text("chosen: none yet").wait_for()

    group = page.cell("predict").get_by_role("radiogroup", name="Your prediction")
    group.get_by_role("radio", name="a: both readers").focus()
    visit.page.keyboard.press("Space")
    visit.page.keyboard.press("ArrowRight")
    chosen = group.get_by_role("radio", name="b: only the reader of Kafka", checked=True)
    chosen.wait_for()

    page.reload()
    chosen.wait_for()
    page.run_all()
    page.cell("reveal").get_by_text("chosen: b (only the reader of Kafka)").wait_for()
    chosen.wait_for()
    assert in_both_themes(visit.page, page.cell("predict").locator(".jp-OutputArea"), artifacts / "prediction") == []
    assert page.errors() == []
