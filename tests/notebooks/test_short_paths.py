"""The path of 15 minutes of each lesson, alone in a fresh kernel: it needs no other cell, and shows its figure."""

from __future__ import annotations

import nbformat
import pytest

from tests.notebooks import execution
from tests.notebooks.anatomy import Lesson, lessons, short_path


@pytest.mark.slow(seconds=15)  # for each: a kernel, and for some a cluster or locked brokers
@pytest.mark.timeout(300, func_only=True)
@pytest.mark.parametrize(
    "lesson", [each for each in lessons() if short_path(each.notebook)], ids=lambda each: each.path.stem
)
def test_a_short_path_runs_alone(lesson: Lesson, lab_env: dict[str, str]) -> None:
    notebook = nbformat.from_dict({**lesson.notebook, "cells": short_path(lesson.notebook)})
    executed = execution.run(notebook, env=lab_env)
    assert execution.complaints(executed) == []
    [reveal] = [cell for cell in executed.cells if "reveal" in cell.metadata.tags]
    assert any("application/vnd.plotly.v1+json" in each.get("data", {}) for each in reveal.outputs)
