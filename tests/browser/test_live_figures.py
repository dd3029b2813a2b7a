"""Live figures in a browser: whenever a view appears, it shows the present state, then and ever after."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.browser.conftest import Jupyter, Visit
from tests.browser.lab_page import PLOT, LessonPage
from tests.notebooks.anatomy import Lesson

pytestmark = pytest.mark.timeout(300)

CHART = """
from helpers.figures import live

lines = live.Lines(title="Level", x_label="tick", y_label="litres")


def update():
    tick = len(lines.points().get("a", []))
    if tick < {ticks}:
        lines.extend((name, tick, 2 * tick) for name in ("a", "b"))


display(live.figure(lines))
await live.run(update, seconds=6, every=0.1)
"""
TICKS = 30

DASHBOARD = """
from helpers.figures import dashboard, live
from helpers.fleet import Fleet

fleet, operations = Fleet(6, seed=7), dashboard.Operations()
display(dashboard.view(operations))


def update():
    if fleet.clock < 1800:
        for each in fleet.step(60):
            operations.see(each.value(), each.time)
        operations.refresh(now=fleet.clock, mqtt=int(fleet.clock), kafka=int(fleet.clock), lag=0)


await live.run(update, seconds=6, every=0.1)
"""

SOURCES = {"chart": CHART.format(ticks=TICKS), "dashboard": DASHBOARD}  # they need no broker

# The points that the browser has drawn, by name of the line.
POINTS = "plot => JSON.stringify(Object.fromEntries((plot._fullData || []).map(each => [each.name, [...each.y]])))"
MARKS = 'plot => (plot._fullData || []).filter(each => each.type === "bar").flatMap(each => [...each.y]).length'

# JavaScript modules of widgets wait until the test lets them go, as on a slow machine.
HOLD_MODULES = """
    window.arrived = new Promise(resolve => { window.releaseModules = resolve; });
    const createObjectURL = URL.createObjectURL.bind(URL);
    URL.createObjectURL = blob => createObjectURL(
        blob.type === "text/javascript" ? new Blob(["await window.arrived;\\n", blob], {type: blob.type}) : blob);
"""

FINAL = {name: [2 * tick for tick in range(TICKS)] for name in ("a", "b")}


def shows(page: LessonPage, cell: str, script: str, wanted: object, *, within: float = 60) -> None:
    """Wait until the figure of ``cell`` shows what is ``wanted``."""
    seen, deadline = None, time.monotonic() + within
    while time.monotonic() < deadline:
        plots = page.cell(cell).locator(PLOT).all()
        seen = json.loads(str(plots[0].evaluate(script))) if plots else None
        if seen == wanted:
            return
        page.page.wait_for_timeout(200)
    pytest.fail(f"the figure of {cell} shows {seen}")


def shows_all(page: LessonPage) -> None:
    shows(page, "chart", POINTS, FINAL)
    shows(page, "dashboard", MARKS, 6)
    for cell in ("chart", "dashboard"):
        assert page.drawn(page.cell(cell).locator(PLOT).first)


def test_a_page_loaded_again_shows_the_last_state(
    visit: Visit, jupyter: Jupyter, notebook: Lesson, artifacts: Path
) -> None:
    page = LessonPage(visit, jupyter, notebook)
    page.run_all()
    shows_all(page)
    page.reload()
    shows_all(page)
    page.screenshots(artifacts / "browser" / "reloaded")
    assert page.errors() == []


def test_a_figure_that_appears_after_the_last_change_shows_it(visit: Visit, jupyter: Jupyter, notebook: Lesson) -> None:
    visit.page.add_init_script(HOLD_MODULES)
    page = LessonPage(visit, jupyter, notebook)
    page.run_all()
    assert page.cell("chart").locator(PLOT).count() == 0
    visit.page.evaluate("window.releaseModules()")
    shows_all(page)
    assert page.errors() == []


def test_a_figure_that_appears_between_changes_shows_all_of_them(
    visit: Visit, jupyter: Jupyter, notebook: Lesson
) -> None:
    visit.page.add_init_script(HOLD_MODULES)
    page = LessonPage(visit, jupyter, notebook)
    page.start_all()
    page.cell("chart").get_by_text("live, 4 s left").wait_for(timeout=60_000)
    visit.page.evaluate("window.releaseModules()")
    page.wait()
    shows_all(page)
    assert page.errors() == []


def test_a_slow_browser_shows_the_last_state(visit: Visit, jupyter: Jupyter, notebook: Lesson) -> None:
    page = LessonPage(visit, jupyter, notebook)
    visit.page.context.new_cdp_session(visit.page).send("Emulation.setCPUThrottlingRate", {"rate": 6})
    page.run_all()
    shows_all(page)
    assert page.errors() == []


def test_a_figure_has_a_text_alternative(visit: Visit, jupyter: Jupyter, notebook: Lesson) -> None:
    page = LessonPage(visit, jupyter, notebook)
    page.run_all()
    shows_all(page)
    figure = page.cell("chart").get_by_role("figure", name="Level: litres over tick")
    assert "one line each for a 58, b 58" in str(figure.get_attribute("aria-label"))
    figure = page.cell("dashboard").get_by_role("figure", name="Map of the fleet")
    assert "G-00" in str(figure.get_attribute("aria-label"))


def test_a_screen_reader_hears_the_last_state(visit: Visit, jupyter: Jupyter, notebook: Lesson) -> None:
    page = LessonPage(visit, jupyter, notebook)
    page.run_all()
    status = page.cell("chart").locator("[role=figure] + [aria-live=polite]")
    status.get_by_text("one line each for a 58, b 58").wait_for(state="attached", timeout=60_000)


def test_those_who_prefer_reduced_motion_see_only_states_that_stand(
    visit: Visit, jupyter: Jupyter, notebook: Lesson
) -> None:
    visit.page.emulate_media(reduced_motion="reduce")
    page = LessonPage(visit, jupyter, notebook)
    page.start_all()
    plot = page.cell("chart").locator(PLOT)
    plot.wait_for(timeout=60_000)
    seen, deadline = [], time.monotonic() + 60
    while not (seen and json.loads(seen[-1]) == FINAL) and time.monotonic() < deadline:
        if (now := str(plot.evaluate(POINTS))) not in seen:
            seen.append(now)
    assert json.loads(seen[-1]) == FINAL
    assert len(seen) <= 8  # of thirty: in six seconds no more can stand for a second
