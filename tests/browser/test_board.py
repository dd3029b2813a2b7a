"""The room's board in a browser: a learner's buttons, who needs help first, no count of fewer than five people."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.board.page import server
from helpers.board.record import Entry, entry as read
from helpers.checks import brokers
from helpers.lessons import BOARD
from tests.browser.audit import in_both_themes, violations
from tests.browser.conftest import Jupyter, Visit
from tests.browser.lab_page import LessonPage
from tests.notebooks.anatomy import Lesson
from tests.waiting import wait_until

# What `lab join --board` and a lesson's first cell do, and a prediction.
FIRST = """
from pathlib import Path
from tempfile import mkdtemp

from helpers import lab
from helpers.board.follow import agree, follow
from helpers.lab.services import mqtt

home = Path(mkdtemp())
agree(home, "browser", "ana")
follow(home, "start_here", broker=lab.connect().mqtt, make=mqtt.client)
"""
SOURCES = {"first": FIRST, "predict": 'from helpers.figures import Prediction\n\nPrediction("vote", "yes", "no")'}

NOW = time.time()
PEOPLE = ("ana", "ben", "chloe", "dev", "<b>eve", "finn")


def entry(state: str, minutes_ago: float, tries: int = 1, took: float = 0.0) -> Entry:
    last = NOW - 60 * minutes_ago
    return Entry(state, tries, last - 60 * took, last)


def room() -> dict[str, Entry]:
    """Six learners in lesson 03; five have done the first exercise, and one of these the second."""
    topics = {}
    for place, who in enumerate(PEOPLE):
        topics[f"{who}/delivery_in_mqtt/opened"] = entry("opened", 40)
        topics[f"{who}/delivery_in_mqtt/here"] = entry("here", 40)
        state = "not yet" if place == 0 else "done"
        topics[f"{who}/delivery_in_mqtt/exercise_1"] = entry(state, 30 - place, tries=place + 1)
        topics[f"~{place:08x}/delivery_in_mqtt/prediction qos-1-copies"] = entry("b" if place else "c", 20)
    for exercise in (2, 3):
        topics[f"ben/delivery_in_mqtt/exercise_{exercise}"] = entry("done", 10)
    topics["ben/delivery_in_mqtt/here"] = entry("finished", 10)
    topics["finn/delivery_in_mqtt/here"] = entry("hand", 3)
    topics["chloe/delivery_in_mqtt/here"] = entry("hand", 7)
    topics["mallory/no_such_lesson/exercise_1"] = entry("done", 1)
    return {f"lab-progress/monday/{key}": each for key, each in topics.items()} | {"other/topic": entry("done", 1)}


@pytest.fixture
def topics() -> dict[str, Entry]:
    return room()


@pytest.fixture
def address(topics: dict[str, Entry]) -> Iterator[str]:
    with server(topics, "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1100, "height": 1300})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield page
    assert problems == []
    page.close()


def rows(page: Any, section: str) -> list[list[str]]:
    """The texts of a section's table, without its head."""
    table = page.get_by_role("region", name=section).get_by_role("table")
    table.wait_for()
    found = [row.locator("th, td").all_inner_texts() for row in table.get_by_role("row").all()]
    return found[1:]


def test_help_comes_first_and_then_who_is_stuck(
    page: Any, address: str, topics: dict[str, Entry], artifacts: Path
) -> None:
    page.goto(address)
    assert [row[:2] for row in rows(page, "Help")] == [["chloe", "Delivery in MQTT"], ["finn", "Delivery in MQTT"]]
    assert page.get_by_role("heading", level=2).all_inner_texts()[:3] == [
        "Help",
        "Time without progress",
        "Exercises",
    ]
    stuck = rows(page, "Time without progress")
    assert [row[0] for row in stuck] == ["ana", "chloe", "dev", "<b>eve", "finn"]  # ben is done
    assert int(stuck[0][2]) >= 40  # a try that failed is no progress
    exercises = {row[0]: row[1:] for row in rows(page, "Exercises")}
    assert exercises["ana"] == ["… 1", "", ""]
    assert exercises["ben"] == ["✓ 2", "✓ 1", "✓ 1"]
    assert "mallory" not in exercises
    assert rows(page, "Predictions") == [["03 qos-1-copies", "5", "1"]]
    assert rows(page, "From opening a lesson to its last exercise") == [["03 Delivery in MQTT", "30", "1"]]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=artifacts / f"board-{scheme}.png")
        assert violations(page) == []

    # By keyboard: the two views, then each table, which may be wider than the page. A change leaves the focus alone.
    focused = page.evaluate_handle("() => document.activeElement")
    names = []
    for _ in range(4):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.textContent.slice(0, 15) + document.activeElement.id")
        names.append(focused)
    assert names[0].startswith("For the instru")
    assert names[1].startswith("For the project")
    assert names[3].endswith("time-without-progress")
    topics["lab-progress/monday/dev/delivery_in_mqtt/here"] = entry("hand", 0)
    page.get_by_role("region", name="Help").get_by_role("rowheader", name="dev").wait_for()
    assert page.evaluate("document.activeElement.id") == "time-without-progress"


def test_a_projector_shows_counts_and_none_of_fewer_than_five(page: Any, address: str, artifacts: Path) -> None:
    page.goto(f"{address}/room")
    few = "fewer than 5"
    assert rows(page, "Exercises") == [["03 · 1", "5", few], ["03 · 2", few, few], ["03 · 3", few, few]]
    assert rows(page, "Predictions") == [["03 qos-1-copies", "5", few]]
    assert page.get_by_role("heading", level=2).all_inner_texts() == ["Exercises", "Predictions"]
    text = page.locator("body").inner_text()
    assert not [who for who in PEOPLE if who in text]
    page.screenshot(path=artifacts / "board-projector.png")
    assert violations(page) == []


def test_a_board_that_has_ended_says_so(browser: Any) -> None:
    page = browser.new_page()
    with server({}, "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        page.goto(f"http://127.0.0.1:{running.server_port}")
        page.get_by_text("Nothing yet.").first.wait_for()
        running.shutdown()
        thread.join()
    page.get_by_text("This page no longer changes").wait_for()
    page.close()


def test_a_learner_asks_for_a_hand_and_votes_before_another_cell_runs(
    visit: Visit, jupyter: Jupyter, notebook: Lesson, here: Any, artifacts: Path
) -> None:
    def shown(topic: str) -> list[str]:
        found = map(read, brokers.retained(here, f"{BOARD}/browser/{topic}").values())
        return [each.state for each in found if each]

    page = LessonPage(visit, jupyter, notebook)
    page.run_all()
    buttons = page.cell("first").locator(".jp-OutputArea")
    wait_until(lambda: shown("ana/start_here/here") == ["here"], "the learner is on the board")
    buttons.get_by_role("radio", name="At work", checked=True).focus()
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Space")
    wait_until(lambda: shown("ana/start_here/here") == ["hand"], "the board asks for a hand")
    page.cell("predict").get_by_role("radio", name="b: no").click()
    wait_until(lambda: shown("+/start_here/prediction vote") == ["b"], "the vote is on the board")
    page.reload()
    buttons.get_by_role("radio", name="I need a hand", checked=True).wait_for()
    assert in_both_themes(visit.page, buttons, artifacts / "board-buttons") == []
    assert page.errors() == []
