"""The sites of the generators: position, demand over the day, and air temperature."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from helpers.errors import in_range
from helpers.fleet.fuel import rated_range
from helpers.paths import DATA

_DEMAND = {
    "data centre": (0.65, 0.05),
    "telecom mast": (0.60, 0.05),
    "hospital": (0.55, 0.15),
    "cold store": (0.60, 0.15),
    "water works": (0.55, 0.20),
}
"""Demand as a share of the rated power, by kind of site: the mean, and the amplitude over the day."""
_OTHER_DEMAND = (0.45, 0.20)


@dataclass(frozen=True, slots=True)
class Site:
    """The position of a generator, its rating and its tank: one row of ``data/sites.csv``."""

    id: str
    name: str
    kind: str
    lat: float
    lon: float
    rated_kw: float
    tank_litres: float

    def __post_init__(self) -> None:
        in_range(f"The latitude of {self.id}", self.lat, -90, 90, "degrees")
        in_range(f"The longitude of {self.id}", self.lon, -180, 180, "degrees")
        in_range(f"The rated power of {self.id}", self.rated_kw, *rated_range(), "kW")
        in_range(f"The tank of {self.id}", self.tank_litres, 1, 1e6, "litres")

    def demand(self, time: datetime) -> float:
        """Return the demand at ``time`` in kW: a mean and a daily cycle."""
        mean, amplitude = _DEMAND.get(self.kind, _OTHER_DEMAND)
        return self.rated_kw * (mean + amplitude * swing(time))


def swing(time: datetime) -> float:
    """Return the phase of the daily cycle, from -1 at 03:00 to 1 at 15:00 UTC."""
    hours = time.hour + time.minute / 60 + time.second / 3600
    return math.cos((hours - 15) * math.pi / 12)


def ambient(time: datetime) -> float:
    """Return the air temperature in °C: 12 ± 6 over the day."""
    return 12 + 6 * swing(time)


@cache
def known_sites() -> tuple[Site, ...]:
    """Return the sites of ``data/sites.csv``, in the order of the file."""
    numbers = ("lat", "lon", "rated_kw", "tank_litres")
    with (DATA / "sites.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Site(row["id"], row["name"], row["kind"], *(float(row[column]) for column in numbers))
            for row in csv.DictReader(file)
        )


def first_sites(size: int) -> Iterator[Site]:
    """Yield the first ``size`` sites. Past the end of the file come further generators close to the same sites."""
    known = known_sites()
    for index in range(size):
        site, lap = known[index % len(known)], index // len(known)
        if lap:
            turn = lap * 2.4
            site = replace(
                site,
                id=f"G-{index + 1:03d}",
                name=f"{site.name} {lap + 1}",
                lat=round(site.lat + 0.004 * math.sin(turn), 4),
                lon=round(site.lon + 0.004 * math.cos(turn), 4),
            )
        yield site
