"""The harness itself, on the sample lesson: it sees what a check answers, and it fails when a lesson does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from helpers.paths import ROOT
from tests.notebooks import execution, sample
from tests.notebooks.anatomy import with_solutions

ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


def test_an_untouched_sample_answers_not_yet(tmp_path: Path) -> None:
    answers = execution.answers(execution.run(sample.notebook(), env=ENV, folder=tmp_path))
    assert [answer.cell for answer in answers] == ["check-1", "check-2"]
    assert all(answer.not_yet and not answer.passed for answer in answers)


def test_a_solved_sample_passes(tmp_path: Path) -> None:
    answers = execution.answers(execution.run(with_solutions(sample.notebook()), env=ENV, folder=tmp_path))
    assert len(answers) == 2
    assert all(answer.passed and not answer.not_yet for answer in answers)


def test_a_cell_that_raises_fails_the_lesson_and_is_named(tmp_path: Path) -> None:
    notebook = sample.notebook()
    notebook.cells.insert(2, new_code_cell('raise ValueError("no such topic")', id="broken"))
    with pytest.raises(execution.LessonFailedError, match="no such topic"):
        execution.run(notebook, env=ENV, folder=tmp_path)


def test_a_cell_that_hangs_fails_the_lesson(tmp_path: Path) -> None:
    notebook = sample.notebook()
    notebook.cells.insert(2, new_code_cell("import time\n\ntime.sleep(60)", id="hangs"))
    with pytest.raises(execution.LessonFailedError, match="time"):
        execution.run(notebook, env=ENV, folder=tmp_path, seconds=2)


def test_what_a_lesson_writes_to_standard_error_is_seen(tmp_path: Path) -> None:
    notebook = sample.notebook()
    notebook.cells.insert(2, new_code_cell('import sys\n\nprint("careful", file=sys.stderr)', id="warns"))
    assert execution.complaints(execution.run(notebook, env=ENV, folder=tmp_path)) == ["warns: careful\n"]
