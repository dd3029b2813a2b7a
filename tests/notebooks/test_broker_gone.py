"""Every lesson, once a week: each cell that uses a broker, and each check, while that broker is gone.

tests/notebooks/test_forgiving.py runs the longest of these cells more often.
"""

from __future__ import annotations

import asyncio
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from helpers import lessons as table
from helpers.paths import NOTEBOOKS
from tests.notebooks import outages
from tests.notebooks.anatomy import Lesson, lessons, with_solutions
from tests.notebooks.learner import Learner


@pytest.mark.slow
@pytest.mark.weekly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("lesson", lessons(), ids=lambda each: each.path.stem)
def test_a_broker_that_is_gone_is_one_sentence_in_every_cell(lesson: Lesson, lab_env: dict[str, str]) -> None:
    learner = Learner(nbformat.from_dict(with_solutions(lesson.notebook)), NOTEBOOKS)

    async def live() -> None:
        async with learner.kernel(lab_env):
            seconds = {cell.id: await learner.run(cell, "first run") for cell in learner.cells}
            needs = table.find(lesson.number).needs
            await outages.live_without_brokers(learner, seconds, lab_env, needs=needs, every_cell=True)

    asyncio.run(live())
    assert not learner.problems, "\n".join(learner.problems)


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
    assert {name: "".join(found) for name, found in outages.services_used(cells).items()} == {
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
    assert list(outages.problems_of(new_code_cell("poll()", outputs=[output])))


def test_a_sentence_is_enough() -> None:
    said = new_output("error", ename="LabError", evalue="Kafka cannot be used.\n→ `lab up`", traceback=[])
    assert list(outages.problems_of(new_code_cell("poll()", outputs=[said]))) == []
