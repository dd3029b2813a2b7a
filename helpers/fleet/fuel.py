"""Diesel consumption of a generator, in litres per hour, from its load and rating in kW.

Source: the approximate diesel fuel consumption chart of Diesel Service & Supply, kept in its own units in
``data/consumption.csv``. It gives US gallons per hour at a quarter, half, three quarters and full load for 25 ratings
from 20 to 2,250 kW, and calls itself an estimate: real engines may differ by about ten per cent. Between its points
consumption is interpolated linearly over load and over rating. Below a quarter load the line from half to quarter load
is extrapolated, so an idling engine burns fuel too; that part is an assumption, not in the chart.
"""

from __future__ import annotations

import csv
from functools import cache, lru_cache

from helpers.errors import in_range
from helpers.paths import DATA

LITRES_PER_US_GALLON = 3.785411784
"""Exact: 231 cubic inches of 2.54 cm."""

_COLUMNS = ("quarter_gal_h", "half_gal_h", "three_quarter_gal_h", "full_gal_h")


@cache
def chart() -> dict[float, tuple[float, ...]]:
    """Return the chart: rating in kW → litres per hour at 0, ¼, ½, ¾ and full load."""
    curves = {}
    with (DATA / "consumption.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            quarter, half, *rest = (float(row[column]) * LITRES_PER_US_GALLON for column in _COLUMNS)
            curves[float(row["rated_kw"])] = (2 * quarter - half, quarter, half, *rest)
    return curves


def rated_range() -> tuple[float, float]:
    """Return the smallest and the largest rating in the chart, in kW."""
    return min(chart()), max(chart())


@lru_cache(maxsize=1024)
def curve(rated_kw: float) -> tuple[float, ...]:
    """Return the litres per hour at 0, ¼, ½, ¾ and full load of a generator rated ``rated_kw``.

    Raises ``OutOfRangeError`` for a rating outside the chart, which is not extrapolated.
    """
    rated_kw = in_range("The rated power", rated_kw, *rated_range(), "kW")
    curves = chart()
    below = max(rating for rating in curves if rating <= rated_kw)
    above = min(rating for rating in curves if rating >= rated_kw)
    share = (rated_kw - below) / (above - below) if above > below else 0.0
    return tuple(a + share * (b - a) for a, b in zip(curves[below], curves[above], strict=True))


def litres_per_hour(load_kw: float, rated_kw: float) -> float:
    """Return the litres per hour that a running generator rated ``rated_kw`` burns at ``load_kw``.

    A load of 0 is an idling engine, not a stopped one. Raises ``OutOfRangeError`` for a load below 0 or above the
    rating, and for a rating outside the chart.
    """
    points = curve(rated_kw)
    position = in_range("The load", load_kw, 0, rated_kw, "kW") / rated_kw * 4
    index = min(int(position), 3)
    return points[index] + (position - index) * (points[index + 1] - points[index])
