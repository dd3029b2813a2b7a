"""The fleet of emergency generators in the lessons: seeded, on a virtual clock, without input or output.

    fleet = Fleet(size=6, seed=7)
    for reading in fleet.readings(seconds=60): ...

The same seed and start give exactly the same readings. The clock moves as fast as readings are taken; for real time,
wait between them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from helpers.errors import FleetError, OutOfRangeError, in_range
from helpers.fleet.faults import Episode, Fault
from helpers.fleet.generator import Generator
from helpers.fleet.sites import Site, first_sites

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
"""Default start of a fleet's clock: a Monday morning."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of one generator.

    ``temperature`` is the coolant's in °C, ``pressure`` the oil's in kPa, ``fuel`` in litres, ``lat`` and ``lon`` in
    degrees. ``seq`` counts a generator's readings from 1 and restarts with each ``boot``, so (generator_id, boot, seq)
    identifies a reading for good. ``time`` is in UTC.
    """

    generator_id: str
    lat: float
    lon: float
    temperature: float
    pressure: float
    fuel: float
    seq: int
    time: datetime
    boot: str

    def value(self) -> dict[str, str | float]:
        """Return exactly the six fields of the schema ``reading-v1``."""
        return {
            "generatorID": self.generator_id,
            "lat": self.lat,
            "lon": self.lon,
            "temperature": self.temperature,
            "pressure": self.pressure,
            "fuel": self.fuel,
        }

    def to_json(self) -> bytes:
        """Return ``value()`` as compact JSON in UTF-8."""
        return json.dumps(self.value(), separators=(",", ":")).encode()

    def headers(self) -> list[tuple[str, str]]:
        """Return ``seq``, ``time`` (ISO 8601, milliseconds, UTC) and ``boot``, which are sent beside the value.

        In MQTT 5 they are user properties, in Kafka headers.
        """
        time = self.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return [("seq", str(self.seq)), ("time", time), ("boot", self.boot)]


class Fleet:
    """A fleet of ``size`` generators, ``G-001`` onwards, at the sites of ``data/sites.csv``.

    ``outages`` is the share of the time that the mains are out and a generator runs: 1 is one long outage, 0.3 several
    short ones. ``refuel_at`` is the share of the tank below which it is refilled; 0 means never. ``start`` is the
    start of the clock, and with the seed all that the readings depend on. Use ``start=datetime.now(UTC)`` when the
    time becomes a Kafka record's timestamp, since retention deletes old records by it. A new start also means a new
    ``boot``, so that a second run is not taken for a repeat of the first. ``sites`` replaces ``size``.

    Raises ``OutOfRangeError`` for a number outside its range, ``FleetError`` for other invalid arguments.
    """

    def __init__(  # noqa: PLR0913 - all but one are given by name
        self,
        size: int = 6,
        *,
        seed: int = 7,
        start: datetime = START,
        outages: float = 1.0,
        refuel_at: float = 0.0,
        sites: Iterable[Site] | None = None,
    ) -> None:
        if not isinstance(size, int):
            raise OutOfRangeError("The size of the fleet", size, 1, 1_000_000, "whole generators")
        in_range("The size of the fleet", size, 1, 1_000_000, "generators")
        in_range("The share of outages", outages, 0, 1)
        if start.tzinfo is None:
            raise FleetError("The start has no time zone.", remedy="Use datetime.now(UTC), or pass tzinfo=UTC.")
        places = list(first_sites(size) if sites is None else sites)
        self.start = start.astimezone(UTC)
        self.clock = 0.0
        self._refuel_at = in_range("The share to refuel at", refuel_at, 0, 1)
        self.generators = {site.id: Generator(site, seed=seed, start=self.start, outages=outages) for site in places}
        if not len(places) == len(self.generators) > 0:
            remedy = "Pass at least one site, each with its own id."
            raise FleetError("No sites were given, or two sites have the same id.", remedy=remedy)
        self._boots = Random(f"{seed}/{self.start.isoformat()}")  # noqa: S311 - a name, not a secret
        self._boot = dict.fromkeys(self.generators, self._new_boot())
        self._seq = dict.fromkeys(self.generators, 0)

    def _new_boot(self) -> str:
        return f"{self._boots.getrandbits(32):08x}"

    def __len__(self) -> int:
        return len(self.generators)

    def __iter__(self) -> Iterator[Generator]:
        return iter(self.generators.values())

    def __getitem__(self, generator_id: str) -> Generator:
        if generator_id not in self.generators:
            ids = list(self.generators)
            cause, remedy = f"There is no generator {generator_id!r} in this fleet.", f"It has {ids[0]} to {ids[-1]}."
            raise FleetError(cause, remedy=remedy, generator_id=generator_id)
        return self.generators[generator_id]

    @property
    def time(self) -> datetime:
        """The present time of the fleet's clock."""
        return self.start + timedelta(seconds=self.clock)

    def step(self, seconds: float = 1.0) -> list[Reading]:
        """Advance the clock by ``seconds``, then read every generator once, except those in a dropout."""
        in_range("A step", seconds, 0, 1e9, "seconds")
        self.clock += seconds
        time, result = self.time, []
        for generator in self:
            generator.advance(seconds)
            if generator.fuel < self._refuel_at * generator.site.tank_litres:
                generator.refuel()
            measured = generator.measure()
            if measured is not None:
                site = generator.site
                self._seq[site.id] = seq = self._seq[site.id] + 1
                result.append(Reading(site.id, site.lat, site.lon, *measured, seq, time, self._boot[site.id]))
        return result

    def readings(self, seconds: float = math.inf, *, every: float = 1.0) -> Iterator[Reading]:
        """Yield readings in time order: each generator every ``every`` seconds, for ``seconds`` or without end.

        The clock moves only as readings are taken, so the fleet can be inspected and changed between two of them.
        """
        in_range("The duration", seconds, 0, math.inf, "seconds")
        in_range("The interval", every, 1e-3, 1e9, "seconds")
        end = self.clock + seconds + every / 1000  # keeps the last step in spite of rounding errors
        while self.clock + every <= end:
            yield from self.step(every)

    def reboot(self, generator_id: str) -> None:
        """Restart a generator's controller: a new ``boot``, and ``seq`` from 1. The engine keeps running."""
        self._boot[self[generator_id].id] = self._new_boot()
        self._seq[generator_id] = 0

    def switch_on(self, generator_id: str, fault: Fault | str, **how: float) -> None:
        """Activate a fault of one generator; keyword arguments as in ``Generator.switch_on``."""
        self[generator_id].switch_on(fault, **how)

    def switch_off(self, generator_id: str, fault: Fault | str) -> None:
        """End a fault of one generator."""
        self[generator_id].switch_off(fault)

    def truth(self) -> list[Episode]:
        """Return every past, present and planned fault, oldest first, to compare a detector's results with."""
        return sorted((e for generator in self for e in generator.episodes), key=lambda e: (e.began, e.generator_id))
