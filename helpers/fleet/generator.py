"""One emergency generator: its engine, tank and sensors.

Everything that changes does so at known moments: once a minute (demand, weather, mains), at the edges of a fault, and
when the tank runs dry. Between them all rates are constant, so each stretch is solved exactly. That is why fuel burnt
*is* the integral of the burn rate, and why it does not matter into how many steps a day is cut.

The consumption is a published chart (``helpers.fleet.fuel``). The other numbers are round ones of ours, chosen to lie
where the instruments of real sets of this size do.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from helpers.errors import FleetError
from helpers.fleet import faults
from helpers.fleet.faults import Episode, Fault
from helpers.fleet.fuel import in_range, litres_per_hour
from helpers.fleet.sites import Site, ambient

HEATER_C = 28.0
"""A heater keeps a standing engine's coolant this far above the air, so that it can take load at once."""
WARM_UP_S, COOL_DOWN_S = 240.0, 2700.0
"""Time constants: after this long, 63 % of the way to the new temperature is done."""
_FOR_GOOD_S = 1e9


class Generator:
    """A generator at ``site``, on a virtual clock that starts at ``start`` and moves only when told.

    Left alone it follows its site: it runs while the mains are out and carries what the site asks for. ``start``,
    ``stop`` and ``set_load`` take it in hand, ``follow_site`` gives it back. ``outages`` is the share of the time, from
    0 to 1, that the mains are out.

    Look, in litres: ``fuel``, ``burnt``, ``leaked``, ``stolen``, ``refuelled``. These are the truth; what the sensors
    say of it is ``measure()``.
    """

    def __init__(self, site: Site, *, seed: int, start: datetime, outages: float = 1.0) -> None:
        self.site = site
        self.id = site.id
        self.epoch = start
        self.clock = 0.0
        # Seeded by name, so a generator behaves the same in a fleet of six and in one of ten thousand.
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
        """Where the virtual clock stands."""
        return self.epoch + timedelta(seconds=self.clock)

    @property
    def load_kw(self) -> float:
        """The electric load in kW; 0 when the engine stands. Setting it is ``set_load``."""
        return self._load if self.running else 0.0

    @load_kw.setter
    def load_kw(self, kilowatts: float) -> None:
        self.set_load(kilowatts)

    @property
    def burn_rate(self) -> float:
        """Litres per hour at this moment; 0 when the engine stands."""
        return litres_per_hour(self._load, self.site.rated_kw) if self.running else 0.0

    @property
    def pressure(self) -> float:
        """Oil pressure in kPa; 0 when the engine stands. Hot oil is thin, so warm engines show less."""
        return max(0.0, 560 - 2 * self.temperature + 40 * self._load / self.site.rated_kw) if self.running else 0.0

    @property
    def faults(self) -> frozenset[Fault]:
        """The faults that are on at this moment."""
        return frozenset(self._active)

    def start(self) -> None:
        """Start the engine by hand. Raises ``FleetError`` when the tank is empty."""
        if self.fuel <= 0:
            raise FleetError(f"{self.id} cannot start: its tank is empty", remedy="Refuel it.", generator_id=self.id)
        self._hand_running = True
        self._settle()

    def stop(self) -> None:
        """Stop the engine by hand, whatever the mains do."""
        self._hand_running = False
        self._settle()

    def set_load(self, kilowatts: float) -> None:
        """Hold the load at ``kilowatts``, from 0 to the rated power; it applies whenever the engine runs."""
        self._hand_load = in_range(f"The load of {self.id}", kilowatts, 0, self.site.rated_kw, "kW")
        self._settle()

    def follow_site(self) -> None:
        """Undo ``start``, ``stop`` and ``set_load``: run when the mains are out, carry what the site asks for."""
        self._hand_running = self._hand_load = None
        self._settle()

    def refuel(self, litres: float = math.inf) -> float:
        """Fill in ``litres`` or what fits, as the nozzle shuts off at the brim; gives back the litres taken."""
        wanted = in_range("The fuel to fill in", litres, 0, math.inf, "litres")
        taken = min(wanted, self.site.tank_litres - self.fuel)
        self.fuel += taken
        self.refuelled += taken
        self._settle()
        return taken

    def switch_on(
        self, fault: Fault | str, *, after: float = 0, lasting: float = math.inf, severity: float = 1
    ) -> None:
        """Put a fault on ``after`` seconds from now, for ``lasting`` seconds; it replaces what it overlaps.

        ``Fault`` says what ``severity``, from 0.01 to 10, means.
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
        """End a fault now, and forget what was planned of it for later. What it did so far stays on record."""
        self._clear(Fault(fault), self.time, None)
        self._settle()

    def _clear(self, fault: Fault, began: datetime, ended: datetime | None) -> None:
        """Cut short, or drop, the episodes of ``fault`` that would overlap a new one."""
        kept = []
        for episode in self.episodes:
            if episode.fault is not fault or (ended is not None and episode.began >= ended):
                kept.append(episode)
            elif episode.began < began:
                kept.append(replace(episode, ended=began) if episode.covers(began) else episode)
        self.episodes = kept

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` of virtual time pass."""
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
        """What the sensors say: coolant °C (to 0.1), oil kPa (to 0.1), fuel litres (to 0.01); None in a dropout.

        A fuel gauge that sees a hundredth of a litre is finer than a real one; a minute's burn shows on it.
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
        """What the site asks for in kW, with two slow ripples of this generator's own."""
        ripple = sum(math.sin(math.tau * self.clock / period + phase) for period, phase in self._ripples)
        return self.site.demand(self.time) + 0.04 * ripple * self.site.rated_kw

    def _settle(self) -> None:
        """Work out every rate anew; they hold until ``_next_change``."""
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
