"""The operations dashboard of a fleet: a model of its readings, and a view linked to the model."""

from __future__ import annotations

import csv
import heapq
import html
import math
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median, median_high
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from traitlets import HasTraits, Int

from helpers.figures.style import PALETTE, TEMPLATE, LiveFigure
from helpers.paths import DATA

ALARM_HOURS, WARN_HOURS = 4.0, 12.0
ALARM_LITRES_PER_HOUR = 600.0  # more than any engine of data/sites.csv burns; a theft takes four times as much
ALARM_DEGREES = 100.0  # coolant in °C; a healthy engine of the fleet stays below 92
SILENT_MINUTES = 15.0
# With more than MANY generators the map shows cells, CELL degrees wide, instead of single generators.
MANY, CELL = 500, 0.05
_WIDTH, _LONG = 880, 1000
# What a sensor can report; a value outside is an alert and is not used otherwise. NaN is outside every range.
_PLAUSIBLE = {"lat": (-90, 90), "lon": (-180, 180), "temperature": (-100, 1000), "fuel": (0, 1e6)}
# Worst first. Colour and shape carry the same information, for people who cannot distinguish the colours.
LEVELS = {
    f"under {ALARM_HOURS:.0f} h": (PALETTE[3], "diamond"),
    f"under {WARN_HOURS:.0f} h": (PALETTE[1], "square"),
    "longer": (PALETTE[0], "circle"),
    "not burning": ("#6b7680", "circle-open"),
}
ALARM, SOON, FINE, STANDING = LEVELS
# Problems, most urgent first.
_THEFT, _HOT, _EMPTY, _IMPLAUSIBLE, _SILENT, _NO_PROBLEM = range(6)


@dataclass
class _Generator:
    """The last reading of one generator, and what follows from the last few: ``hours`` to empty, a problem."""

    value: Mapping[str, Any] = field(default_factory=dict)
    time: datetime | None = None
    fuel: deque[tuple[datetime, float]] = field(default_factory=lambda: deque(maxlen=12))
    hours: float = math.inf
    problem: tuple[int, str] = _NO_PROBLEM, ""

    @property
    def level(self) -> str:
        if math.isinf(self.hours):
            return STANDING
        return ALARM if self.hours < ALARM_HOURS else SOON if self.hours < WARN_HOURS else FINE

    def add(self, value: Mapping[str, Any], time: datetime) -> None:
        if self.fuel and value["fuel"] > self.fuel[-1][1]:
            self.fuel.clear()  # refuelled: restart the rate
        self.value, self.time = value, time
        self.fuel.append((time, value["fuel"]))
        (began, full), (_, left) = self.fuel[0], self.fuel[-1]
        self.hours = left * (time - began).total_seconds() / 3600 / (full - left) if full > left else math.inf
        before, litres = self.fuel[-2] if len(self.fuel) > 1 else (began, left)
        rate = (litres - left) * 3600 / ((time - before).total_seconds() or 1)
        self.problem = (_EMPTY, f"empty in {self.hours:.1f} h") if self.level == ALARM else (_NO_PROBLEM, "")
        if value["temperature"] > ALARM_DEGREES:
            self.problem = _HOT, f"coolant at {value['temperature']:.0f} °C"
        if rate > ALARM_LITRES_PER_HOUR:
            self.problem = _THEFT, f"loses {rate / 60:.0f} litres a minute: theft?"


