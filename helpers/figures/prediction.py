"""What a learner expects before a cell runs, chosen from a few options."""

from __future__ import annotations

from pathlib import Path
from string import ascii_lowercase
from typing import ClassVar

import anywidget
from traitlets import Dict, Unicode


class Prediction(anywidget.AnyWidget):
    """A question before a cell is run: its options as buttons, with the letters a, b, c … in front.

    False until one is chosen; then its text is the letter and the option. A prediction that runs without a browser
    stays false, as ``None`` would. ``name`` is unique among all lessons: a cell that runs again keeps the choice.
    """

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    _css = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    options = Dict().tag(sync=True)  # letter → text
    choice = Unicode().tag(sync=True)  # a letter, or ""
    asked: ClassVar[dict[str, Prediction]] = {}

    def __init__(self, name: str, *options: str) -> None:
        chosen = self.asked[name].choice if name in self.asked else ""
        super().__init__(options=dict(zip(ascii_lowercase, options, strict=False)), choice=chosen)
        self.name, self.asked[name] = name, self

    def __bool__(self) -> bool:
        return bool(self.choice)

    def __str__(self) -> str:
        return f"{self.choice} ({self.options[self.choice]})" if self else "none"

    def __repr__(self) -> str:
        return f"Your prediction: {self or ', '.join(f'{letter} ({text})' for letter, text in self.options.items())}"
