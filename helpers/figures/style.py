"""How figures look, and how they are shown: colours, a template, a text alternative, and a live view."""

from __future__ import annotations

import html
from pathlib import Path

import anywidget
import plotly.graph_objects as go
from IPython.display import HTML, display
from ipywidgets import Widget, widget_serialization
from plotly.offline import get_plotlyjs
from traitlets import Instance, Unicode

# Okabe and Ito, "Color Universal Design" (2008): distinguishable with every common kind of colour blindness. Their
# yellow is too pale on white, and grey replaces black, which looks like an axis.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#7F7F7F")
INK = "#24292f"  # dark.css names this colour too

# With a standoff the margin grows until the axis title fits, too.
_AXIS = {"gridcolor": "rgba(127, 127, 127, 0.2)", "zeroline": False, "automargin": True, "title": {"standoff": 10}}
TEMPLATE = go.layout.Template(
    layout={
        "colorway": PALETTE,
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"color": INK, "size": 13},
        "margin": {"l": 60, "r": 20, "t": 50, "b": 50},
        # Names such as "007" are categories, not numbers.
        "autotypenumbers": "strict",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
)

_DARK = Path(__file__).with_name("dark.css").read_text(encoding="utf-8")
_VIEW = Path(__file__).with_name("view.js").read_text(encoding="utf-8")
FOR_SCREEN_READERS = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)"


class DescribedFigure(go.Figure):  # type: ignore[misc]
    """A figure with a text alternative for screen readers: the sentence in ``layout.meta["description"]``."""

    def show(self, *args: object, **options: object) -> None:
        """Show the sentence, for screen readers only, and then the figure."""
        sentence = html.escape((self.layout.meta or {}).get("description", ""))
        page = f'<style>{_DARK}</style><p style="{FOR_SCREEN_READERS}">{sentence}</p>'
        display(HTML(page))  # type: ignore[no-untyped-call]
        super().show(*args, **options)

    _ipython_display_ = show


def described(figure: go.Figure, sentence: str) -> DescribedFigure:
    """Return ``figure`` with its text alternative: one sentence that says what is to be seen, with numbers."""
    return DescribedFigure(figure.update_layout(meta={"description": sentence}))


class _State(Widget):  # type: ignore[misc]
    """The synced state of a live figure: plotly's JSON."""

    figure = Unicode().tag(sync=True)


class LiveFigure(anywidget.AnyWidget):
    """Show ``figure`` in a notebook, and its new state after each :meth:`draw`.

    A view that appears late, after the page was reloaded or in a slow browser, shows the present state. Plotly's own
    ``FigureWidget`` cannot do that: it sends changes only, and anywidget (0.11) drops them for good when the widget's
    JavaScript takes longer than two seconds to load. Here the state is the whole figure, in a model without JavaScript
    of its own, and each view draws it. ``layout.meta["description"]`` is the text alternative for screen readers.
    """

    _esm = f"{get_plotlyjs()};\n{_VIEW}"
    _css = _DARK
    _state = Instance(_State, ()).tag(sync=True, **widget_serialization)

    def __init__(self, figure: go.Figure) -> None:
        self.figure = figure.update_layout(uirevision="keep")  # a learner's zoom outlives the next state
        super().__init__()
        self.draw()

    def draw(self) -> None:
        """Show the present state of ``figure``."""
        self._state.figure = self.figure.to_json()
