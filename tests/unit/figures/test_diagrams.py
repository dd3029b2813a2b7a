"""Diagrams show what they were given, and say it in one sentence for screen readers."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pytest

from helpers.figures import described, partitions, sequence, style
from helpers.relay import Packet


def test_a_sequence_picture_has_one_arrow_for_each_packet_of_its_clients() -> None:
    packets = [
        Packet(kind="PUBLISH", to_broker=True, size=9, client="meter"),
        Packet(kind="PUBLISH", to_broker=False, size=9, client="desk"),
        Packet(kind="PUBLISH", to_broker=True, size=9, client="somebody else"),
        Packet(kind="PINGREQ", to_broker=True, size=2, client="meter", lost=True),
    ]
    figure = sequence(packets, left="meter", right="desk")
    tips = [tip for trace in figure.data if trace.mode == "markers" for tip in trace.x]
    assert tips[:2] == [1.0, 2.0]  # at the broker, at the desk
    assert 0 < tips[2] < 1  # on the way
    (labels,) = [trace.text for trace in figure.data if trace.mode == "text"]
    assert list(labels) == ["PUBLISH QoS 0", "PUBLISH QoS 0", "PINGREQ · lost"]


def test_a_topic_is_drawn_as_one_cell_for_each_record() -> None:
    figure = partitions([(0, 0, "G-001", 1), (0, 1, "G-002", 1), (2, 0, "G-001", 2)], count=3)
    assert {trace.name: (list(trace.y), list(trace.base)) for trace in figure.data} == {
        "G-001": ([0, 2], [-0.5, -0.5]),
        "G-002": ([0], [0.5]),
    }
    assert partitions([]).data == ()


def test_a_diagram_is_shown_with_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(style, "display", shown.append)
    packets = [Packet(kind="PUBACK", to_broker=False, size=4, client="<meter>", packet_id=7, lost=True)]
    sequence(packets, left="<meter>", title="QoS 1")._ipython_display_()
    partitions([(0, 0, "G-001", 1), (2, 0, "G-002", 2)], count=3)._ipython_display_()
    described(go.Figure(), "Of 3 records & 2 readers.").show()
    first, second, third = (each.data for each in shown)
    assert "QoS 1: 1 packets between &lt;meter&gt; and the broker, 1 lost: PUBACK · id 7 · lost." in first
    assert "Records: 1 in partition 0, 0 in partition 1, 1 in partition 2; records of G-001, G-002." in second
    assert "Of 3 records &amp; 2 readers." in third


def test_the_style_sheet_names_the_colour_of_the_template() -> None:
    colour = style.INK.removeprefix("#")
    red, green, blue = (int(colour[place : place + 2], 16) for place in (0, 2, 4))
    assert f"rgb({red}, {green}, {blue})" in style.LiveFigure._css
