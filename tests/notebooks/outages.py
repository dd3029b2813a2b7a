"""A lesson's cells while one of the lab's brokers is gone: one sentence says what is away and what to type.

A learner waits 15 s for the sentence; here a cell may take longer, since the machine may be busy.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from helpers import lab
from helpers.lab.state import State
from tests.notebooks import execution
from tests.notebooks.anatomy import parsed, tags
from tests.notebooks.learner import Learner

SERVICES = ("mqtt", "kafka", "registry", "influxdb")


async def live_without(
    broker: str, learner: Learner, seconds: Mapping[str, float], env: Mapping[str, str], *, every_cell: bool = False
) -> None:
    """End ``broker``, run the longest cell that uses it (or all of them) and every check, and start it again.

    The lesson ran before: ``seconds`` is how long each cell took.
    """
    settings = lab.Settings.from_environment(dict(env))
    running, used = State.load(settings.home).services.get(broker), services_used(learner.cells)
    checks = [cell for cell in learner.cells if "check" in tags(cell)]
    cells = [cell for cell in learner.cells[1:] if broker in used[cell.id] and "check" not in tags(cell)]
    if not cells or running is None:
        return
    running.process.end(grace=5)
    try:
        for cell in sorted(cells, key=lambda cell: -seconds[cell.id]):
            await _run_without(broker, cell, learner)
            if sentence(cell) and not every_cell:
                break
        else:
            if not every_cell:
                learner.problems.append(f"no cell says that {broker} is away")
        for cell in checks:
            await _run_without(broker, cell, learner)
    finally:
        lab.up(settings)


async def _run_without(broker: str, cell: Any, learner: Learner) -> None:
    await learner.run(cell, f"without {broker}", must_pass=False)
    learner.note(cell, f"without {broker}", list(problems_of(cell)))


def services_used(cells: list[Any]) -> dict[str, set[str]]:
    """Cell id → the services that it uses, itself or through names that earlier cells made."""
    through: dict[str, set[str]] = defaultdict(set)
    used: dict[str, set[str]] = {}
    for cell in cells:
        used[cell.id] = set()
        for statement in parsed(cell.source).body:
            found = set(_services_in(statement, through))
            used[cell.id] |= found
            through |= dict.fromkeys(_names_made_by(statement), found)
    return used


def _services_in(statement: ast.stmt, through: Mapping[str, set[str]]) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "here" and node.attr in SERVICES:
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield from through.get(node.id, ())


def _names_made_by(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def sentence(cell: Any) -> bool:
    """Whether the cell ended in an error that says what to do."""
    return any(output.output_type == "error" and "\n→ " in output.evalue for output in cell.outputs)


def problems_of(cell: Any) -> Iterator[str]:
    """What is wrong with how a cell ended while a broker was away."""
    for output in cell.outputs:
        if output.output_type == "error" and "\n→ " not in output.evalue:
            yield f"{output.ename}: {output.evalue}"
    if red := "".join(output.text for output in cell.outputs if output.get("name") == "stderr"):
        yield f"on stderr: {execution.without_colours(red)[:300]}"
