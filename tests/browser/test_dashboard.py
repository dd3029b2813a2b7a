"""The dashboard of lesson 09 in a browser: it follows the fleet, stops when told, and is shown in both themes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Jupyter, Visit
from tests.browser.lab_page import PLOT, LessonPage
from tests.browser.test_lessons import by_number

pytestmark = pytest.mark.timeout(600)

# What the bars of the gauges show, as the browser has drawn them.
GAUGES = 'plot => JSON.stringify(plot._fullData.filter(each => each.type === "bar").map(each => [...each.x]))'


class DashboardCell:
    """The cell of lesson 09 that ends in the dashboard, run again by hand."""

    def __init__(self, lesson: LessonPage) -> None:
        self.page: Any = lesson.page
        self.cell = lesson.cell("dashboard")

    def run(self) -> None:
        self.cell.scroll_into_view_if_needed()
        self.cell.locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Shift+Enter")
        self.cell.get_by_text("s left").wait_for(timeout=30_000)

    def numbers(self) -> str:
        return str(self.cell.get_by_role("status").inner_text())

    def gauges(self) -> str:
        return str(self.cell.locator(PLOT).evaluate(GAUGES))

    def changes(self, look: Callable[[], str], *, within: float) -> bool:
        """Whether ``look`` gave a second answer in time; it does not go on looking then: the cell ends by itself."""
        first, end = look(), time.monotonic() + within
        while time.monotonic() < end:
            if look() != first:
                return True
            self.page.wait_for_timeout(100)
        return False

    def stopped(self) -> None:
        self.cell.get_by_text("stopped; run the cell again").wait_for(timeout=5_000)


def turn_dark(page: Any) -> None:
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.get_by_text("Theme", exact=True).hover()
    page.get_by_text("JupyterLab Dark", exact=True).click()
    page.locator('body[data-jp-theme-light="false"]').wait_for(state="attached", timeout=10_000)


def test_the_dashboard_follows_the_fleet_and_stops_when_told(visit: Visit, jupyter: Jupyter, artifacts: Path) -> None:
    lesson = LessonPage(visit, jupyter, by_number("09"))
    lesson.run_all()
    lesson.screenshots(artifacts / "browser" / "light")
    dashboard = DashboardCell(lesson)

    dashboard.run()
    assert dashboard.changes(dashboard.numbers, within=5)
    assert dashboard.changes(dashboard.gauges, within=5)
    dashboard.cell.get_by_role("button", name="Stop").click()
    dashboard.stopped()
    visit.page.wait_for_timeout(500)  # what was on its way to the browser
    assert not dashboard.changes(dashboard.gauges, within=2)
    assert not dashboard.changes(dashboard.numbers, within=1)
    dashboard.cell.screenshot(path=str(artifacts / "browser" / "dashboard-light.png"))

    turn_dark(visit.page)
    dashboard.run()
    dashboard.cell.get_by_text("theft?").wait_for(timeout=10_000)
    stop = dashboard.cell.get_by_role("button", name="Stop")
    stop.focus()
    visit.page.keyboard.press("Space")
    dashboard.stopped()
    dashboard.cell.screenshot(path=str(artifacts / "browser" / "dashboard-dark.png"))
    lesson.screenshots(artifacts / "browser" / "dark")
    assert lesson.errors() == []
    assert visit.refused == []


def test_the_dashboard_ends_by_itself(visit: Visit, jupyter: Jupyter) -> None:
    lesson = LessonPage(visit, jupyter, by_number("09"))
    lesson.run_all()
    DashboardCell(lesson).stopped()
