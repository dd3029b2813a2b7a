"""Live figures: a model of the points, a widget that draws it, and a loop that updates it for some seconds."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go
from IPython.display import display
from traitlets import Bool, Float, HasTraits, Int

from helpers.errors import LessonError
from helpers.figures.style import PALETTE, TEMPLATE, LiveFigure

__all__ = ["PALETTE", "TEMPLATE", "Clock", "Lines", "LiveError", "LiveFigure", "figure", "run", "stop_bar"]


class LiveError(LessonError):
    """The arguments of a live figure are not valid."""


class Lines(HasTraits):
    """The points of a growing line chart: for each name, the ``last`` points of its line.

    ``x`` and ``y`` are what plotly draws: numbers, times. ``changes`` counts the changes; views observe it.
    """

    changes = Int(0)

    def __init__(self, *, title: str = "", x_label: str = "", y_label: str = "", last: int = 300) -> None:
        super().__init__()
        self.title, self.x_label, self.y_label, self.last = title, x_label, y_label, last
        self._points: dict[str, deque[tuple[Any, Any]]] = {}

    def add(self, name: str, x: object, y: object) -> None:
        """Append one point to the line ``name``."""
        self.extend([(name, x, y)])

    def extend(self, points: Iterable[tuple[str, object, object]]) -> None:
        """Append points ``(name, x, y)``. Views draw once for all of them."""
        news = list(points)
        for name, x, y in news:
            self._points.setdefault(name, deque(maxlen=self.last)).append((x, y))
        self.changes += bool(news)

    def clear(self) -> None:
        """Remove all points."""
        self._points.clear()
        self.changes += 1

    def points(self) -> dict[str, list[tuple[Any, Any]]]:
        """Return a copy of the points: name of the line → ``(x, y)``, oldest first."""
        return {name: list(each) for name, each in self._points.items()}


def figure(lines: Lines) -> LiveFigure:
    """Return a widget that draws ``lines`` and follows their changes."""
    empty = go.Figure().update_layout(template=TEMPLATE, height=360, showlegend=True, title_text=lines.title)
    view = LiveFigure(empty.update_layout(xaxis_title_text=lines.x_label, yaxis_title_text=lines.y_label))

    def draw(_change: object = None) -> None:
        points = lines.points()
        view.figure.data = ()
        view.figure.add_traces(
            [
                go.Scatter(name=name, mode="lines+markers", x=[x for x, _ in xy], y=[y for _, y in xy])
                for name, xy in points.items()
            ]
        )
        view.figure.layout.meta = {"description": _description(lines, points)}
        view.draw()

    lines.observe(draw, "changes")
    draw()
    return view


def _description(lines: Lines, points: dict[str, list[tuple[Any, Any]]]) -> str:
    axes = f"{lines.y_label or 'y'} over {lines.x_label or 'x'}"
    latest = ", ".join(f"{name} {xy[-1][1]}" for name, xy in points.items())
    return f"{lines.title or 'Live chart'}: {axes}, one line each for {latest or 'nothing yet'}."


class Clock(HasTraits):
    """The time a live figure still runs: ``left``, in seconds. Setting ``running`` to false ends it."""

    running = Bool(default_value=True)
    left = Float(0.0)


def stop_bar(clock: Clock) -> widgets.HBox:
    """Return a Stop button and a label with the seconds left, both linked to ``clock``."""
    button = widgets.Button(description="Stop", icon="stop", layout={"width": "7em"})
    label = widgets.Label()

    def show(_change: object = None) -> None:
        button.disabled = not clock.running
        label.value = f"live, {clock.left:.0f} s left" if clock.running else "stopped; run the cell again for more"

    def stop(_button: widgets.Button) -> None:
        clock.running = False

    button.on_click(stop)
    clock.observe(show)
    show()
    return widgets.HBox([button, label])


async def run(
    update: Callable[[], object],
    *,
    beside: Coroutine[Any, Any, object] | None = None,
    seconds: float = 8.0,
    every: float = 0.2,
) -> None:
    """Call ``update`` repeatedly until ``seconds`` have passed or Stop is pressed; await it at the end of a cell.

    ``update`` takes no arguments and may be a coroutine function. It must not block: widgets are drawn between calls.
    ``beside`` is a coroutine that runs at the same time, for example one that publishes. It is cancelled at the end.
    ``every`` is the pause between two updates, in seconds.

    Raises:
        LiveError: ``update`` is not callable, or a time is not positive.
        Exception: What ``update`` or ``beside`` raised, unchanged.
    """
    if problem := _problem(update, seconds, every):
        if beside is not None:
            beside.close()
        raise problem
    clock = Clock(left=seconds)
    display(stop_bar(clock))  # type: ignore[no-untyped-call]
    task = asyncio.create_task(beside) if beside is not None else None
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    try:
        while True:
            answer = update()
            if inspect.isawaitable(answer):
                await answer
            if task is not None and task.done():
                task.result()
            clock.left = max(0.0, end - loop.time())
            if not clock.running or not clock.left:
                break
            await asyncio.sleep(min(every, clock.left))
    finally:
        clock.running = False
        outcome = await _end(task)
    if isinstance(outcome, Exception):
        raise outcome


async def _end(task: asyncio.Task[object] | None) -> object:
    """Cancel ``task``. Return its result or its exception."""
    if task is None:
        return None
    task.cancel()
    [outcome] = await asyncio.gather(task, return_exceptions=True)
    return outcome


def _problem(update: object, seconds: float, every: float) -> LiveError | None:
    if not callable(update):
        return LiveError(
            f"live.run needs a function to call repeatedly, but got {update!r}.",
            remedy="Pass the function itself, without parentheses: live.run(update).",
        )
    if seconds <= 0 or every <= 0:
        return LiveError(f"seconds={seconds} and every={every} must both be positive.", remedy="Use seconds=8.")
    return None
