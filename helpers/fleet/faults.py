"""What goes wrong with a generator or its sensors, and the record of it that an analyst is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from helpers.errors import FleetError


class Fault(StrEnum):
    """The six faults. The first three happen to the machine, the last three to what is heard of it.

    The sizes below hold for severity 1, grow in proportion to it, and are round numbers of ours.
    """

    LEAK = "leak"
    """Fuel drips away at 30 litres per hour, whether the engine runs or not."""
    THEFT = "theft"
    """Somebody pumps fuel out: 40 litres per minute, as a small 12-volt diesel pump does."""
    OVERHEATING = "overheating"
    """A running engine's coolant settles 25 °C above where it should."""
    STUCK = "stuck"
    """The sensors repeat what they said last. Severity changes nothing."""
    NOISE = "noise"
    """The sensors scatter about the truth (normal distribution): 3 °C, 20 kPa, 2 % of the tank."""
    DROPOUT = "dropout"
    """No readings at all. Sequence numbers do not move: a gap in them means lost on the way, never this."""

    @classmethod
    def _missing_(cls, value: object) -> Fault:
        names = ", ".join(fault.value for fault in cls)
        raise FleetError(f"There is no fault called {value!r}", remedy=f"Choose one of: {names}.")


LEAK_LITRES_PER_HOUR = 30.0
THEFT_LITRES_PER_HOUR = 40.0 * 60
OVERHEATING_DEGREES = 25.0
NOISE_DEGREES, NOISE_KPA, NOISE_TANK_SHARE = 3.0, 20.0, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """The truth about one fault of one generator: on from ``began`` until ``ended`` (None: until switched off)."""

    generator_id: str
    fault: Fault
    began: datetime
    ended: datetime | None = None
    severity: float = 1.0

    def covers(self, time: datetime) -> bool:
        """Whether the fault is on at ``time``; ``ended`` itself no longer counts."""
        return self.began <= time and (self.ended is None or time < self.ended)
