"""The operations dashboard of a fleet: a model that readings go into, and a view that only links to it."""

from __future__ import annotations

import csv
import heapq
import html
import math
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from traitlets import HasTraits, Int

from helpers.figures.live import PALETTE, TEMPLATE
from helpers.paths import DATA

ALARM_HOURS, WARN_HOURS = 4.0, 12.0
ALARM_LITRES_PER_HOUR = 600.0  # more than any engine of data/sites.csv burns; a thief's pump takes four times as much
ALARM_DEGREES = 100.0  # coolant in °C; a healthy engine of the fleet stays below 92
SILENT_MINUTES = 15.0
# A fleet with more generators than this is drawn in cells of the map, so many degrees wide.
MANY, CELL = 500, 0.05
_WIDTH = 880
# Worst first. Colour and shape say the same, for those who do not tell the colours apart.
LEVELS = {
    f"under {ALARM_HOURS:.0f} h": (PALETTE[3], "diamond"),
    f"under {WARN_HOURS:.0f} h": (PALETTE[1], "square"),
    "longer": (PALETTE[0], "circle"),
    "not burning": ("#6b7680", "circle-open"),
}
ALARM, SOON, FINE, STANDING = LEVELS
# What is wrong, most urgent first.
_THEFT, _HOT, _EMPTY, _SILENT = range(4)
_NONE = (4, "")


@dataclass
class _Generator:
    """The last reading of one generator, and what follows from the last few; ``hours`` to empty."""

    value: Mapping[str, Any]
    time: datetime
    fuel: deque[tuple[datetime, float]] = field(default_factory=lambda: deque(maxlen=12))
    hours: float = math.inf
    trouble: tuple[int, str] = _NONE

    @property
    def level(self) -> str:
        if math.isinf(self.hours):
            return STANDING
        return ALARM if self.hours < ALARM_HOURS else SOON if self.hours < WARN_HOURS else FINE

    def add(self, value: Mapping[str, Any], time: datetime) -> None:
        if self.fuel and value["fuel"] > self.fuel[-1][1]:
            self.fuel.clear()  # refuelled: the rate begins anew
        self.value, self.time = value, time
        self.fuel.append((time, value["fuel"]))
        (began, full), (_, left) = self.fuel[0], self.fuel[-1]
        self.hours = left * (time - began).total_seconds() / 3600 / (full - left) if full > left else math.inf
        before, litres = self.fuel[-2] if len(self.fuel) > 1 else (began, left)
        rate = (litres - left) * 3600 / ((time - before).total_seconds() or 1)
        self.trouble = (_EMPTY, f"empty in {self.hours:.1f} h") if self.level == ALARM else _NONE
        if value["temperature"] > ALARM_DEGREES:
            self.trouble = _HOT, f"coolant at {value['temperature']:.0f} °C"
        if rate > ALARM_LITRES_PER_HOUR:
            self.trouble = _THEFT, f"loses {rate / 60:.0f} litres a minute: theft?"


class Operations(HasTraits):
    """What is known of a fleet, from its readings as they arrive.

    ``lag`` is the number of records not read yet. ``changes`` counts the calls of :meth:`refresh`; views observe it.
    """

    lag = Int(0)
    changes = Int(0)

    def __init__(self) -> None:
        super().__init__()
        self._fleet: dict[str, _Generator] = {}
        self._newest: datetime | None = None
        self._totals: deque[tuple[float, int, int]] = deque(maxlen=60)

    def __len__(self) -> int:
        return len(self._fleet)

    def see(self, value: Mapping[str, Any], time: datetime) -> None:
        """Take one reading: its six fields and its time. One that is late, or comes again, changes nothing."""
        known = self._fleet.setdefault(value["generatorID"], _Generator(value, time))
        if not known.fuel or time > known.time:
            known.add(value, time)
            self._newest = max(self._newest or time, time)

    def refresh(self, *, now: float, mqtt: int, kafka: int, lag: int) -> None:
        """Note the messages so far on both sides at ``now`` (seconds), and the lag; then the views draw."""
        self._totals.append((now, mqtt, kafka))
        self.lag = lag
        self.changes += 1

    def rates(self) -> list[tuple[float, float, float]]:
        """``(seconds ago, MQTT messages per second, Kafka records per second)``, each over about two seconds."""
        totals, result = list(self._totals), []
        for place, (now, mqtt, kafka) in enumerate(totals[1:]):
            before, mqtt_before, kafka_before = totals[max(0, place - 5)]
            span = max(now - before, 1e-3)
            result.append((now - totals[-1][0], (mqtt - mqtt_before) / span, (kafka - kafka_before) / span))
        return result

    def soonest(self, count: int = 12) -> list[tuple[str, float, float, str]]:
        """The ``count`` generators that run dry first: ``(id, hours to empty, litres, level)``."""
        rows = ((name, each.hours, float(each.value["fuel"]), each.level) for name, each in self._fleet.items())
        return [row for row in heapq.nsmallest(count, rows, key=lambda row: row[1]) if row[3] != STANDING]

    def places(self) -> list[tuple[float, float, str, int, str]]:
        """What the map shows: ``(lat, lon, level, how many, text)``; of ``MANY`` generators, cells at their worst."""
        seen = [(each.value["lat"], each.value["lon"], each.level, name) for name, each in self._fleet.items()]
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
        """``(generator, what is wrong)``, most urgent first: theft, heat, nearly empty, silent."""
        found = []
        for name, each in self._fleet.items():
            silent = (self._newest - each.time).total_seconds() / 60 if self._newest else 0
            trouble = (_SILENT, f"silent for {silent:.0f} minutes") if silent > SILENT_MINUTES else each.trouble
            if trouble is not _NONE:
                found.append((trouble[0], each.hours, name, trouble[1]))
        return [(name, text) for *_, name, text in sorted(found)]


