"""How much diesel a generator burns: load (kW) in, litres per hour out.

The numbers are the approximate diesel fuel consumption chart of Diesel Service & Supply, which generator dealers
around the world reprint. It gives US gallons per hour at a quarter, half, three quarters and full load for 25 ratings
from 20 to 2,250 kW, and calls itself an estimate: a real engine may be some ten per cent off. It is kept, unit and
all, in ``data/consumption.csv``. Between its points the burn rate is interpolated in a straight line, over load and
over rating. Below a quarter load the line from half to quarter load is drawn on, so an idling engine burns fuel too;
that part is ours, not the chart's.
"""

from __future__ import annotations

import csv
import math
from functools import cache, lru_cache
from numbers import Real

from helpers.errors import OutOfRangeError
from helpers.paths import DATA

LITRES_PER_US_GALLON = 3.785411784
"""Exact: 231 cubic inches of 2.54 cm."""

_COLUMNS = ("quarter_gal_h", "half_gal_h", "three_quarter_gal_h", "full_gal_h")


def in_range(quantity: str, value: object, low: float, high: float, unit: str = "") -> float:
    """``value`` as a float, if it is a number from ``low`` to ``high``; else ``OutOfRangeError``. NaN never is."""
    if isinstance(value, Real) and not isinstance(value, bool) and low <= float(value) <= high:
        return float(value)
    raise OutOfRangeError(quantity, value, low, high, unit)


@cache
def chart() -> dict[float, tuple[float, ...]]:
    """The chart in litres per hour: for each rating (kW), the burn at 0, ¼, ½, ¾ and full load."""
    curves = {}
    with (DATA / "consumption.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            quarter, half, *rest = (float(row[column]) * LITRES_PER_US_GALLON for column in _COLUMNS)
            curves[float(row["rated_kw"])] = (2 * quarter - half, quarter, half, *rest)
    return curves


def rated_range() -> tuple[float, float]:
    """The smallest and the largest rating (kW) that the chart knows."""
    return min(chart()), max(chart())


@lru_cache(maxsize=1024)
def curve(rated_kw: float) -> tuple[float, ...]:
    """Litres per hour at 0, ¼, ½, ¾ and full load of a generator rated ``rated_kw``.

    Raises ``OutOfRangeError`` outside the chart: it is not drawn on where nobody measured.
    """
    rated_kw = in_range("The rated power", rated_kw, *rated_range(), "kW")
    curves = chart()
    below = max(rating for rating in curves if rating <= rated_kw)
    above = min(rating for rating in curves if rating >= rated_kw)
    share = (rated_kw - below) / (above - below) if above > below else 0.0
    return tuple(a + share * (b - a) for a, b in zip(curves[below], curves[above], strict=True))


def litres_per_hour(load_kw: float, rated_kw: float) -> float:
    """What a running generator of ``rated_kw`` burns at ``load_kw``, in litres per hour.

    A load of 0 is an idling engine, not a stopped one. Raises ``OutOfRangeError`` for a load below 0 or above the
    rating, and for a rating outside the chart.
    """
    points = curve(rated_kw)
    position = in_range("The load", load_kw, 0, rated_kw, "kW") / rated_kw * 4
    index = min(int(position), 3)
    return points[index] + (position - index) * (points[index + 1] - points[index])


def hours_to_empty(fuel: float, load_kw: float, rated_kw: float) -> float:
    """How many hours ``fuel`` (litres) lasts at a steady ``load_kw``."""
    return in_range("The fuel", fuel, 0, math.inf, "litres") / litres_per_hour(load_kw, rated_kw)
