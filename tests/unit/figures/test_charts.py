"""The charts of an analysis: what is drawn where, and what a screen reader meets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from helpers.figures import charts
from helpers.fleet import Episode, Fault

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).replace(tzinfo=None)  # as a database returns it


def drawn(figure: charts.go.Figure) -> dict[str, list[tuple[object, object]]]:
    return {trace.name: list(zip(trace.x, trace.y, strict=True)) for trace in figure.data}


def test_a_record_is_as_expected_or_came_twice_or_late() -> None:
    minutes = (0, 10, 0, 20, 1, 2)
    records = [
        (offset, NOON + timedelta(minutes=each), "G-001", each if offset != 5 else "another")
        for offset, each in enumerate(minutes)
    ]
    figure = charts.order(records, title="The log")
    assert {name: [offset for offset, _ in points] for name, points in drawn(figure).items()} == {
        "as expected: 3": [0, 1, 3], "twice: 1": [2], "late: 2": [4, 5],
    }  # fmt: skip
    assert figure.layout.meta["description"] == "The log. 3 as expected, 1 twice, 2 late."


def test_a_forecast_has_its_band() -> None:
    figure = charts.lasting([("Hospital", 900.0, 10.0, 8.0, 14.0), ("School", 100.0, 30.0, 25.0, 40.0)], title="Hours")
    [trace] = figure.data
    assert list(zip(trace.x, trace.y, strict=True)) == [(10.0, "Hospital"), (30.0, "School")]
    assert (list(trace.error_x.array), list(trace.error_x.arrayminus)) == ([4.0, 10.0], [2.0, 5.0])
    assert "Hospital 10 hours" in figure.layout.meta["description"]


def test_alarms_lie_on_the_faults() -> None:
    began = NOON.replace(tzinfo=UTC)
    theft = Episode(generator_id="G-002", fault=Fault.THEFT, began=began, ended=began + timedelta(hours=1))
    figure = charts.alarms([theft], {"first": [("G-001", NOON)], "found": [("G-002", NOON)]}, title="Found")
    bar, first, found = figure.data
    assert (bar.name, bar.base, bar.x, bar.y) == ("theft, the truth", (NOON,), (3_600_000.0,), ("G-002",))
    assert (first.y, found.y, found.x) == (("G-001",), ("G-002",), (NOON,))
    assert figure.layout.meta["description"] == "Found. 1 faults of 2 generators; first 1 times, found 1 times."


def test_nothing_to_draw_is_an_empty_chart() -> None:
    for figure in (charts.order([], title=""), charts.lasting([], title=""), charts.alarms([], {"none": []}, title="")):
        assert not any(len(trace.x or ()) for trace in figure.data)
