"""The dashboard's model, fed by fleets: what it says of fuel, alerts and rates; and that the view follows it."""

from __future__ import annotations

import math
from datetime import timedelta

from helpers.figures.dashboard import ALARM, LEVELS, MANY, STANDING, Operations, view
from helpers.figures.live import PALETTE
from helpers.fleet import Fault, Fleet


def watched(fleet: Fleet, *, minutes: int, step: float = 60) -> Operations:
    operations = Operations()
    for reading in fleet.readings(seconds=minutes * 60, every=step):
        operations.see(reading.value(), reading.time)
    return operations


def steady(size: int) -> Fleet:
    """A fleet at half load, so that the burn rate does not change."""
    fleet = Fleet(size, seed=7)
    for each in fleet:
        each.set_load(each.site.rated_kw / 2)
    return fleet


def refresh(operations: Operations, now: float, mqtt: int, kafka: int, lag: int = 0) -> None:
    operations.refresh(now=now, mqtt=mqtt, kafka=kafka, lag=lag)


def test_hours_to_empty_are_those_of_the_present_burn_rate() -> None:
    fleet = steady(6)
    operations = watched(fleet, minutes=10)
    for name, hours, litres, _ in operations.soonest():
        assert math.isclose(hours, litres / fleet[name].burn_rate, rel_tol=0.01)
    shown = [hours for _, hours, *_ in operations.soonest()]
    assert shown == sorted(shown)


def test_a_generator_that_stands_has_no_hours_to_empty() -> None:
    fleet = Fleet(2, seed=7)
    fleet["G-001"].stop()
    operations = watched(fleet, minutes=5)
    assert [name for name, *_ in operations.soonest()] == ["G-002"]
    assert STANDING in [level for _, _, level, *_ in operations.places()]


def test_a_late_or_repeated_reading_changes_nothing() -> None:
    fleet = Fleet(3, seed=7)
    readings = list(fleet.readings(seconds=600, every=60))
    operations, disturbed = Operations(), Operations()
    for each in readings:
        operations.see(each.value(), each.time)
    for place, each in enumerate(readings):
        disturbed.see(each.value(), each.time)
        earlier = readings[max(0, place - 7)]
        disturbed.see(earlier.value(), earlier.time)
    assert disturbed.soonest() == operations.soonest()
    assert disturbed.alerts() == operations.alerts()


def test_the_rate_begins_anew_after_the_tanker() -> None:
    fleet = steady(1)
    operations = watched(fleet, minutes=10)
    fleet["G-001"].refuel()
    for reading in fleet.readings(seconds=300, every=60):
        operations.see(reading.value(), reading.time)
    [(_, hours, litres, _)] = operations.soonest()
    assert math.isclose(hours, litres / fleet["G-001"].burn_rate, rel_tol=0.01)


def test_each_trouble_is_an_alert() -> None:
    fleet = Fleet(6, seed=7)
    fleet.switch_on("G-001", Fault.THEFT)
    fleet.switch_on("G-002", Fault.OVERHEATING)
    fleet.switch_on("G-003", Fault.DROPOUT, after=300)
    fleet["G-004"].fuel = 50
    alerts = dict(watched(fleet, minutes=25).alerts())
    assert "theft" in alerts["G-001"]
    assert "coolant" in alerts["G-002"]
    assert alerts["G-003"].startswith("silent for 2")
    assert alerts["G-004"].startswith("empty in")
    assert list(alerts) == ["G-001", "G-002", "G-004", "G-003"], "the most urgent comes first"


def test_a_healthy_fleet_has_no_alert() -> None:
    assert watched(Fleet(100, seed=3), minutes=20).alerts() == []


def test_rates_are_what_was_counted() -> None:
    operations = Operations()
    for second in range(10):
        refresh(operations, second, 100 * second, 50 * second, lag=7)
    assert operations.rates()[-1] == (0, 100, 50)
    assert operations.lag == 7


def test_a_large_fleet_is_drawn_in_cells_that_count_everybody_and_show_the_worst() -> None:
    fleet = Fleet(MANY + 1, seed=3)
    fleet[f"G-{MANY + 1}"].fuel = 5
    operations = watched(fleet, minutes=2)
    places = operations.places()
    assert len(places) < 40
    assert sum(count for *_, count, _ in places) == MANY + 1
    assert [level for _, _, level, *_ in places].count(ALARM) >= 1


def test_the_view_follows_the_model() -> None:
    fleet = Fleet(6, seed=7)
    operations = Operations()
    head, figure = view(operations).children
    refresh(operations, 0, 0, 0)
    assert "0 generators" in head.value
    for reading in fleet.readings(seconds=300, every=60):
        operations.see(reading.value(), reading.time)
    refresh(operations, 1, 30, 30, lag=4)
    assert "6 generators" in head.value
    assert "lag 4" in head.value
    gauges = figure.data[5]
    assert list(gauges.y) == [name for name, *_ in operations.soonest()]
    assert list(gauges.x) == [hours for _, hours, *_ in operations.soonest()]
    fleet["G-001"].fuel = 10
    operations.see(fleet.step(60)[0].value(), fleet.time + timedelta(0))
    refresh(operations, 2, 31, 31)
    assert gauges.y[0] == "G-001"
    assert "G-001" in head.value


def test_what_is_written_into_the_page_is_text() -> None:
    operations = Operations()
    [reading] = Fleet(1, seed=7).step(60)
    for minute in range(3):
        value = {**reading.value(), "generatorID": "<b>G</b>", "temperature": 140}
        operations.see(value, reading.time + timedelta(minutes=minute))
    head, _ = view(operations).children
    assert "<b>G</b> " not in head.value.replace("<b>&lt;b&gt;", "")
    assert "&lt;b&gt;G&lt;/b&gt;" in head.value


def test_levels_differ_in_shape_and_in_colour() -> None:
    assert len({symbol for _, symbol in LEVELS.values()}) == len(LEVELS)
    assert len({colour for colour, _ in LEVELS.values()}) == len(LEVELS)
    assert {colour for colour, _ in list(LEVELS.values())[:3]} <= set(PALETTE)
