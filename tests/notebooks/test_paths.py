"""Each reader's path, alone: its lessons in its order, up to the last section it names, in a namespace never used."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import Any

import nbformat
import pytest

from helpers.lessons import PATHS, steps
from tests.conftest import place_for_a_cluster
from tests.notebooks import execution
from tests.notebooks.anatomy import Lesson


def part(notebook: Any, how: str) -> Any:
    """The notebook up to the end of the last section named; the whole of it if none is."""
    last = max(map(int, re.findall(r"\d", how)), default=0)
    ends = (place for place, cell in enumerate(notebook.cells) if cell.source.startswith((f"## {last + 1}.", "## Ex")))
    return nbformat.from_dict({**notebook, "cells": notebook.cells[: next(ends) if last else None]})


@pytest.mark.weekly  # a quarter of an hour: twenty-four lessons, one after the other
@pytest.mark.timeout(1800, func_only=True)
@pytest.mark.parametrize("reader", PATHS)
def test_the_lessons_of_a_path_need_no_others(reader: str, lab_env: dict[str, str]) -> None:
    for each, how in steps(reader):
        lesson = Lesson.read(each.path)
        with place_for_a_cluster() if lesson.uses_cluster else nullcontext():
            executed = execution.run(part(lesson.notebook, how), env={**lab_env, "LAB_NAMESPACE": reader})
        assert execution.complaints(executed) == []
