"""The wrap-up of a lesson: its questions with buttons, each answered as soon as an option is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import anywidget
from traitlets import Dict, List

from helpers.checks.questions import as_text, questions


class WrapUp(anywidget.AnyWidget):
    """The questions of a lesson, given by its slug, with their options as buttons.

    A choice is answered at once: right or not, and why. It stays on this computer, and a cell that runs again keeps it.
    Without a browser there are no buttons but text: questions and options, no answers.
    """

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    _css = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    questions: List[Any] = List().tag(sync=True)  # as helpers.checks.questions returns them
    choices: Dict[str, str] = Dict().tag(sync=True)  # "0" for the first question, and so on → a letter
    _shown: ClassVar[dict[str, WrapUp]] = {}

    def __init__(self, lesson: str) -> None:
        earlier = self._shown.get(lesson)
        super().__init__(questions=questions(lesson), choices=earlier.choices if earlier else {})
        self._shown[lesson] = self

    def __repr__(self) -> str:
        return "\n\n".join(map(as_text, self.questions))
