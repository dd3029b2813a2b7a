"""The dashboard's model, fed by fleets: what it says of fuel, alerts and rates; and that the view follows it."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import pytest

from helpers.figures import PALETTE, TEMPLATE
from helpers.figures.dashboard import ALARM, LEVELS, MANY, STANDING, Operations, view
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


def test_each_problem_is_an_alert() -> None:
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
    head, plot = view(operations).children
    refresh(operations, 0, 0, 0)
    assert "0 generators" in head.value
    for reading in fleet.readings(seconds=300, every=60):
        operations.see(reading.value(), reading.time)
    refresh(operations, 1, 30, 30, lag=4)
    assert "6 generators" in head.value
    assert "lag 4" in head.value
    gauges = plot.figure.data[5]
    assert list(gauges.y) == [name for name, *_ in operations.soonest()]
    assert list(gauges.x) == [hours for _, hours, *_ in operations.soonest()]
    fleet["G-001"].fuel = 10
    operations.see(fleet.step(60)[0].value(), fleet.time + timedelta(0))
    refresh(operations, 2, 31, 31)
    assert gauges.y[0] == "G-001"
    assert "G-001" in head.value
    state = json.loads(plot._state.figure)
    assert state["data"][5]["y"][0] == "G-001"
    assert "G-001 in " in state["layout"]["meta"]["description"]


def test_names_that_look_like_numbers_or_dates_are_categories() -> None:
    operations = Operations()
    for reading in steady(3).readings(seconds=300, every=60):
        operations.see({**reading.value(), "generatorID": reading.generator_id[2:]}, reading.time)
    _, plot = view(operations).children
    assert set(plot.figure.data[5].y) == {"001", "002", "003"}
    assert plot.figure.layout.yaxis2.type == "category"
    assert TEMPLATE.layout.autotypenumbers == "strict"


@pytest.mark.parametrize(
    ("field", "wild"),
    [("fuel", math.nan), ("fuel", 1e300), ("fuel", -1), ("temperature", math.inf), ("lat", 5000.0), ("lon", "east"),
     ("fuel", None)],
)  # fmt: skip
def test_a_wild_number_changes_nothing_for_others_and_is_an_alert(field: str, wild: object) -> None:
    operations, undisturbed = watched(steady(6), minutes=10), watched(steady(6), minutes=10)
    [first, *_] = steady(1).step(1200)
    operations.see({**first.value(), "generatorID": "G-wild", field: wild}, first.time)
    assert operations.soonest() == undisturbed.soonest()
    assert operations.places() == undisturbed.places()
    [(name, problem)] = operations.alerts()
    assert name == "G-wild"
    assert problem.startswith(f"implausible {field}")
    refresh(operations, 0, 0, 0)
    view(operations)


def test_a_wild_clock_makes_no_other_generator_silent() -> None:
    operations = watched(steady(6), minutes=10)
    for years in (-50, 50):
        [reading] = steady(1).step(60)
        operations.see({**reading.value(), "generatorID": f"G{years}"}, reading.time + timedelta(days=365 * years))
    assert [name for name, _ in operations.alerts()] == ["G-50"], "the clock that is behind looks silent"


def test_a_time_without_a_zone_is_an_alert() -> None:
    operations = watched(steady(6), minutes=10)
    [reading, *_] = steady(6).step(1200)
    operations.see(reading.value(), reading.time.replace(tzinfo=None))
    assert operations.alerts() == [("G-001", "time without a time zone")]


def test_one_generator_that_burns_nearly_nothing_leaves_the_bars_of_the_others_readable() -> None:
    operations = watched(steady(5), minutes=10)
    [reading] = steady(1).step(60)
    for minute, fuel in enumerate((1000.0, 999.99)):
        value = {**reading.value(), "generatorID": "G-idle", "fuel": fuel}
        operations.see(value, reading.time + timedelta(minutes=minute))
    _, plot = view(operations).children
    hours = [hours for _, hours, *_ in operations.soonest()]
    assert hours[-1] > 1000
    assert plot.figure.layout.xaxis2.range[1] < 4 * hours[3]
    assert plot.figure.data[5].text[-1].startswith("over 1,000 h")


def test_the_map_keeps_to_the_island() -> None:
    _, plot = view(Operations()).children
    assert plot.figure.layout.xaxis.range is not None
    assert plot.figure.layout.yaxis.range is not None


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
