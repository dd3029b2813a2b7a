"""The template for work: a copy of its folder alone passes its tests, and its three stages can be reached."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.paths import ROOT
from tests.waiting import PATIENCE, wait_until

TEMPLATE = ROOT / "projects" / "fleet-operator"

pytestmark = [
    pytest.mark.slow(seconds=30),  # an environment of its own, and a replay
    pytest.mark.timeout(600, func_only=True),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The folder as it is committed, outside this repository."""
    ignored = shutil.ignore_patterns(".venv", "state", "__pycache__", ".pytest_cache", "uv.lock")
    return Path(shutil.copytree(TEMPLATE, tmp_path / "fleet-operator", ignore=ignored))


@pytest.fixture
def env(here: Any, unique: Callable[[str], str]) -> dict[str, str]:
    """The lab's brokers, and a namespace of one's own."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    brokers = {"MQTT": f"{here.mqtt.host}:{here.mqtt.port}", "KAFKA": here.kafka["bootstrap.servers"]}
    return kept | brokers | {"NS": f"{unique('capstone')}-"}


def test_a_copy_of_the_folder_alone_passes_its_tests(copy: Path, env: dict[str, str]) -> None:
    if (uv := shutil.which("uv")) is None:
        pytest.skip("uv is not installed")
    done = subprocess.run([uv, "run", "pytest", "-q"], cwd=copy, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "skipped" not in done.stdout


class Programs:
    """Programs of the template, running beside the test."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.env, self.running = folder, env | {"PYTHONPATH": str(folder)}, []

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{command[0].replace('/', '-')}.log").open("ab") as log:
            program = subprocess.Popen(
                [sys.executable, *command], cwd=self.folder, env=self.env, stdout=log, stderr=log
            )
        self.running.append(program)
        return program

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def reach(self, stage: str) -> None:
        ends = time.monotonic() + PATIENCE
        while "You got it." not in (answer := self.run("check.py", stage)):
            assert time.monotonic() < ends, f"stage {stage}: {answer}"


@pytest.fixture
def programs(copy: Path, env: dict[str, str]) -> Iterator[Programs]:
    made = Programs(copy, env | {"GRACE": "0"})
    try:
        yield made
    finally:
        for each in made.running:
            each.kill()
            each.wait()


# Alarms become answers, and no device is asked.
SHORTCUT = """
import json
from confluent_kafka import Producer
import settings, topics
producer = Producer({"bootstrap.servers": settings.KAFKA})
for each in topics.read(settings.ALARMS):
    producer.produce(settings.ANSWERS, str(json.loads(each.value())["time"]), each.key())
producer.flush(30)
"""


@pytest.mark.weekly
def test_two_machines_a_siren_and_their_checks(programs: Programs) -> None:
    fleet = programs.folder / "fleet.py"
    fleet.write_text(fleet.read_text("utf-8").replace("0.005", "0.05"), "utf-8")  # more thieves
    programs.start("bridge.py")
    programs.start("worker.py", "1")
    programs.start("fleet.py")
    wait_until(lambda: "It takes two, with two numbers" in programs.run("check.py", "1"), "a worker in its group")
    assert "There was no alarm" in (answer := programs.run("check.py", "2")) or "have no answer" in answer
    programs.start("worker.py", "2")
    programs.reach("1")
    wait_until(lambda: "have no answer" in programs.run("check.py", "2"), "an alarm")
    programs.run("-c", SHORTCUT)
    [(missing, wanted)] = re.findall(r"(\d+) of (\d+) alarms have no answer", programs.run("check.py", "2"))
    assert missing == wanted
    programs.start("solutions/siren.py")
    programs.reach("2")


@pytest.mark.weekly
def test_a_replay_of_three_days_agrees_with_sql(programs: Programs) -> None:
    assert "25,920 readings" in programs.run("past.py", "3")
    assert "windows are not there yet" in programs.run("check.py", "3")
    programs.start("worker.py", "1")
    programs.reach("3")
