"""Live figures: the view follows the model, the loop ends in time, and nothing that goes wrong stays silent."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from helpers.figures import live


def drawn(view: live.LiveFigure) -> dict[str, tuple[list[Any], list[Any]]]:
    """The lines of the state that a view born now would draw: name → x, y."""
    state = json.loads(view._state.figure)
    return {trace["name"]: (trace["x"], trace["y"]) for trace in state["data"]}


def test_a_line_joins_the_figure_with_its_first_points() -> None:
    lines = live.Lines(title="Fuel", y_label="litres")
    view = live.figure(lines)
    assert drawn(view) == {}
    lines.add("G-001", 0, 500.0)
    lines.add("G-001", 1, 499.0)
    assert drawn(view) == {"G-001": ([0, 1], [500.0, 499.0])}


def test_x_and_y_of_every_line_grow_together() -> None:
    lines = live.Lines(last=3)
    view = live.figure(lines)
    for step in range(5):
        lines.extend((name, step, step * 10) for name in ("a", "b"))
        assert {len(each) for xy in drawn(view).values() for each in xy} == {min(step + 1, 3)}
    assert drawn(view) == dict.fromkeys(["a", "b"], ([2, 3, 4], [20, 30, 40]))


def test_many_points_are_drawn_once() -> None:
    lines = live.Lines()
    seen: list[int] = []
    lines.observe(lambda change: seen.append(change.new), "changes")
    lines.extend(("a", step, step) for step in range(100))
    assert seen == [1]
    lines.extend([])
    assert seen == [1]


def test_clearing_empties_the_lines_of_the_figure() -> None:
    lines = live.Lines()
    view = live.figure(lines)
    lines.add("a", 1, 1)
    lines.clear()
    assert drawn(view) == {}
    lines.add("a", 2, 2)
    assert drawn(view) == {"a": ([2], [2])}


def test_two_figures_may_follow_one_model() -> None:
    lines = live.Lines()
    first, second = live.figure(lines), live.figure(lines)
    lines.add("a", 1, 1)
    assert drawn(first) == drawn(second) == {"a": ([1], [1])}


def test_a_figure_describes_itself_to_screen_readers() -> None:
    lines = live.Lines(title="Fuel", x_label="minutes", y_label="litres")
    view = live.figure(lines)
    assert "Fuel: litres over minutes, one line each for nothing yet." in view._state.figure
    lines.add("G-001", 1, 499.0)
    assert "Fuel: litres over minutes, one line each for G-001 499.0." in view._state.figure


def test_times_and_missing_numbers_can_be_drawn() -> None:
    lines = live.Lines()
    view = live.figure(lines)
    lines.add("a", datetime(2026, 3, 2, 6, tzinfo=UTC), float("nan"))
    assert drawn(view) == {"a": (["2026-03-02T06:00:00+00:00"], [None])}


def test_the_stop_button_stops_the_clock_and_shows_it() -> None:
    clock = live.Clock(left=3.0)
    bar = live.stop_bar(clock)
    button, label = bar.children
    assert "3 s left" in label.value
    button.click()
    assert not clock.running
    assert button.disabled
    assert label.value.startswith("stopped")


def test_it_updates_until_the_time_is_up() -> None:
    count = itertools.count()
    asyncio.run(live.run(lambda: next(count), seconds=0.2, every=0.02))
    assert next(count) >= 2


def test_the_last_frame_is_drawn_even_when_time_is_short() -> None:
    count = itertools.count()
    asyncio.run(live.run(lambda: next(count), seconds=0.01, every=5))
    assert next(count) == 2


def test_update_may_be_a_coroutine_function() -> None:
    count = itertools.count()

    async def update() -> None:
        await asyncio.sleep(0)
        next(count)

    asyncio.run(live.run(update, seconds=0.1, every=0.02))
    assert next(count) >= 2


def test_stop_ends_it_early(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[Any] = []
    monkeypatch.setattr(live, "display", bars.append)

    def update() -> None:
        bars[0].children[0].click()

    asyncio.run(asyncio.wait_for(live.run(update, seconds=600), timeout=20))


def test_it_raises_what_the_update_raised() -> None:
    def update() -> None:
        raise KeyError("generatorID")

    with pytest.raises(KeyError, match="generatorID"):
        asyncio.run(live.run(update, seconds=5))


def test_it_raises_what_the_task_beside_it_raised() -> None:
    async def publish() -> None:
        await asyncio.sleep(0.02)
        raise ConnectionError("the broker is gone")

    with pytest.raises(ConnectionError, match="the broker is gone"):
        asyncio.run(asyncio.wait_for(live.run(lambda: None, beside=publish(), seconds=600, every=0.01), timeout=20))


def test_a_task_that_fails_after_the_last_frame_is_not_lost() -> None:
    async def publish() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            raise OSError("could not say goodbye")

    with pytest.raises(OSError, match="goodbye"):
        asyncio.run(live.run(lambda: None, beside=publish(), seconds=0.05, every=0.01))


def test_the_task_beside_it_is_cancelled_at_the_end() -> None:
    ended: list[bool] = []

    async def publish() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ended.append(True)

    asyncio.run(live.run(lambda: None, beside=publish(), seconds=0.05, every=0.01))
    assert ended == [True]


def test_a_task_that_ends_early_lets_the_figure_go_on() -> None:
    count = itertools.count()

    async def publish() -> None:
        await asyncio.sleep(0)

    asyncio.run(live.run(lambda: next(count), beside=publish(), seconds=0.1, every=0.01))
    assert next(count) >= 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"seconds": 0.0}, "seconds=0.0"), ({"every": -1.0}, "every=-1.0")],
)
def test_a_time_must_be_positive(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(live.LiveError, match=message):
        asyncio.run(live.run(lambda: None, **arguments))


def test_a_called_function_is_told_from_a_function() -> None:
    never: Callable[[], Coroutine[Any, Any, None]] = lambda: asyncio.sleep(0)  # noqa: E731
    with pytest.raises(live.LiveError, match="without parentheses"):
        asyncio.run(live.run(None, beside=never()))  # type: ignore[arg-type]
