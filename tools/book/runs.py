"""Lessons as they ran, kept from one book to the next."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from helpers import lab
from helpers.paths import ROOT
from tests.notebooks import execution
from tests.notebooks.anatomy import Lesson, lessons

KEPT = ROOT / ".book"


def stored() -> dict[str, Any]:
    """Return the lessons as they are stored, without outputs: file name → notebook."""
    return {each.path.name: each.notebook for each in lessons()}


def on_lab(*, again: bool = False) -> dict[str, Any]:
    """Return the lessons with their outputs: file name → notebook.

    Those that changed since they ran last, or all if ``again``, run now, on the lab, which is started if it is not up.
    """
    last = {each: None if again else last_run(each) for each in lessons()}
    if None in last.values():
        lab.up(lab.Settings.from_environment())
    return {each.path.name: notebook or run(each, env=os.environ) for each, notebook in last.items()}


def last_run(lesson: Lesson, kept: Path = KEPT) -> Any | None:
    """Return the lesson with the outputs of its last run, if that was of the same code."""
    file = kept / lesson.path.name
    last = nbformat.read(file, as_version=4) if file.exists() else None
    return with_outputs(lesson.notebook, last) if last and code(last) == code(lesson.notebook) else None


def run(lesson: Lesson, *, env: Mapping[str, str], kept: Path = KEPT) -> Any:
    """Run the lesson, keep its outputs, and return it with them."""
    sys.stderr.write(f"{lesson.path.name} runs\n")
    notebook = execution.run(lesson.notebook, env=env)
    kept.mkdir(exist_ok=True)
    unfinished = kept / f"{lesson.path.name}.part"
    nbformat.write(notebook, unfinished)
    unfinished.replace(kept / lesson.path.name)
    return notebook


def code(notebook: Any) -> list[str]:
    """Return what runs: the sources of the code cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def with_outputs(notebook: Any, last: Any) -> Any:
    """Return ``notebook`` with what the same code showed when it ran last; the prose may have changed since."""
    copy = nbformat.from_dict(notebook)
    ran = (cell for cell in last.cells if cell.cell_type == "code")
    copy.cells = [next(ran) if cell.cell_type == "code" else cell for cell in copy.cells]
    copy.metadata = last.metadata
    return copy
