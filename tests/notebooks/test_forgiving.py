"""Every lesson, run as people run it: cells twice in a row, long ones interrupted, exercises again after a fresh start.

With its solutions in place, which proves more than the stubs: a solution makes topics, clients and sessions, and is run
again as readily as any other cell.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError
from nbformat.v4 import new_code_cell

from helpers.paths import NOTEBOOKS, ROOT
from tests.notebooks import execution, sample
from tests.notebooks.anatomy import Lesson, lessons, tags, with_solutions

# A cell that takes longer is one that people interrupt.
LONG_SECONDS = 2.0
# In a cell that awaits something, the kernel turns the first into the second; DuckDB turns it into the third.
INTERRUPTED = ("KeyboardInterrupt", "CancelledError", "RuntimeError: Query interrupted")


class Learner:
    """Someone who runs cells of a notebook in a kernel, and notes what went wrong: ``problems``."""

    def __init__(self, notebook: Any, folder: Path) -> None:
        self.problems: list[str] = []
        self.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self.notebook = notebook
        self.client = NotebookClient(notebook, timeout=execution.CELL_SECONDS, allow_errors=True)
        self.client.resources = {"metadata": {"path": str(folder)}}

    async def run(self, cell: Any, occasion: str, *, must_pass: bool = True) -> float:
        """Run a cell, which must end without an error; return how long it took, in seconds.

        A check must say ✅, except when it runs again at once: it may have taken away what it looked at.
        Without ``must_pass``, the caller judges how the cell ended.
        """
        began = time.monotonic()
        await self._execute(cell, occasion)
        if not must_pass:
            return time.monotonic() - began
        self.note(cell, occasion, errors(cell))
        if "check" in tags(cell) and occasion != "run again" and not execution.shown(cell).startswith("✅"):
            self.note(cell, occasion, [execution.shown(cell)])
        return time.monotonic() - began

    async def interrupt(self, cell: Any, after: float) -> None:
        """Run a cell, and interrupt it after so many seconds. What an interrupt raises is fine, and nothing else."""
        run = asyncio.create_task(self._execute(cell, "interrupted"))
        await asyncio.wait({run}, timeout=after)
        if not run.done():
            await self.client.km.interrupt_kernel()
        await run
        self.note(cell, "interrupted", [each for each in errors(cell) if not each.startswith(INTERRUPTED)])

    async def _execute(self, cell: Any, occasion: str) -> None:
        try:
            await self.client.async_execute_cell(cell, self.notebook.cells.index(cell))
        except CellTimeoutError:
            self.note(cell, occasion, [f"not done after {execution.CELL_SECONDS} s"])
            await self.client.km.interrupt_kernel()

    def note(self, cell: Any, occasion: str, problems: list[str]) -> None:
        self.problems += [f"{cell.id}, {occasion}: {each}" for each in problems]


def errors(cell: Any) -> list[str]:
    """The errors that a cell ended in: the name first."""
    return [f"{each.ename}: {each.evalue}" for each in cell.outputs if each.output_type == "error"]


async def live_through(notebook: Any, env: Mapping[str, str], folder: Path = NOTEBOOKS) -> list[str]:
    """Run each cell, interrupt it if it is long, and run it again; then the first cell and all exercises once more.

    Return what went wrong.
    """
    learner = Learner(nbformat.from_dict(notebook), folder)
    async with learner.client.async_setup_kernel(env=dict(env)):
        for cell in learner.cells:
            took = await learner.run(cell, "first run")
            if took > LONG_SECONDS:
                await learner.interrupt(cell, took / 2)
            await learner.run(cell, "run again")
        await learner.run(learner.cells[0], "to start again")
        for cell in learner.cells:
            if {"exercise", "check"} & set(tags(cell)):
                await learner.run(cell, "after the first cell")
    return learner.problems


@pytest.mark.slow
@pytest.mark.timeout(900, func_only=True)
@pytest.mark.parametrize(
    "lesson",
    [
        # Lesson 11 takes eight minutes of a busy machine: its cluster starts again after each interrupted cell.
        pytest.param(each, id=each.path.stem, marks=[pytest.mark.weekly] if each.number == "11" else [])
        for each in lessons()
    ],
)
def test_a_lesson_forgives(lesson: Lesson, lab_env: dict[str, str]) -> None:
    problems = asyncio.run(live_through(with_solutions(lesson.notebook), lab_env))
    assert not problems, "\n".join(problems)


def problems_of(folder: Path, *cells: str, reset: str = "", solution: str | None = None) -> list[str]:
    """What goes wrong in a changed sample.

    ``cells`` follow its first cell, which ends in ``reset``, and ``solution`` is its first exercise's.
    """
    notebook = with_solutions(sample.notebook())
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    codes[0].source += f"\n{reset}"
    exercise = next(cell for cell in codes if "exercise" in tags(cell))
    exercise.source = solution or exercise.source
    place = notebook.cells.index(codes[0]) + 1
    notebook.cells[place:place] = [new_code_cell(code, id=f"cell-{number}") for number, code in enumerate(cells)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return asyncio.run(live_through(notebook, env, folder))


def test_a_sample_that_forgives_has_no_problems(tmp_path: Path) -> None:
    assert problems_of(tmp_path) == []


def test_a_cell_that_cannot_run_twice_is_named(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path, 'Path("made-by-cell-0").touch(exist_ok=False)')
    assert problem.startswith("cell-0, run again: FileExistsError")


def test_what_an_interrupt_leaves_behind_is_found(tmp_path: Path) -> None:
    leaves = "import time\n\nassert not globals().get('frozen')\nfrozen = True\ntime.sleep(2.2)\nfrozen = False"
    [problem] = problems_of(tmp_path, leaves)
    assert problem.startswith("cell-0, run again: AssertionError")

    thaws = leaves.replace("time.sleep(2.2)\n", "try:\n    time.sleep(2.2)\nfinally:\n    ")
    assert problems_of(tmp_path, thaws) == []


def test_a_solution_that_works_only_until_the_first_cell_runs_again_is_found(tmp_path: Path) -> None:
    reset = 'Path("done-1").unlink(missing_ok=True)'
    assert problems_of(tmp_path, reset=reset) == []

    remembers = 'known = globals().get("known") or [Path("done-1").touch()]'
    [problem] = problems_of(tmp_path, reset=reset, solution=remembers)
    assert problem.startswith("check-1, after the first cell: Not yet")
