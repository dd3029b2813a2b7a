"""Diagrams that lessons share: packets between clients and a broker, records in the partitions of a topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go

from helpers.figures.style import INK, PALETTE, TEMPLATE, DescribedFigure
from helpers.relay import Packet

_BLUE, _RED = PALETTE[0], PALETTE[3]
_PALE = {PALETTE[1], PALETTE[4], PALETTE[5]}
_ROW = 30


def sequence(packets: Iterable[Packet], *, left: str, right: str = "", title: str = "") -> go.Figure:
    """Draw one arrow for each packet between one or two clients and the broker, oldest on top.

    ``left`` and ``right`` are client ids; packets of other clients are left out. A lost packet's arrow ends half-way.
    """
    drawn = [each for each in packets if each.client in {left, right}]
    figure = DescribedFigure()
    for lost, colour in ((False, _BLUE), (True, _RED)):
        arrows = [(row, *_ends(each, left)) for row, each in enumerate(drawn) if each.lost == lost]
        heads = ["x" if lost else f"triangle-{'right' if begin < end else 'left'}" for _, begin, end in arrows]
        tips = [begin + 0.38 * (end - begin) if lost else end for _, begin, end in arrows]
        figure.add_scatter(
            x=[at for (_, begin, _), tip in zip(arrows, tips, strict=True) for at in (begin, tip, None)],
            y=[at for row, _, _ in arrows for at in (row, row, None)],
            mode="lines",
            line={"color": colour, "width": 2},
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=tips,
            y=[row for row, _, _ in arrows],
            mode="markers",
            marker={"symbol": heads, "size": 10, "color": colour},
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=[sum(_ends(each, left)) / 2 for each in drawn],
        y=[row - 0.32 for row in range(len(drawn))],
        mode="text",
        text=[each.label for each in drawn],
        textfont={"color": [_RED if each.lost else INK for each in drawn], "size": 12},
        hovertext=[f"{each.at:.3f} s, {each.size} bytes" for each in drawn],
        hoverinfo="text",
    )
    lanes = [left, "broker", right] if right else [left, "broker"]
    for lane in range(len(lanes)):
        figure.add_vline(x=lane, line={"color": "#8a949e", "width": 1})
    losses = sum(each.lost for each in drawn)
    between = f"{left}, the broker and {right}" if right else f"{left} and the broker"
    kinds = ", ".join(each.label for each in drawn) or "no packets"
    return figure.update_layout(
        template=TEMPLATE,
        title={"text": title},
        meta={"description": f"{title or 'Packets'}: {len(drawn)} packets between {between}, {losses} lost: {kinds}."},
        showlegend=False,
        height=120 + _ROW * max(len(drawn), 2),
        margin={"t": 80, "b": 20},
        xaxis={
            "tickvals": list(range(len(lanes))),
            "ticktext": [f"<b>{lane}</b>" for lane in lanes],
            "side": "top",
            "range": [-0.15, len(lanes) - 0.85],
            "showgrid": False,
        },
        yaxis={"visible": False, "range": [max(len(drawn), 2) - 0.4, -0.9]},
    )


def _ends(packet: Packet, left: str) -> tuple[float, float]:
    client = 0.0 if packet.client == left else 2.0
    return (client, 1.0) if packet.to_broker else (1.0, client)


def partitions(records: Iterable[tuple[int, int, str, object]], *, title: str = "", count: int = 0) -> go.Figure:
    """Draw a topic as one row of cells per partition, oldest record on the left.

    Each record is ``(partition, offset, name, text)``: cells of one name have one colour, and contain ``text``.
    ``count`` is the number of partitions, needed if some are empty.
    """
    rows = list(records)
    count = count or 1 + max((partition for partition, *_ in rows), default=0)
    names = sorted({name for _, _, name, _ in rows})
    figure = DescribedFigure()
    for place, name in enumerate(names):
        colour = PALETTE[place % len(PALETTE)]
        mine: list[tuple[int, int, str, Any]] = [each for each in rows if each[2] == name]
        figure.add_bar(
            name=name,
            orientation="h",
            width=0.6,
            base=[offset - 0.5 for _, offset, _, _ in mine],
            x=[1] * len(mine),
            y=[partition for partition, *_ in mine],
            text=[str(text) for *_, text in mine],
            customdata=[offset for _, offset, _, _ in mine],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            constraintext="none",
            textfont={"color": INK if colour in _PALE else "white", "size": 11},
            marker={"color": colour, "line": {"color": "white", "width": 1}},
            hovertemplate=f"{name}<br>partition %{{y}}, offset %{{customdata}}<extra>%{{text}}</extra>",
        )
    per_partition = Counter(partition for partition, *_ in rows)
    counts = ", ".join(f"{per_partition[each]} in partition {each}" for each in range(count))
    return figure.update_layout(
        template=TEMPLATE,
        title={"text": title},
        meta={"description": f"{title or 'Records'}: {counts}; records of {', '.join(names) or 'no key'}."},
        showlegend=True,
        barmode="overlay",
        height=150 + 45 * count,
        xaxis={"title": "offset", "dtick": 5, "showgrid": False},
        yaxis={"title": "partition", "tickvals": [*range(count)], "range": [count - 0.4, -0.6], "showgrid": False},
    )
