"""One emergency generator: its engine, tank and sensors.

Rates change at known moments only: once a minute (demand, weather, mains), when a fault begins or ends, and when the
tank runs dry. Between these moments they are constant, and each interval is solved exactly. So the fuel burnt equals
the integral of the burn rate, and the size of the time steps does not matter.

The consumption is a published chart (``helpers.fleet.fuel``). The other numbers are assumptions within the range that
instruments of real sets of this size show.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from helpers.errors import FleetError, in_range
from helpers.fleet import faults
from helpers.fleet.faults import Episode, Fault
from helpers.fleet.fuel import litres_per_hour
from helpers.fleet.sites import Site, ambient

HEATER_C = 28.0
"""A heater keeps the coolant of a stopped engine this far above the air, so that it can take load at once."""
WARM_UP_S, COOL_DOWN_S = 240.0, 2700.0
"""Time constants: the time for 63 % of a temperature change."""
_FOR_GOOD_S = 1e9


class Generator:
    """A generator at ``site``, on a virtual clock that starts at ``start`` and moves only in ``advance``.

    It runs while the mains are out and carries the demand of its site, until ``start``, ``stop`` or ``set_load``
    override that. ``outages`` is the share of the time, from 0 to 1, that the mains are out.

    ``fuel``, ``burnt``, ``leaked``, ``stolen`` and ``refuelled`` are the true amounts in litres; ``measure()`` returns
    what the sensors report.
    """

    def __init__(self, site: Site, *, seed: int, start: datetime, outages: float = 1.0) -> None:
        self.site = site
        self.id = site.id
        self.epoch = start
        self.clock = 0.0
        # The seed contains the id, so a generator behaves the same in a fleet of any size.
        self._random = random = Random(f"{seed}/{site.id}")  # noqa: S311 - a simulation, not a secret
        self._outages = outages
        self._ripples = [(random.uniform(600, 1800), random.uniform(0, math.tau)) for _ in range(2)]
        self._mains_cycle = (random.uniform(6, 18) * 3600, random.random())
        self.fuel = site.tank_litres * random.uniform(0.55, 0.95)
        self.initial_fuel = self.fuel
        self.burnt = self.leaked = self.stolen = self.refuelled = 0.0
        self.episodes: list[Episode] = []
        self.running = False
        self._hand_running: bool | None = None
        self._hand_load: float | None = None
        self._last: tuple[float, float, float] | None = None
        self._settle()
        self.temperature = self._target

    @property
    def time(self) -> datetime:
        """The present time of the virtual clock."""
        return self.epoch + timedelta(seconds=self.clock)

    @property
    def load_kw(self) -> float:
        """The electric load in kW, 0 while the engine is stopped. Setting it calls ``set_load``."""
        return self._load if self.running else 0.0

    @load_kw.setter
    def load_kw(self, kilowatts: float) -> None:
        self.set_load(kilowatts)

    @property
    def burn_rate(self) -> float:
        """The present consumption in litres per hour, 0 while the engine is stopped."""
        return litres_per_hour(self._load, self.site.rated_kw) if self.running else 0.0

    @property
    def pressure(self) -> float:
        """Oil pressure in kPa, 0 while the engine is stopped. Hot oil is thinner, so it falls with temperature."""
        return max(0.0, 560 - 2 * self.temperature + 40 * self._load / self.site.rated_kw) if self.running else 0.0

    @property
    def faults(self) -> frozenset[Fault]:
        """The faults that are active now."""
        return frozenset(self._active)

    def start(self) -> None:
        """Start the engine by hand. Raises ``FleetError`` if the tank is empty."""
        if self.fuel <= 0:
            raise FleetError(f"{self.id} cannot start: its tank is empty.", remedy="Refuel it.", generator_id=self.id)
        self._hand_running = True
        self._settle()

    def stop(self) -> None:
        """Stop the engine by hand, even while the mains are out."""
        self._hand_running = False
        self._settle()

    def set_load(self, kilowatts: float) -> None:
        """Set the load to ``kilowatts``, from 0 to the rated power. It applies whenever the engine runs."""
        self._hand_load = in_range(f"The load of {self.id}", kilowatts, 0, self.site.rated_kw, "kW")
        self._settle()

    def refuel(self, litres: float = math.inf) -> float:
        """Add ``litres``, or as much as fits into the tank. Return the litres added."""
        wanted = in_range("The fuel to add", litres, 0, math.inf, "litres")
        taken = min(wanted, self.site.tank_litres - self.fuel)
        self.fuel += taken
        self.refuelled += taken
        self._settle()
        return taken

    def switch_on(
        self, fault: Fault | str, *, after: float = 0, lasting: float = math.inf, severity: float = 1
    ) -> None:
        """Activate a fault ``after`` seconds from now, for ``lasting`` seconds.

        It replaces what it overlaps of the same fault. ``Fault`` explains ``severity``, from 0.01 to 10.
        """
        after = in_range("The delay of a fault", after, 0, 1e9, "seconds")
        in_range("The duration of a fault", lasting, 0, math.inf, "seconds")
        severity = in_range("The severity of a fault", severity, 0.01, 10)
        fault, began = Fault(fault), self.time + timedelta(seconds=after)
        ended = began + timedelta(seconds=lasting) if lasting < _FOR_GOOD_S else None
        self._clear(fault, began, ended)
        episode = Episode(generator_id=self.id, fault=fault, began=began, ended=ended, severity=severity)
        self.episodes.append(episode)
        self._settle()

    def switch_off(self, fault: Fault | str) -> None:
        """End a fault now and cancel its planned episodes. Its past stays on record."""
        self._clear(Fault(fault), self.time, None)
        self._settle()

    def _clear(self, fault: Fault, began: datetime, ended: datetime | None) -> None:
        """Shorten or remove the episodes of ``fault`` that would overlap a new one."""
        kept = []
        for episode in self.episodes:
            if episode.fault is not fault or (ended is not None and episode.began >= ended):
                kept.append(episode)
            elif episode.began < began:
                kept.append(replace(episode, ended=began) if episode.covers(began) else episode)
        self.episodes = kept

    def advance(self, seconds: float) -> None:
        """Advance the virtual clock by ``seconds``."""
        until = self.clock + seconds
        while self.clock < until:
            drain = self._burn + self._leak + self._theft
            dry = self.clock + self.fuel / drain if drain else math.inf
            end = min(until, self._next_change, dry)
            span = end - self.clock
            self.burnt += self._burn * span
            self.leaked += self._leak * span
            self.stolen += self._theft * span
            self.fuel = 0.0 if end == dry else self.fuel - drain * span
            self.temperature += (self._target - self.temperature) * -math.expm1(-span / self._inertia)
            self.clock = end
            if end in (self._next_change, dry):
                self._settle()

    def measure(self) -> tuple[float, float, float] | None:
        """Return coolant in °C (to 0.1), oil in kPa (to 0.1) and fuel in litres (to 0.01); ``None`` in a dropout.

        The fuel gauge is finer than a real one, so that the consumption of a minute shows.
        """
        active = self._active
        if Fault.DROPOUT in active:
            return None
        if Fault.STUCK in active and self._last is not None:
            return self._last
        temperature, pressure, fuel = self.temperature, self.pressure, self.fuel
        if Fault.NOISE in active:
            severity, gauss = active[Fault.NOISE], self._random.gauss
            temperature += gauss(0, severity * faults.NOISE_DEGREES)
            pressure = max(0.0, pressure + gauss(0, severity * faults.NOISE_KPA))
            fuel = max(0.0, fuel + gauss(0, severity * faults.NOISE_TANK_SHARE * self.site.tank_litres))
        self._last = round(temperature, 1), round(pressure, 1), round(fuel, 2)
        return self._last

    def _demand(self) -> float:
        """Return the demand of the site in kW, plus two slow variations specific to this generator."""
        ripple = sum(math.sin(math.tau * self.clock / period + phase) for period, phase in self._ripples)
        return self.site.demand(self.time) + 0.04 * ripple * self.site.rated_kw

    def _settle(self) -> None:
        """Compute all rates; they are constant until ``_next_change``."""
        time, (period, phase) = self.time, self._mains_cycle
        self._active = {e.fault: e.severity for e in self.episodes if e.covers(time)}
        moments = (moment for e in self.episodes for moment in (e.began, e.ended) if moment is not None)
        edges = (edge for moment in moments if (edge := (moment - self.epoch).total_seconds()) > self.clock)
        self._next_change = min([(self.clock // 60 + 1) * 60, *edges])
        mains_are_out = (self.clock / period + phase) % 1 < self._outages
        has_fuel = self.fuel > 0
        self.running = has_fuel and (mains_are_out if self._hand_running is None else self._hand_running)
        self._load = self._demand() if self._hand_load is None else self._hand_load
        self._burn = self.burn_rate / 3600
        self._leak = has_fuel * self._active.get(Fault.LEAK, 0) * faults.LEAK_LITRES_PER_HOUR / 3600
        self._theft = has_fuel * self._active.get(Fault.THEFT, 0) * faults.THEFT_LITRES_PER_HOUR / 3600
        if self.running:
            warm = 74 + 12 * self._load / self.site.rated_kw + 0.3 * ambient(time)
            self._target = warm + self._active.get(Fault.OVERHEATING, 0) * faults.OVERHEATING_DEGREES
            self._inertia = WARM_UP_S
        else:
            self._target, self._inertia = ambient(time) + HEATER_C, COOL_DOWN_S