def view(operations: Operations) -> widgets.VBox:
    """Return a widget that shows ``operations`` and follows it: numbers, alerts, map, gauges, message rates."""
    head, figure = widgets.HTML(), _figure()

    def draw(_change: object = None) -> None:
        head.value = _head(operations)
        # A batch sets the same properties of all its traces: what it leaves out of one, the browser resets.
        with figure.batch_update():
            for trace, (x, y, text, marker) in zip(figure.data[1:], _traces(operations), strict=True):
                trace.x, trace.y, trace.text, trace.marker = x or [None], y or [None], text, marker

    operations.observe(draw, "changes")
    draw()
    return widgets.VBox([head, figure])


def _traces(operations: Operations) -> Iterator[tuple[list[Any], list[Any], list[str], dict[str, Any]]]:
    """``(x, y, text, marker)`` of each trace but the coast, in the order of ``_figure``."""
    places, soonest, rates = operations.places(), operations.soonest(), operations.rates()
    for level, (colour, symbol) in LEVELS.items():
        mine = [each for each in places if each[2] == level]
        sizes = [10 + 3 * math.log10(each[3]) for each in mine] or [10]
        marker = {"color": colour, "symbol": symbol, "size": sizes, "opacity": 1}
        yield [each[1] for each in mine], [each[0] for each in mine], [each[4] for each in mine], marker
    colours = [LEVELS[level][0] for *_, level in soonest]
    said = [f"{hours:.1f} h · {litres:,.0f} L" for _, hours, litres, _ in soonest]
    yield [hours for _, hours, *_ in soonest], [name for name, *_ in soonest], said, {"color": colours}
    for side in (1, 2):
        yield [each[0] for each in rates], [each[side] for each in rates], [], {}


def _head(operations: Operations) -> str:
    rates, alerts = operations.rates(), operations.alerts()
    _, mqtt, kafka = rates[-1] if rates else (0, 0, 0)
    numbers = f"{len(operations):,} generators · MQTT {mqtt:,.0f}/s · Kafka {kafka:,.0f}/s · lag {operations.lag:,}"
    shown = [f"<b>{html.escape(name)}</b> {html.escape(text)}" for name, text in alerts[:6]]
    more = [f"and {len(alerts) - 6:,} more"] if len(alerts) > len(shown) else []
    return (
        f'<div style="background:white;color:#24292f;padding:.5em 1em;line-height:1.5;min-height:5em;'
        f'max-width:{_WIDTH}px;box-sizing:border-box">'
        f'<div style="font-size:1.15em" role="status"><b>{numbers}</b></div>'
        f"<div>⚠ Alerts: {' · '.join(shown + more) or 'none'}</div></div>"
    )


def _figure() -> go.FigureWidget:
    with (DATA / "outline.csv").open(encoding="utf-8", newline="") as file:
        coast = [(float(row["lon"]), float(row["lat"])) for row in csv.DictReader(file)]
    titles = ("The fleet, by hours to empty", "Empty first", "Messages per second")
    figure = make_subplots(rows=2, cols=2, specs=[[{}, {"rowspan": 2}], [{}, None]], row_heights=[0.7, 0.3],
                           vertical_spacing=0.12, subplot_titles=titles, figure=go.FigureWidget())  # fmt: skip
    figure.add_scatter(x=[x for x, _ in coast], y=[y for _, y in coast], line_color="#aab4be", showlegend=False)
    for rank, name in enumerate(LEVELS):
        figure.add_scatter(name=name, mode="markers", zorder=len(LEVELS) - rank)  # the worst on top
    figure.add_bar(orientation="h", showlegend=False, row=1, col=2)
    for name, colour, dash in (("MQTT", PALETTE[2], "solid"), ("Kafka", PALETTE[4], "dot")):
        figure.add_scatter(name=name, mode="lines", line={"color": colour, "dash": dash}, row=2, col=1)
    figure.update_xaxes(ticksuffix="°", col=1, row=1)
    figure.update_yaxes(ticksuffix="°", col=1, row=1)
    figure.update_xaxes(ticksuffix=" h", rangemode="tozero", row=1, col=2)
    figure.update_xaxes(ticksuffix=" s", row=2, col=1)
    figure.update_yaxes(autorange="reversed", row=1, col=2)
    figure.update_yaxes(rangemode="tozero", row=2, col=1)
    legend = {"orientation": "h", "y": -0.06}
    return figure.update_layout(template=TEMPLATE, height=640, width=_WIDTH, hovermode="closest", legend=legend)
