"""Faults of generators and their sensors, and the record of them against which a detector is measured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from helpers.errors import FleetError


class Fault(StrEnum):
    """The six faults: three of the machine, then three of its sensors or its connection.

    The sizes below apply at severity 1 and are proportional to it. They are assumptions of this simulation.
    """

    LEAK = "leak"
    """The tank loses 30 litres per hour, whether the engine runs or not."""
    THEFT = "theft"
    """Someone pumps fuel out at 40 litres per minute, as a small 12-volt diesel pump does."""
    OVERHEATING = "overheating"
    """The coolant of a running engine settles 25 °C above its normal temperature."""
    STUCK = "stuck"
    """The sensors repeat their last values. Severity has no effect."""
    NOISE = "noise"
    """The sensors have a normally distributed error: standard deviations 3 °C, 20 kPa, 2 % of the tank."""
    DROPOUT = "dropout"
    """No readings at all. Sequence numbers do not advance, so a gap in them always means loss on the way."""

    @classmethod
    def _missing_(cls, value: object) -> Fault:
        names = ", ".join(fault.value for fault in cls)
        raise FleetError(f"There is no fault called {value!r}.", remedy=f"Choose one of: {names}.")


LEAK_LITRES_PER_HOUR = 30.0
THEFT_LITRES_PER_HOUR = 40.0 * 60
OVERHEATING_DEGREES = 25.0
NOISE_DEGREES, NOISE_KPA, NOISE_TANK_SHARE = 3.0, 20.0, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One fault of one generator, active from ``began`` until ``ended`` (``None``: until it is switched off)."""

    generator_id: str
    fault: Fault
    began: datetime
    ended: datetime | None = None
    severity: float = 1.0

    def covers(self, time: datetime) -> bool:
        """Return whether the fault is active at ``time``, from ``began`` up to but not including ``ended``."""
        return self.began <= time and (self.ended is None or time < self.ended)
