"""The two days that lessons analyse: what they promise about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from helpers.fleet import Fault, history, known_sites

ENDS = [datetime(2026, 11, 20, 0, 17, tzinfo=UTC), datetime(2026, 6, 30, 18, 3, tzinfo=UTC)]


@pytest.mark.parametrize("end", ENDS, ids=str)
def test_what_the_mast_kept_back_comes_last_and_is_not_the_newest(end: datetime) -> None:
    """A list by the record that came last is wrong: about the litres, and about who needs a tanker."""
    fleet = history.two_days(end)
    readings = history.as_they_arrive(fleet)
    came_last = {each.generator_id: each for each in readings}
    newest = {each.generator_id: each for each in sorted(readings, key=lambda each: each.time)}
    assert newest["G-001"].time == end
    late = {name for name, each in newest.items() if each.time - came_last[name].time > timedelta(hours=10)}
    assert late == history.CUT_OFF
    tanks = {site.id: site.tank_litres for site in known_sites()}
    wrong = [name for name in late if (newest[name].fuel < tanks[name] / 2) != (came_last[name].fuel < tanks[name] / 2)]
    assert wrong
    wanted = {name for name, each in newest.items() if each.fuel < tanks[name] / 2}
    assert late & wanted
    assert 3 <= len(wanted) < len(fleet)


def test_both_fleets_have_leaks_thefts_and_gauges_that_mislead() -> None:
    for fleet in (history.two_days(ENDS[0]), history.cases()):
        kinds = [each.fault for each in fleet.truth()]
        assert kinds.count(Fault.LEAK) == 5
        assert {Fault.THEFT, Fault.NOISE, Fault.STUCK} < set(kinds)
    assert [each.fault for each in history.two_days(ENDS[0]).truth()].count(Fault.THEFT) == 5  # as lesson 10 says
    assert [each.generator_id for each in history.cases().truth()] != [
        each.generator_id for each in history.two_days(ENDS[0]).truth()
    ]
