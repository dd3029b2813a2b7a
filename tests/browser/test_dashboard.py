"""The dashboard in a browser: it follows the fleet and stops when told, in both themes; 100 generators and 10,000."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from helpers.fleet import Fault, Fleet
from tests.browser.audit import violations
from tests.browser.conftest import Jupyter, Visit
from tests.browser.lab_page import PLOT, LessonPage, notebook_of, turn
from tests.browser.test_lessons import by_number
from tests.notebooks.anatomy import Lesson

pytestmark = pytest.mark.timeout(600)

# What the bars of the gauges show, as the browser has drawn them.
GAUGES = 'plot => JSON.stringify(plot._fullData.filter(each => each.type === "bar").map(each => [...each.x]))'


# How many generators each mark on the map stands for, as the browser has them.
MARKS = """plot => plot._fullData.filter(each => each.mode === "markers")
    .flatMap(each => (each.text || []).map(text => parseInt(text)))"""

# A dashboard for more generators than a lesson has: it reads a topic that the test fills.
TEN_THOUSAND = """
import json
import time
from datetime import datetime
from confluent_kafka import Consumer, TopicPartition
from helpers import lab
from helpers.figures import dashboard, live

operations = dashboard.Operations()
watcher = Consumer({{**lab.connect().kafka, "group.id": {topic!r}}})
watcher.assign([TopicPartition({topic!r}, 0, 0)])
arrived = 0


def update():
    global arrived
    for message in watcher.consume(2000, timeout=0):
        operations.see(json.loads(message.value()), datetime.fromisoformat(dict(message.headers())["time"].decode()))
        arrived += 1
    [place] = watcher.position(watcher.assignment())
    end = watcher.get_watermark_offsets(place, cached=True)[1]
    operations.refresh(now=time.monotonic(), mqtt=arrived, kafka=arrived, lag=max(0, end - max(0, place.offset)))


display(dashboard.view(operations))
await live.run(update, seconds=240, every=0.3)
watcher.close()
"""


ROBBED = {"G-002", "G-5000", "G-9999"}


class DashboardCell:
    """The cell of a notebook that ends in the dashboard, run again by hand."""

    def __init__(self, lesson: LessonPage) -> None:
        self.page: Any = lesson.page
        self.cell = lesson.cell("dashboard")
        self.output = self.cell.locator(".jp-OutputArea").first

    def run(self) -> None:
        self.cell.scroll_into_view_if_needed()
        self.cell.locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Shift+Enter")
        self.cell.get_by_text("s left").wait_for(timeout=60_000)

    def numbers(self) -> str:
        return str(self.cell.get_by_role("status").inner_text())

    def alerts(self) -> list[str]:
        """The generators that are named, in the order in which they are."""
        return [str(each) for each in self.cell.get_by_text("Alerts:").locator("b").all_inner_texts()]

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

    def fits(self) -> bool:
        """Whether nothing of the outputs is cut off at the side."""
        script = "each => each.scrollWidth <= each.clientWidth"
        return all(each.evaluate(script) for each in self.cell.locator(".jp-OutputArea-output").all())

    def stopped(self) -> None:
        self.cell.get_by_text("stopped; run the cell again").wait_for(timeout=20_000)


def test_the_dashboard_follows_the_fleet_and_stops_by_itself_and_when_told(
    visit: Visit, jupyter: Jupyter, artifacts: Path
) -> None:
    lesson = LessonPage(visit, jupyter, by_number("10"))
    dashboard = DashboardCell(lesson)
    lesson.run_all()
    dashboard.stopped()  # by itself
    turn(visit.page, "Light")
    lesson.screenshots(artifacts / "browser" / "light")

    dashboard.run()
    assert dashboard.changes(dashboard.numbers, within=60)
    assert dashboard.changes(dashboard.gauges, within=60)
    dashboard.cell.get_by_role("button", name="Stop").click()
    dashboard.stopped()
    visit.page.wait_for_timeout(500)  # what was on its way to the browser
    assert not dashboard.changes(dashboard.gauges, within=2)
    assert not dashboard.changes(dashboard.numbers, within=1)
    dashboard.cell.screenshot(path=str(artifacts / "browser" / "dashboard-light.png"))
    assert violations(visit.page, dashboard.output) == []

    turn(visit.page, "Dark")
    dashboard.run()
    dashboard.cell.get_by_text("theft?").wait_for(timeout=60_000)
    stop = dashboard.cell.get_by_role("button", name="Stop")
    stop.focus()
    visit.page.keyboard.press("Space")
    dashboard.stopped()
    dashboard.cell.screenshot(path=str(artifacts / "browser" / "dashboard-dark.png"))
    assert violations(visit.page, dashboard.output) == []
    lesson.screenshots(artifacts / "browser" / "dark")
    assert lesson.errors() == []
    assert visit.refused == []


@pytest.fixture
def large(here: Any, unique: Callable[[str], str], artifacts: Path) -> Iterator[Lesson]:
    """A notebook with a dashboard, and the readings of ten thousand generators in five minutes, in Kafka."""
    fleet = Fleet(10_000, seed=3, outages=0.8)
    for number, generator in enumerate(fleet):
        generator.fuel *= 0.03 if number % 1000 == 0 else 0.5
    for name in ROBBED:
        fleet.switch_on(name, Fault.THEFT)
    topic = unique("ten-thousand")
    admin = AdminClient({**here.kafka})
    admin.create_topics([NewTopic(topic, num_partitions=1)])[topic].result(30)
    producer = Producer({**here.kafka, "queue.buffering.max.messages": 1_000_000})
    for each in fleet.readings(seconds=300, every=60):
        producer.produce(topic, each.to_json(), each.generator_id, headers=each.headers())
    assert producer.flush(60) == 0
    with notebook_of(artifacts / f"{topic}.ipynb", {"dashboard": TEN_THOUSAND.format(topic=topic)}) as lesson:
        yield lesson


def test_ten_thousand_generators_are_watched_too(
    visit: Visit, jupyter: Jupyter, large: Lesson, artifacts: Path
) -> None:
    visit.page.set_viewport_size({"width": 1400, "height": 1500})  # all of it on one picture
    dashboard = DashboardCell(LessonPage(visit, jupyter, large))
    dashboard.run()
    dashboard.cell.get_by_text("10,000 generators").wait_for(timeout=60_000)
    assert dashboard.changes(dashboard.numbers, within=60)
    assert dashboard.changes(dashboard.gauges, within=60)
    dashboard.cell.get_by_text("lag 0").wait_for(timeout=200_000)

    plot = dashboard.cell.locator(PLOT)
    marks = plot.evaluate(MARKS)
    assert len(marks) < 100
    assert sum(marks) == len(Fleet(10_000))
    [hours] = json.loads(dashboard.gauges())
    assert len(hours) == 12
    assert hours == sorted(hours)
    assert set(dashboard.alerts()[:3]) == ROBBED
    assert "more" in dashboard.cell.inner_text()
    assert dashboard.fits()

    turn(visit.page, "Light")
    dashboard.cell.screenshot(path=str(artifacts / "browser" / "ten-thousand-light.png"))
    turn(visit.page, "Dark")
    dashboard.cell.screenshot(path=str(artifacts / "browser" / "ten-thousand-dark.png"))
    dashboard.cell.get_by_role("button", name="Stop").focus()
    visit.page.keyboard.press("Space")
    dashboard.stopped()
    assert visit.refused == []
