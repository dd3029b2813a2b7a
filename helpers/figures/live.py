"""Live figures: the state is a model, the view only links to it, and the loop that draws says what went wrong."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go
from IPython.display import display
from traitlets import Bool, Float, HasTraits, Int, Unicode

from helpers.errors import LessonError

# Okabe and Ito, "Color Universal Design" (2008): told apart with every common kind of colour blindness. Their yellow is
# too pale on white, and grey stands in for black, which reads as an axis.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#7F7F7F")

# White paper under everything, as the lessons' pictures have, so that figures read the same in a dark JupyterLab.
TEMPLATE = go.layout.Template(
    layout={
        "colorway": PALETTE,
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"color": "#24292f", "size": 13},
        "margin": {"l": 60, "r": 20, "t": 50, "b": 50},
        "xaxis": {"gridcolor": "#e5e8eb", "zeroline": False, "automargin": True},
        "yaxis": {"gridcolor": "#e5e8eb", "zeroline": False, "automargin": True},
    }
)


class LiveError(LessonError):
    """A live figure was asked for in a way that cannot work."""


class Lines(HasTraits):
    """The points of a line chart that grows: one line per name, its ``last`` points.

    ``x`` and ``y`` may be whatever plotly draws: numbers, times. ``changes`` counts the calls that brought points; the
    views observe it.
    """

    title = Unicode()
    x_label = Unicode()
    y_label = Unicode()
    last = Int(300)
    changes = Int(0)

    def __init__(self, *, title: str = "", x_label: str = "", y_label: str = "", last: int = 300) -> None:
        super().__init__(title=title, x_label=x_label, y_label=y_label, last=last)
        self._points: dict[str, deque[tuple[Any, Any]]] = {}

    def add(self, name: str, x: object, y: object) -> None:
        """Append one point to the line ``name``."""
        self.extend([(name, x, y)])

    def extend(self, points: Iterable[tuple[str, object, object]]) -> None:
        """Append points as ``(name, x, y)``; the views draw once for all of them."""
        news = list(points)
        for name, x, y in news:
            self._points.setdefault(name, deque(maxlen=self.last)).append((x, y))
        self.changes += bool(news)

    def clear(self) -> None:
        """Forget all points."""
        self._points.clear()
        self.changes += 1

    def points(self) -> dict[str, list[tuple[Any, Any]]]:
        """A copy of the points: name of the line → ``(x, y)``, oldest first."""
        return {name: list(each) for name, each in self._points.items()}


def figure(lines: Lines) -> go.FigureWidget:
    """A figure that draws ``lines`` and follows them; show it as any other widget."""
    view = go.FigureWidget(
        layout={
            "template": TEMPLATE,
            "title": {"text": lines.title},
            "xaxis": {"title": {"text": lines.x_label}},
            "yaxis": {"title": {"text": lines.y_label}},
            "height": 360,
            "showlegend": True,
            "uirevision": "keep",
        }
    )

    def draw(_change: object = None) -> None:
        drawn = {trace.name: trace for trace in view.data}
        points = lines.points()
        with view.batch_update():
            for name, trace in drawn.items():
                xy = points.get(name, [])
                trace.x, trace.y = [x for x, _ in xy], [y for _, y in xy]
        # A line joins the figure with its first points: begun empty, it would show axes and stay invisible.
        view.add_traces(
            [
                go.Scatter(name=name, mode="lines+markers", x=[x for x, _ in xy], y=[y for _, y in xy])
                for name, xy in points.items()
                if name not in drawn
            ]
        )

    lines.observe(draw, "changes")
    draw()
    return view


class Clock(HasTraits):
    """How long a live figure still runs: ``left`` in seconds. Setting ``running`` to false ends it."""

    running = Bool(default_value=True)
    left = Float(0.0)


def stop_bar(clock: Clock) -> widgets.HBox:
    """A Stop button and the seconds left, linked to ``clock``."""
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
    """Update a live figure until ``seconds`` are over or Stop is pressed; a cell ends in ``await live.run(...)``.

    ``update`` takes no arguments and may be a coroutine function. It must not block: widgets are drawn while it rests.
    ``beside`` is a coroutine that runs at the same time, such as one that publishes; it is cancelled at the end.
    ``seconds`` and ``every`` (the pause between two updates) are in seconds.

    Raises:
        LiveError: ``update`` is not callable, or a time is not positive.
        Exception: Whatever ``update`` or ``beside`` raised, unchanged.
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
    """Cancel ``task`` and answer with its result or what it raised, so that neither is lost."""
    if task is None:
        return None
    task.cancel()
    [outcome] = await asyncio.gather(task, return_exceptions=True)
    return outcome


def _problem(update: object, seconds: float, every: float) -> LiveError | None:
    if not callable(update):
        return LiveError(
            f"A live figure needs a function to call again and again, and got {update!r}.",
            remedy="Pass the function itself, without parentheses: live.run(update).",
        )
    if seconds <= 0 or every <= 0:
        return LiveError(f"seconds={seconds} and every={every} must both be positive.", remedy="Try seconds=8.")
    return None
