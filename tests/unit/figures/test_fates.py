"""The picture of fates shows each reading in the row of its trial, and says it in one sentence for screen readers."""

from __future__ import annotations

from helpers.figures import fates


def test_each_fate_is_a_trace_of_ticks_in_the_rows_of_its_trials() -> None:
    figure = fates(
        {"quiet": [(0.0, "once")], "killed": [(0.0, "once"), (0.5, "lost")]}, accidents={"killed": (0.4, 0.6)}
    )
    assert {trace.name: (list(trace.x), list(trace.y)) for trace in figure.data} == {
        "once": ([0.0, 0.0], ["quiet", "killed"]),
        "lost": ([0.5], ["killed"]),
    }
    once, lost = (trace.marker for trace in figure.data)
    assert once.size != lost.size  # not by colour alone
    [box] = figure.layout.shapes
    assert (box.x0, box.x1, box.y0, box.y1) == (0.4, 0.6, 0.6, 1.4)
    assert "quiet: 1 once; killed: 1 once, 1 lost." in figure.layout.meta["description"]
