"""The consumption chart: read right, drawn through its points, and honest about where it ends."""

import csv
import math

import pytest
from hypothesis import given, strategies as st

from helpers.errors import LessonError, OutOfRangeError
from helpers.fleet.fuel import chart, curve, litres_per_hour, rated_range
from helpers.paths import DATA

GALLON = 231 * 2.54**3 / 1000  # cubic inches in litres: the definition, not the constant under test
ratings = st.floats(20, 2250)
shares = st.floats(0, 1)


def test_every_number_of_the_chart_comes_out_in_litres():
    columns = {0.25: "quarter_gal_h", 0.5: "half_gal_h", 0.75: "three_quarter_gal_h", 1.0: "full_gal_h"}
    with (DATA / "consumption.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 25
    for row in rows:
        rated = float(row["rated_kw"])
        for share, column in columns.items():
            assert litres_per_hour(share * rated, rated) == pytest.approx(float(row[column]) * GALLON, rel=1e-9)


def test_a_number_anybody_can_look_up():
    # 1,000 kW at full load: 71.1 US gallons an hour.
    assert litres_per_hour(1000, 1000) == pytest.approx(269.14, abs=0.01)


def test_half_way_between_two_points_is_half_way_between_their_rates():
    # 200 kW at 5/8 load lies between 7.7 and 11.0; 215 kW at full load between 14.4 (200 kW) and 16.6 (230 kW).
    assert litres_per_hour(125, 200) == pytest.approx((7.7 + 11.0) / 2 * GALLON)
    assert litres_per_hour(215, 215) == pytest.approx((14.4 + 16.6) / 2 * GALLON)


def test_an_idling_engine_burns_what_the_first_stretch_of_the_chart_points_to():
    # 100 kW: 2.6 at a quarter, 4.1 at a half, so 1.1 at none.
    assert litres_per_hour(0, 100) == pytest.approx(1.1 * GALLON)


@given(ratings, shares, shares)
def test_more_load_burns_more(rated, one, other):
    less, more = sorted((one * rated, other * rated))
    assert 0 < litres_per_hour(less, rated) <= litres_per_hour(more, rated)


# From a quarter load on. Below it the line is ours, and the chart's 60 kW set would idle on less than its 40 kW set.
@given(ratings, ratings, st.floats(0.25, 1))
def test_a_bigger_engine_burns_more_at_the_same_share_of_its_power(one, other, share):
    small, big = sorted((one, other))
    assert litres_per_hour(share * small, small) <= litres_per_hour(share * big, big) * (1 + 1e-12)


@given(ratings, st.floats(0, 0.999))
def test_there_are_no_jumps(rated, share):
    here, there = litres_per_hour(share * rated, rated), litres_per_hour((share + 0.001) * rated, rated)
    assert there - here < 0.01 * litres_per_hour(rated, rated)


def test_the_chart_ends_where_it_ends():
    assert rated_range() == (20, 2250)
    assert len(chart()) == 25
    for rated in (19.9, 2250.1, 0, -5, math.nan, math.inf, "100", None, True):
        with pytest.raises(OutOfRangeError, match=r"from 20 to 2250 kW"):
            curve(rated)


@pytest.mark.parametrize("load", [-0.1, 100.1, math.nan, math.inf, "50", None, True])
def test_a_load_that_cannot_be_is_refused_with_the_range_that_can(load):
    with pytest.raises(OutOfRangeError, match=r"from 0 to 100 kW") as caught:
        litres_per_hour(load, 100)
    assert (caught.value.quantity, caught.value.low, caught.value.high) == ("The load", 0, 100)
    assert isinstance(caught.value, LessonError)
