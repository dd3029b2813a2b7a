"""A lesson's cells while a broker is gone, the lab's or its own: one sentence says what is away and what to do.

A learner waits 15 s for the sentence; here a cell may take longer, since the machine may be busy.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import psutil
from nbformat.v4 import new_code_cell

from helpers import lab
from helpers.lab.services.table import SERVICES as TABLE
from helpers.lab.state import State
from tests.notebooks import execution
from tests.notebooks.anatomy import parsed, tags
from tests.notebooks.learner import Learner
from tests.waiting import wait_until

SERVICES = tuple(TABLE)
_SERVICE_OF = {program.name: name for name, service in TABLE.items() for program in service.programs}
_OF_A_CLUSTER = {"lab.cluster": ("kafka",), "lab.secured": ("mqtt", "kafka", "registry")}


# Not the remedy that a learner has: the next service is taken away while the data of this run is still there.
_REVIVE = """
from helpers.lab.scratch import broker
from helpers.lab.scratch.cluster import start_all

start_all(tuple(broker._meant_to_run), close=False)
"""


async def live_without_brokers(
    learner: Learner,
    seconds: Mapping[str, float],
    env: Mapping[str, str],
    *,
    needs: tuple[str, ...],
    every_cell: bool = False,
) -> None:
    """Take away each of the lab's services that the lesson ``needs``, or the lesson's own brokers if it needs none.

    Each time run the longest cell that uses it (or all of them) and every check. The lesson ran before: ``seconds`` is
    how long each cell took. What went wrong is noted by ``learner``.
    """
    for each in needs:
        await _live_without(each, learner, seconds, env, every_cell=every_cell)
    if not needs:
        await _live_without_own(learner, seconds, every_cell=every_cell)


async def _live_without(
    broker: str, learner: Learner, seconds: Mapping[str, float], env: Mapping[str, str], *, every_cell: bool
) -> None:
    """End ``broker``, run cells, and start it again."""
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


async def _live_without_own(learner: Learner, seconds: Mapping[str, float], *, every_cell: bool) -> None:
    """Kill the brokers that the lesson itself started, as the system does when memory is short: service by service.

    Before each cell that is run. Such a cell may start them again and pass; otherwise it says what has ended. At last
    the lesson's first cell, which is the remedy, is run.
    """
    used, revive = services_used(learner.cells), new_code_cell(_REVIVE)
    learner.notebook.cells.append(revive)
    checks = [cell for cell in learner.cells if "check" in tags(cell)]
    services = sorted(own_brokers(learner))
    for service in services:
        cells = [cell for cell in learner.cells if service in used[cell.id] and "check" not in tags(cell)]
        cells = [cell for cell in cells if service not in makes_brokers(parsed(cell.source))]
        cells.sort(key=lambda cell: -seconds[cell.id])
        for cell in [*(cells if every_cell else cells[:1]), *checks]:
            for each in own_brokers(learner).get(service, ()):
                each.kill()
            wait_until(lambda: service not in own_brokers(learner), f"the lesson's {service} has ended")  # noqa: B023
            await _run_without(service, cell, learner)
        await learner.run(revive, f"after {service} was away")
    await learner.run(learner.cells[0], "after its brokers were away")
    if not services:
        learner.problems.append("this lesson needs no service of the lab, and has started no broker")


def own_brokers(learner: Learner) -> dict[str, list[psutil.Process]]:
    """The scratch brokers of a learner's kernel that run: service → its processes."""
    found = defaultdict(list)
    for each in psutil.Process(learner.client.km.provisioner.pid).children():
        with contextlib.suppress(psutil.Error):
            program = re.search(r"/scratch-(\w+)-[^/]*$", each.environ().get("LAB_STARTED_IN", ""))
            if program and program[1] in _SERVICE_OF and each.status() != psutil.STATUS_ZOMBIE:
                found[_SERVICE_OF[program[1]]].append(each)
    return found


def makes_brokers(code: ast.AST) -> Iterator[str]:
    """The services of which a piece of code makes brokers of its own."""
    for node in ast.walk(code):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            yield from _OF_A_CLUSTER.get(name, ())
            if name == "lab.scratch" and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


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
    yield from makes_brokers(statement)
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
