"""Charts of an analysis: the order of a log, hours until tanks are empty, faults and the alarms about them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime, timedelta

import plotly.graph_objects as go

from helpers.figures.style import PALETTE, TEMPLATE, DescribedFigure
from helpers.fleet import Episode

_BLUE, _ORANGE, _RED, _SKY, _GREY = PALETTE[0], PALETTE[1], PALETTE[3], PALETTE[5], "#6b7680"
_LATE = timedelta(minutes=15)
_ORDER = {"as expected": (_SKY, "circle", 4), "twice": (_RED, "x", 7), "late": (_ORANGE, "diamond", 7)}
_PALE, _FOUND = ("#b2d4e7", "#f2cdb2"), ((_GREY, "x-thin-open", 8), (_RED, "diamond", 8))


def order(records: Iterable[tuple[int, datetime, str, Hashable]], *, title: str) -> go.Figure:
    """Draw the records of a partition: offset to the right, time of measurement upwards.

    Each is ``(offset, time, generator, identity)``, in the order of the log. A record is drawn as *twice* if its
    identity came before, and as *late* if it is more than 15 minutes older than one before it.
    """
    points: dict[str, list[tuple[int, datetime, str]]] = {what: [] for what in _ORDER}
    seen: set[Hashable] = set()
    newest: datetime | None = None
    for offset, time, generator, identity in records:
        newest = max(newest or time, time)
        what = "twice" if identity in seen else "late" if time < newest - _LATE else "as expected"
        points[what].append((offset, time, generator))
        seen.add(identity)
    figure = _figure(title, ", ".join(f"{len(each):,} {what}" for what, each in points.items()), 380, "offset")
    for what, look in _ORDER.items():
        _mark(figure, f"{what}: {len(points[what]):,}", points[what], look)
    return figure.update_yaxes(title_text="measured at (UTC)")


def lasting(forecasts: Iterable[tuple[str, float, float, float, float]], *, title: str) -> go.Figure:
    """Draw until when tanks last. Each is ``(name, litres, hours, at least, at most)``; the first on top."""
    rows = list(forecasts)
    said = ", ".join(f"{name} {hours:.0f} hours" for name, _, hours, *_ in rows[:3])
    figure = _figure(title, f"{len(rows)} generators: {said}, and more", 130 + 25 * len(rows), "hours of running")
    points = [(hours, name, f"{litres:,.0f} L") for name, litres, hours, *_ in rows]
    _mark(figure, "hours", points, (_BLUE, "circle", 11))
    over, under = ([row[4] - row[2] for row in rows], [row[2] - row[3] for row in rows])
    figure.update_traces(error_x={"array": over, "arrayminus": under, "color": _BLUE, "thickness": 2})
    day = {"text": "less than a day", "font_color": _RED}
    figure.add_vrect(0, 24, fillcolor=_RED, opacity=0.12, line_width=0, annotation=day, annotation_position="top left")
    return figure.update_xaxes(rangemode="tozero").update_yaxes(autorange="reversed")


def alarms(
    episodes: Iterable[Episode], found: Mapping[str, Iterable[tuple[str, datetime]]], *, title: str
) -> go.Figure:
    """Draw faults as bars, a row for each generator, and on them the alarms: name → ``(generator, time)``.

    Times without a zone are in UTC, as a database returns them.
    """
    truth, marks = list(episodes), {name: list(each) for name, each in found.items()}
    names = {each.generator_id for each in truth} | {name for each in marks.values() for name, _ in each}
    counts = ", ".join(f"{name} {len(each)} times" for name, each in marks.items())
    figure = _figure(title, f"{len(truth)} faults of {len(names)} generators; {counts}", 190 + 24 * len(names), "UTC")
    for fault, colour in zip(sorted({each.fault for each in truth}), _PALE, strict=False):
        some = [each for each in truth if each.fault is fault]
        figure.add_bar(
            name=f"{fault}, the truth",
            orientation="h",
            base=[each.began.replace(tzinfo=None) for each in some],
            x=[((each.ended or each.began) - each.began).total_seconds() * 1000 for each in some],
            y=[each.generator_id for each in some],
            marker={"color": colour, "line": {"color": _GREY, "width": 1}},
            width=0.8,
        )
    for (name, each), look in zip(marks.items(), _FOUND, strict=False):
        _mark(figure, name, [(time, generator, generator) for generator, time in each], look)
    figure.update_layout(barmode="overlay", legend={"orientation": "h", "y": -0.14})
    return figure.update_xaxes(type="date").update_yaxes(categoryorder="category descending", dtick=1)


def _figure(title: str, said: str, height: int, x_label: str) -> DescribedFigure:
    figure, meta = DescribedFigure(), {"description": f"{title}. {said}."}
    figure.update_layout(template=TEMPLATE, height=height, title_text=title, xaxis_title_text=x_label, meta=meta)
    return figure


def _mark(
    figure: DescribedFigure, name: str, points: Iterable[tuple[object, object, str]], look: tuple[str, str, int]
) -> None:
    """Add points ``(x, y, text)`` that look so: colour, symbol, size."""
    x, y, text = zip(*points, strict=True) if points else ((), (), ())
    marker = dict(zip(("color", "symbol", "size"), look, strict=True))
    figure.add_scatter(name=name, x=x, y=y, text=text, mode="markers", marker=marker)