class Operations(HasTraits):
    """The state of a fleet, from its readings as they arrive.

    ``lag`` is the number of records not read yet. ``changes`` counts the calls of :meth:`refresh`; views observe it.
    """

    lag = Int(0)
    changes = Int(0)

    def __init__(self) -> None:
        super().__init__()
        self._fleet: dict[str, _Generator] = {}
        self._totals: deque[tuple[float, int, int]] = deque(maxlen=60)

    def __len__(self) -> int:
        return len(self._fleet)

    def see(self, value: Mapping[str, Any], time: datetime) -> None:
        """Add one reading: its six fields and its time, which must have a time zone.

        A late or repeated reading changes nothing. One with an implausible field only raises an alert.
        """
        known = self._fleet.setdefault(str(value.get("generatorID")), _Generator())
        if wrong := [name for name in _PLAUSIBLE if not _plausible(name, value.get(name))]:
            known.problem = _IMPLAUSIBLE, f"implausible {wrong[0]}: {str(value.get(wrong[0]))[:20]}"
        elif time.tzinfo is None:
            known.problem = _IMPLAUSIBLE, "time without a time zone"
        elif known.time is None or time > known.time:
            known.add(value, time)

    def refresh(self, *, now: float, mqtt: int, kafka: int, lag: int) -> None:
        """Record the totals of messages on both sides at ``now`` (seconds) and the lag, and update the views."""
        self._totals.append((now, mqtt, kafka))
        self.lag = lag
        self.changes += 1

    def rates(self) -> list[tuple[float, float, float]]:
        """Return ``(seconds before now, MQTT messages/s, Kafka records/s)``, averaged over about two seconds."""
        totals, result = list(self._totals), []
        for place, (now, mqtt, kafka) in enumerate(totals[1:]):
            before, mqtt_before, kafka_before = totals[max(0, place - 5)]
            span = max(now - before, 1e-3)
            result.append((now - totals[-1][0], (mqtt - mqtt_before) / span, (kafka - kafka_before) / span))
        return result

    def soonest(self, count: int = 12) -> list[tuple[str, float, float, str]]:
        """Return the ``count`` generators that run dry first: ``(id, hours to empty, litres, level)``."""
        rows = ((name, each.hours, float(each.value["fuel"]), each.level) for name, each in self._known())
        return [row for row in heapq.nsmallest(count, rows, key=lambda row: row[1]) if row[3] != STANDING]

    def places(self) -> list[tuple[float, float, str, int, str]]:
        """Return the marks of the map: ``(lat, lon, level, number of generators, text)``.

        With more than ``MANY`` generators a mark is a cell, at the worst level in it.
        """
        seen = [(each.value["lat"], each.value["lon"], each.level, name) for name, each in self._known()]
        if len(seen) <= MANY:
            return [(lat, lon, level, 1, f"{name}: {level}") for lat, lon, level, name in seen]
        cells: dict[tuple[float, float], Counter[str]] = {}
        for lat, lon, level, _ in seen:
            cells.setdefault((round(lat / CELL) * CELL, round(lon / CELL) * CELL), Counter())[level] += 1
        return [
            (*cell, min(levels, key=list(LEVELS).index), levels.total(), f"{levels.total()} generators")
            for cell, levels in cells.items()
        ]

    def alerts(self) -> list[tuple[str, str]]:
        """Return ``(generator, problem)``, most urgent first: theft, heat, nearly empty, implausible, silent."""
        # The clock of the fleet is the median of its clocks: a single wrong one makes no other generator silent.
        clock = median_high(times) if (times := [each.time for each in self._fleet.values() if each.time]) else None
        found = []
        for name, each in self._fleet.items():
            silent = (clock - each.time).total_seconds() / 60 if clock and each.time else 0
            rank, text = (_SILENT, f"silent for {silent:.0f} minutes") if silent > SILENT_MINUTES else each.problem
            if rank != _NO_PROBLEM:
                found.append((rank, each.hours, name, text))
        return [(name, text) for *_, name, text in sorted(found)]

    def _known(self) -> list[tuple[str, _Generator]]:
        """Return the generators of which there is a plausible reading."""
        return [(name, each) for name, each in self._fleet.items() if each.time]


def _plausible(name: str, value: object) -> bool:
    low, high = _PLAUSIBLE[name]
    return isinstance(value, int | float) and low <= value <= high


def view(operations: Operations) -> widgets.VBox:
    """Return a widget that follows ``operations``: numbers, alerts, map, gauges, message rates."""
    head, plot = widgets.HTML(), LiveFigure(_figure())

    def draw(_change: object = None) -> None:
        head.value = _head(operations)
        for trace, (x, y, text, marker) in zip(plot.figure.data[1:], _traces(operations), strict=True):
            trace.x, trace.y, trace.text, trace.marker = x, y, text, marker
        hours = [hours for _, hours, *_ in operations.soonest()]
        # A single wrong number does not shrink the bars of all others.
        plot.figure.layout.xaxis2.range = [0, min(max(hours), 4 * median(hours)) or 1] if hours else None
        plot.figure.layout.meta = {"description": _description(operations)}
        plot.draw()

    operations.observe(draw, "changes")
    draw()
    return widgets.VBox([head, plot])


