"""Every lesson with a broker gone in the middle: one sentence says what is away and what to type.

The lesson runs once, with its solutions. Then each broker that it uses is ended in turn, the longest cell that needs it
runs, and so does every check. Once a week, every cell that uses the broker runs without it.
"""

from __future__ import annotations

import ast
import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from helpers import lab
from helpers import lessons as table
from helpers.lab.state import State
from helpers.paths import NOTEBOOKS
from tests.notebooks import execution
from tests.notebooks.anatomy import Lesson, lessons, parsed, tags, with_solutions
from tests.notebooks.test_forgiving import Learner

SERVICES = ("mqtt", "kafka", "registry", "influxdb")
# A learner waits 15 s for the sentence at most; a busy machine may need three times as long.
SECONDS = 45.0
# Together they use each service. The other lessons wait for the weekly run: each takes two or three minutes.
EACH_SERVICE = {"02", "05", "10"}
WITH_BROKERS = [each for each in lessons() if table.find(each.number).needs]  # lesson 11 breaks its own cluster


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


def problems_of(cell: Any, took: float) -> Iterator[str]:
    """What is wrong with how a cell ended while a broker was away."""
    if took > SECONDS:
        yield f"took {took:.0f} s"
    for output in cell.outputs:
        if output.output_type == "error" and "\n→ " not in output.evalue:
            yield f"{output.ename}: {output.evalue}"
    if red := "".join(output.text for output in cell.outputs if output.get("name") == "stderr"):
        yield f"on stderr: {execution.without_colours(red)[:300]}"


async def without_brokers(notebook: Any, env: Mapping[str, str], *, every_cell: bool) -> list[str]:
    """Run a lesson; then cells and checks without each of its brokers. Return what went wrong."""
    settings = lab.Settings.from_environment(dict(env))
    learner = Learner(nbformat.from_dict(notebook), NOTEBOOKS)
    used = services_used(learner.cells)
    # With this variable a kernel leaves alone what C code writes, such as librdkafka's lines.
    env = {name: value for name, value in env.items() if name != "PYTEST_CURRENT_TEST"}
    async with learner.client.async_setup_kernel(env=env):
        seconds = {cell.id: await learner.run(cell, "first run") for cell in learner.cells}
        checks = [cell for cell in learner.cells if "check" in tags(cell)]
        others = sorted(learner.cells[1:], key=lambda cell: -seconds[cell.id])
        for service in SERVICES:
            cells = [cell for cell in others if service in used[cell.id] and "check" not in tags(cell)]
            if not cells:
                continue
            State.load(settings.home).services[service].process.end(grace=5)
            try:
                for cell in cells:
                    await without(service, cell, learner)
                    if sentence(cell) and not every_cell:
                        break
                else:
                    if not every_cell:
                        learner.problems.append(f"no cell says that {service} is away")
                for cell in checks:
                    await without(service, cell, learner)
            finally:
                lab.up(settings)
    return learner.problems


async def without(service: str, cell: Any, learner: Learner) -> None:
    took = await learner.run(cell, f"without {service}", must_pass=False)
    learner.note(cell, f"without {service}", list(problems_of(cell, took)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "lesson",
    [
        pytest.param(each, id=each.path.stem, marks=[] if each.number in EACH_SERVICE else [pytest.mark.weekly])
        for each in WITH_BROKERS
    ],
)
def test_a_broker_that_is_gone_is_one_sentence(lesson: Lesson, lab_env: dict[str, str]) -> None:
    problems = asyncio.run(without_brokers(with_solutions(lesson.notebook), lab_env, every_cell=False))
    assert not problems, "\n".join(problems)


@pytest.mark.slow
@pytest.mark.weekly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("lesson", WITH_BROKERS, ids=lambda each: each.path.stem)
def test_a_broker_that_is_gone_is_one_sentence_in_every_cell(lesson: Lesson, lab_env: dict[str, str]) -> None:
    problems = asyncio.run(without_brokers(with_solutions(lesson.notebook), lab_env, every_cell=True))
    assert not problems, "\n".join(problems)


def test_cells_that_use_a_service_through_a_name_are_found() -> None:
    sources = {
        "client": "def new_client():\n    client.connect(here.mqtt.host)",
        "publish": "publisher = new_client()",
        "again": "publisher.publish('x')",
        "kafka": "publisher = Producer(here.kafka)",
        "flush": "publisher.flush()",
        "neither": "import json",
    }
    cells = [new_code_cell(source, id=name) for name, source in sources.items()]
    assert {name: "".join(found) for name, found in services_used(cells).items()} == {
        "client": "mqtt",
        "publish": "mqtt",
        "again": "mqtt",
        "kafka": "kafka",
        "flush": "kafka",
        "neither": "",
    }


@pytest.mark.parametrize(
    "output",
    [
        new_output("error", ename="Empty", evalue="", traceback=[]),
        new_output("stream", name="stderr", text="%3|1.0|FAIL|rdkafka#producer-1| Connection refused"),
    ],
)
def test_what_a_client_says_is_not_enough(output: Any) -> None:
    assert list(problems_of(new_code_cell("poll()", outputs=[output]), 0.0))


def test_a_sentence_after_a_long_wait_is_not_enough() -> None:
    said = new_output("error", ename="LabError", evalue="Kafka cannot be used.\n→ `lab up`", traceback=[])
    cell = new_code_cell("poll()", outputs=[said])
    assert list(problems_of(cell, 1.0)) == []
    assert list(problems_of(cell, 50.0))
