"""Lessons in JupyterLab: Run All shows no error, everything is drawn and answers a click, and nothing is fetched.

Code fits a small laptop's screen. Live figures are there again when the page is loaded again while the kernel goes on.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from helpers.paths import NOTEBOOKS
from tests.browser.conftest import Jupyter, Visit
from tests.browser.lab_page import PLOT, LessonPage, notebook_of
from tests.notebooks.anatomy import Lesson, lessons

pytestmark = pytest.mark.timeout(600)


def by_number(number: str) -> Lesson:
    return next(each for each in lessons() if each.number == number)


@pytest.mark.parametrize("lesson", lessons(), ids=lambda each: each.path.stem)
def test_run_all_draws_everything(visit: Visit, jupyter: Jupyter, lesson: Lesson, artifacts: Path) -> None:
    shutil.copytree(NOTEBOOKS / "pictures", artifacts / "pictures", dirs_exist_ok=True)
    copy = artifacts / lesson.path.name  # which is saved before the page is loaded again
    copy.write_text(lesson.text, encoding="utf-8")
    visit.page.set_viewport_size({"width": 1366, "height": 768})
    page = LessonPage(visit, jupyter, Lesson.read(copy))
    page.run_all()
    pictures = page.screenshots(artifacts / "browser")

    assert page.errors() == []
    assert page.dialogs() == []
    assert pictures
    assert page.wide_code() == []
    for plot in page.plots():
        assert page.drawn(plot), "a figure has axes and nothing in them"
        assert page.sentence(plot).endswith("."), "a figure has no text alternative"
        answers_a_click(page, plot)
    if lesson.live:  # other figures are stored in the notebook
        shown = page.figures()
        page.reload()
        for name, count in shown.items():
            assert page.drawn_again(name, count), f"{name} does not show its figures when the page is loaded again"
        assert page.errors() == []
    assert visit.refused == []
    copy.unlink()


def answers_a_click(page: LessonPage, plot: Any) -> None:
    """A click on a legend's entry hides its line; where there is no legend, the toolbar's zoom-out moves the axes."""
    entry = plot.locator(".legendtoggle")
    if entry.count():
        before = plot.evaluate("plot => JSON.stringify(plot._fullData.map(each => each.visible))")
        entry.first.click()
        expression = "plot => JSON.stringify(plot._fullData.map(each => each.visible))"
    else:
        expression = "plot => JSON.stringify(plot._fullLayout.xaxis ? plot._fullLayout.xaxis.range : [])"
        before = plot.evaluate(expression)
        plot.hover()
        button = plot.locator('.modebar-btn[data-title="Zoom out"]')
        if not button.count():
            return  # no axes to zoom: a table or an indicator
        button.first.click()
    for _ in range(300):
        if plot.evaluate(expression) != before:
            return
        page.page.wait_for_timeout(100)
    pytest.fail("the figure did not react to a click")


def test_a_click_on_a_widget_reaches_python(visit: Visit, jupyter: Jupyter) -> None:
    page = LessonPage(visit, jupyter, by_number("00"))
    page.run_all()
    output = page.cell("widget")
    output.get_by_role("button", name="Click me").click()
    output.get_by_text("Clicks that reached Python: 1").wait_for(timeout=60_000)


FIGURE = "import plotly.graph_objects as go\n\ngo.FigureWidget(go.Scatter(y=[1, 3, 2]))"


def test_a_figure_without_data_counts_as_not_drawn(visit: Visit, jupyter: Jupyter, artifacts: Path) -> None:
    """The look at figures itself: a figure without points draws axes and no line."""
    with notebook_of(artifacts / "figure.ipynb", {"figure": FIGURE}) as notebook:
        page = LessonPage(visit, jupyter, notebook)
        page.run_all()
        plot = page.cell("figure").locator(PLOT)
        plot.wait_for(timeout=60_000)
        assert page.drawn(plot)
        plot.evaluate("plot => plot.querySelectorAll('.trace').forEach(each => each.remove())")
        assert plot.evaluate("plot => plot.querySelectorAll('.xtick').length")
        assert not page.drawn(plot, within=1)


def test_a_request_to_the_world_outside_is_refused_and_noticed(visit: Visit) -> None:
    visit.page.set_content('<img src="https://tile.openstreetmap.org/0/0/0.png">')
    visit.page.wait_for_timeout(500)
    assert [re.sub(r"/0/0/0.png$", "", url) for url in visit.refused] == ["https://tile.openstreetmap.org"]