def _description(operations: Operations) -> str:
    levels = Counter(level for _, _, level, count, _ in operations.places() for _ in range(count))
    fleet = ", ".join(f"{levels[level]} {level}" for level in LEVELS if levels[level]) or "no readings yet"
    first = ", ".join(f"{name} in {_hours(hours)}" for name, hours, *_ in operations.soonest(3)) or "none known"
    return (
        f"Map of the fleet by hours to empty ({fleet}), the generators empty first ({first}), and messages per second."
    )


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours < _LONG else f"over {_LONG:,} h"


def _traces(operations: Operations) -> Iterator[tuple[list[Any], list[Any], list[str], dict[str, Any]]]:
    """Yield ``(x, y, text, marker)`` of each trace except the coast, in the order of ``_figure``."""
    places, soonest, rates = operations.places(), operations.soonest(), operations.rates()
    for level, (colour, symbol) in LEVELS.items():
        mine = [each for each in places if each[2] == level]
        sizes = [10 + 3 * math.log10(each[3]) for each in mine] or [10]
        marker = {"color": colour, "symbol": symbol, "size": sizes, "opacity": 1}
        yield [each[1] for each in mine], [each[0] for each in mine], [each[4] for each in mine], marker
    colours = [LEVELS[level][0] for *_, level in soonest]
    texts = [f"{_hours(hours)} · {litres:,.0f} L" for _, hours, litres, _ in soonest]
    yield [hours for _, hours, *_ in soonest], [name for name, *_ in soonest], texts, {"color": colours}
    for side in (1, 2):
        yield [each[0] for each in rates], [each[side] for each in rates], [], {}


def _head(operations: Operations) -> str:
    rates, alerts = operations.rates(), operations.alerts()
    _, mqtt, kafka = rates[-1] if rates else (0, 0, 0)
    numbers = f"{len(operations):,} generators · MQTT {mqtt:,.0f}/s · Kafka {kafka:,.0f}/s · lag {operations.lag:,}"
    shown = [f"<b>{html.escape(name)}</b> {html.escape(text)}" for name, text in alerts[:6]]
    more = [f"and {len(alerts) - 6:,} more"] if len(alerts) > len(shown) else []
    return (
        f'<div style="padding:.5em 1em;line-height:1.5;min-height:5em;max-width:{_WIDTH}px;box-sizing:border-box">'
        f'<div style="font-size:1.15em" role="status" aria-live="off"><b>{numbers}</b></div>'
        f"<div>⚠ Alerts: {' · '.join(shown + more) or 'none'}</div></div>"
    )


def _figure() -> go.Figure:
    with (DATA / "outline.csv").open(encoding="utf-8", newline="") as file:
        coast = [(float(row["lon"]), float(row["lat"])) for row in csv.DictReader(file)]
    titles = ("The fleet, by hours to empty", "Empty first", "Messages per second")
    figure = make_subplots(rows=2, cols=2, specs=[[{}, {"rowspan": 2}], [{}, None]], row_heights=[0.7, 0.3],
                           vertical_spacing=0.12, subplot_titles=titles)  # fmt: skip
    figure.add_scatter(x=[x for x, _ in coast], y=[y for _, y in coast], line_color="#aab4be", showlegend=False)
    for rank, name in enumerate(LEVELS):
        figure.add_scatter(name=name, mode="markers", zorder=len(LEVELS) - rank)  # the worst on top
    figure.add_bar(orientation="h", showlegend=False, row=1, col=2)
    for name, colour, dash in (("MQTT", PALETTE[2], "solid"), ("Kafka", PALETTE[4], "dot")):
        figure.add_scatter(name=name, mode="lines", line={"color": colour, "dash": dash}, row=2, col=1)
    # The map keeps to the island, so that one wrong position does not shrink it.
    for axes, place in ((figure.update_xaxes, 0), (figure.update_yaxes, 1)):
        low, high = min(each[place] for each in coast), max(each[place] for each in coast)
        axes(ticksuffix="°", range=[low - 0.05 * (high - low), high + 0.05 * (high - low)], row=1, col=1)
    figure.update_xaxes(ticksuffix=" h", row=1, col=2)
    figure.update_xaxes(ticksuffix=" s", row=2, col=1)
    figure.update_yaxes(type="category", autorange="reversed", row=1, col=2)
    figure.update_yaxes(rangemode="tozero", row=2, col=1)
    legend = {"orientation": "h", "y": -0.06}
    return figure.update_layout(template=TEMPLATE, height=640, width=_WIDTH, hovermode="closest", legend=legend)
