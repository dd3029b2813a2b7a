"""Two days of a fleet, as lessons analyse them: faults among healthy generators, and readings that arrive late."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta

from helpers.fleet.fleet import START, Fleet, Reading
from helpers.paths import DATA

HOURS = 48
EVERY = 450.0
"""Seconds between two readings of a generator."""
CUT_OFF = {"G-004", "G-012", "G-024"}
"""The generators without a network from hour 30 to hour 34. What they keep in the meantime, they send last."""


def two_days(end: datetime, *, seed: int = 21, faults: str = "lessons") -> Fleet:
    """Return 24 generators whose clock stands two days before ``end``.

    The mains are out for 60 % of the time. A tank is refilled when it is down to a quarter. All faults are planned
    already: those in ``data/faults.csv`` whose fleet is ``faults``.
    """
    fleet = Fleet(24, seed=seed, start=end - timedelta(hours=HOURS), outages=0.6, refuel_at=0.25)
    with (DATA / "faults.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["fleet"] == faults:
                after, lasting = float(row["after_hours"]) * 3600, float(row["hours"]) * 3600
                severity = float(row["severity"])
                fleet.switch_on(row["generator"], row["fault"], after=after, lasting=lasting, severity=severity)
    return fleet


def cases() -> Fleet:
    """Return another such fleet, always the same, by which an alarm is judged that was made for the first."""
    return two_days(START + timedelta(hours=HOURS), seed=5, faults="cases")


def as_they_arrive(fleet: Fleet) -> list[Reading]:
    """Let the two days pass. Return their readings in the order in which they leave the generators."""
    down, up = (fleet.start + timedelta(hours=hour) for hour in (30, 34))
    readings = list(fleet.readings(HOURS * 3600, every=EVERY))
    return sorted(readings, key=lambda each: each.generator_id in CUT_OFF and down <= each.time < up)
