"""What a kernel shows when a cell fails: one sentence if a broker is away, else the cell's own lines."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from nbformat.v4 import new_code_cell, new_notebook

from helpers.paths import ROOT
from tests.notebooks.execution import without_colours
from tests.notebooks.learner import Learner, errors

# "A broker is away" while there is a file of that name.
CONNECT = """
from pathlib import Path

from helpers import kernel
from helpers.errors import LessonError


def look():
    if Path("away").exists():
        raise LessonError("Kafka cannot be used.", remedy="Type `lab up`.")


kernel._LOOK_EVERY = 0.5
kernel.explain_errors(look)
"""
AWAY = ["LessonError: Kafka cannot be used.\n→ Type `lab up`."]


# As on Windows.
NO_PTHREAD_KILL = "import signal\n\ndel signal.pthread_kill"


def outcome(folder: Path, *cells: str) -> Any:
    """The last of the cells after all of them ran, the one that connects first."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in (CONNECT, *cells)])
    learner = Learner(notebook, folder)

    async def run() -> None:
        async with learner.kernel({**os.environ, "PYTHONPATH": str(ROOT)}):
            for cell in learner.cells:
                await learner.run(cell, "first run", must_pass=False)

    asyncio.run(run())
    return learner.cells[-1]


def test_an_error_while_a_broker_is_away_becomes_the_sentence(tmp_path: Path) -> None:
    (tmp_path / "away").touch()
    assert errors(outcome(tmp_path, "import queue\n\nqueue.Queue().get(timeout=0.1)")) == AWAY


def test_an_error_with_a_remedy_stays(tmp_path: Path) -> None:
    (tmp_path / "away").touch()
    own = errors(outcome(tmp_path, 'raise LessonError("The tank is empty.", remedy="Fill it.")'))
    assert own == ["LessonError: The tank is empty.\n→ Fill it."]


def test_a_cell_that_waits_for_a_broker_that_went_away_is_ended(tmp_path: Path) -> None:
    waits = "import time\n\nPath('away').touch()\ntime.sleep(50)"
    assert errors(outcome(tmp_path, waits)) == AWAY
    (tmp_path / "away").unlink()
    awaits = "import asyncio\n\nPath('away').touch()\nfor _ in range(500):\n    await asyncio.sleep(0.1)"
    assert errors(outcome(tmp_path, awaits)) == AWAY


def test_a_cell_is_ended_where_threads_have_no_signals_of_their_own(tmp_path: Path) -> None:
    waits = "import time\n\nPath('away').touch()\nfor _ in range(500):\n    time.sleep(0.1)"
    assert errors(outcome(tmp_path, NO_PTHREAD_KILL, waits)) == AWAY


def test_a_cell_that_ended_well_stays_without_an_error(tmp_path: Path) -> None:
    assert errors(outcome(tmp_path, "Path('away').touch()")) == []


def test_what_a_package_raises_shows_the_cells_own_lines(tmp_path: Path) -> None:
    cell = outcome(tmp_path, "import json\n\n\ndef read(text):\n    return json.loads(text)\n\n\nread('{')")
    [error] = [each for each in cell.outputs if each.output_type == "error"]
    assert error.ename == "JSONDecodeError"
    shown = without_colours("\n".join(error.traceback))
    assert "return json.loads(text)" in shown
    assert "decoder" not in shown.replace("json.decoder", "")


def test_what_a_lessons_own_code_raises_shows_its_cause(tmp_path: Path) -> None:
    raises = "try:\n    int('x')\nexcept ValueError as error:\n    raise RuntimeError('no number') from error"
    [error] = [each for each in outcome(tmp_path, raises).outputs if each.output_type == "error"]
    assert "direct cause" in without_colours("\n".join(error.traceback))
