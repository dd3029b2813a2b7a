"""Lessons run as programs: in a kernel of their own, from ``notebooks/``, as ``pytest --nbmake`` runs them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from helpers.paths import NOTEBOOKS
from tests.notebooks.anatomy import tags

# A deadline: several lessons run side by side here. That no cell takes a minute on a machine of its own, nbmake checks
# (docs/ci-with-nbmake.md).
CELL_SECONDS = 180


class LessonFailedError(AssertionError):
    """A cell raised, or took too long. The message shows the cell and its error, without terminal colours."""


@dataclass(frozen=True)
class Answer:
    """What one check cell answered: its ``id``, and the text shown under it."""

    cell: str
    text: str

    @property
    def passed(self) -> bool:
        return self.text.startswith("✅")

    @property
    def not_yet(self) -> bool:
        return self.text.startswith("Not yet")


def run(notebook: Any, *, env: Mapping[str, str], folder: Path = NOTEBOOKS, seconds: int = CELL_SECONDS) -> Any:
    """A copy of ``notebook`` after all its cells ran in ``folder``, in a kernel whose environment is ``env``.

    Raises :class:`LessonFailedError` at the first cell that raises or runs longer than ``seconds``.
    """
    copy = nbformat.from_dict(notebook)
    client = NotebookClient(copy, timeout=seconds, kernel_name="python3")
    client.resources = {"metadata": {"path": str(folder)}}
    try:
        client.execute(env=dict(env))
    except (CellExecutionError, CellTimeoutError) as error:
        raise LessonFailedError(without_colours(str(error))) from None
    return copy


def answers(notebook: Any) -> list[Answer]:
    """What the check cells of an executed notebook answered, in order. A check that shows nothing answers ``""``."""
    return [Answer(cell=cell.id, text=shown(cell)) for cell in notebook.cells if "check" in tags(cell)]


def shown(cell: Any) -> str:
    """The plain text of the value a cell ends in."""
    texts = [output.data.get("text/plain", "") for output in cell.outputs if output.output_type == "execute_result"]
    return "".join(texts)


def complaints(notebook: Any) -> list[str]:
    """What an executed notebook wrote to standard error: a learner would see it in red."""
    return [
        f"{cell.id}: {without_colours(output.text)}"
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]


def without_colours(text: str) -> str:
    """``text`` without the escape sequences that colour a traceback."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
