"""Every lesson, run as people run it: in every way but from top to bottom.

Each cell runs twice in a row, and long ones are interrupted. Then the first cell and the exercises run again, and each
broker is gone for a while. With its solutions in place, which proves more than the stubs: a solution makes topics,
clients and sessions, and is run again as readily as any other cell.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from helpers import lessons as table
from helpers.paths import NOTEBOOKS, ROOT
from tests.notebooks import execution, learner as learner_module, outages, sample
from tests.notebooks.anatomy import Lesson, lessons, tags, with_solutions
from tests.notebooks.learner import Learner, StuckKernelError

# A cell that takes longer is one that people interrupt.
LONG_SECONDS = 2.0


async def live_through(learner: Learner) -> dict[str, float]:
    """Run each cell, interrupt it if it is long, and run it again; then the first cell and all exercises once more.

    Return how long each cell took, in seconds.
    """
    seconds = {}
    for cell in learner.cells:
        seconds[cell.id] = took = await learner.run(cell, "first run")
        if took > LONG_SECONDS:
            await learner.interrupt(cell, took / 2)
        await learner.run(cell, "run again")
    await learner.run(learner.cells[0], "to start again")
    for cell in learner.cells:
        if {"exercise", "check"} & set(tags(cell)):
            await learner.run(cell, "after the first cell")
    return seconds


@pytest.mark.slow
@pytest.mark.timeout(1500, func_only=True)
@pytest.mark.parametrize("lesson", lessons(), ids=lambda each: each.path.stem)
def test_a_lesson_forgives(lesson: Lesson, lab_env: dict[str, str]) -> None:
    learner = Learner(nbformat.from_dict(with_solutions(lesson.notebook)), NOTEBOOKS)

    async def live() -> None:
        async with learner.kernel(lab_env):
            seconds = await live_through(learner)
            await outages.live_without_brokers(learner, seconds, lab_env, needs=table.find(lesson.number).needs)

    asyncio.run(live())
    assert not learner.problems, "\n".join(learner.problems)


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
    learner = Learner(nbformat.from_dict(notebook), folder)

    async def live() -> None:
        async with learner.kernel({**os.environ, "PYTHONPATH": str(ROOT)}):
            await live_through(learner)

    asyncio.run(live())
    return learner.problems


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


def test_a_kernel_that_no_interrupt_ends_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "CELL_SECONDS", 20)
    monkeypatch.setattr(learner_module, "ANSWER_SECONDS", 1)
    stuck = "import signal\nimport time\n\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(300)"
    with pytest.raises(StuckKernelError, match=r"^cell-0, first run: not done after 20 s$"):
        problems_of(tmp_path, stuck)


def test_a_solution_that_works_only_until_the_first_cell_runs_again_is_found(tmp_path: Path) -> None:
    reset = 'Path("done-1").unlink(missing_ok=True)'
    assert problems_of(tmp_path, reset=reset) == []

    remembers = 'known = globals().get("known") or [Path("done-1").touch()]'
    [problem] = problems_of(tmp_path, reset=reset, solution=remembers)
    assert problem.startswith("check-1, after the first cell: Not yet")
