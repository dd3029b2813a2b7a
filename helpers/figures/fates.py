"""A picture of what became of readings: a row of ticks for each trial, one tick for each reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import plotly.graph_objects as go

from helpers.figures.style import PALETTE, TEMPLATE, DescribedFigure

# The fates of helpers.ledger, in the colours that lessons give them.
COLOURS = {
    "once": PALETTE[2],
    "repeated": PALETTE[0],
    "dead-lettered": PALETTE[4],
    "waiting": PALETTE[1],
    "at the device": PALETTE[6],
    "lost": PALETTE[3],
}
# How long a tick is, in pixels, says the same as its colour: a lost one stands out.
_LENGTHS = (22, 30, 16, 11, 7, 40)


def fates(
    trials: Mapping[str, Iterable[tuple[float, str]]], *, accidents: Mapping[str, tuple[float, float]] | None = None
) -> go.Figure:
    """Draw each trial as a row of readings, ``(seconds after the start, fate)``, with its accident behind them."""
    rows = {title: list(readings) for title, readings in trials.items()}
    figure = DescribedFigure()
    for (fate, colour), length in zip(COLOURS.items(), _LENGTHS, strict=True):
        mine = [(at, title) for title, readings in rows.items() for at, each in readings if each == fate]
        if mine:
            figure.add_scatter(
                x=[at for at, _ in mine],
                y=[title for _, title in mine],
                name=fate,
                mode="markers",
                marker={"symbol": "line-ns-open", "size": length, "line": {"width": 2}, "color": colour},
                hovertemplate=f"{fate}, sent at %{{x:.2f}} s<extra></extra>",
            )
    for row, title in enumerate(rows):
        if span := (accidents or {}).get(title):
            box = {"x0": span[0], "x1": span[1], "y0": row - 0.4, "y1": row + 0.4}
            figure.add_shape(type="rect", **box, fillcolor="rgba(127, 127, 127, 0.2)", line_width=0, layer="below")
    sums = {title: Counter(fate for _, fate in readings) for title, readings in rows.items()}
    text = "; ".join(f"{title}: {', '.join(f'{n} {fate}' for fate, n in each.items())}" for title, each in sums.items())
    return figure.update_layout(
        template=TEMPLATE,
        title={"text": "The fate of each reading; the accident in grey"},
        meta={"description": f"The fate of each reading. {text}."},
        height=170 + 62 * len(rows),
        showlegend=True,
        xaxis={"title": {"text": "sent, seconds after the start"}},
        yaxis={"autorange": "reversed", "showgrid": False, "categoryorder": "array", "categoryarray": list(rows)},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"},
        margin={"t": 80, "l": 190},
    )
