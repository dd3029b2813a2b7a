"""A lab that nobody else uses, for tests that start, break and end one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nbformat.v4 import new_notebook

from helpers import lab
from helpers.paths import NOTEBOOKS
from tests.notebooks.learner import Learner

Command = Callable[..., subprocess.CompletedProcess[str]]

# The command that was installed beside this Python.
LAB = str(Path(sys.executable).with_name("lab"))


class Reported:
    """A reporter that keeps the messages."""

    def __init__(self) -> None:
        self.text = ""

    def say(self, text: str) -> None:
        self.text += f"{text}\n"

    def bar(self, title: str, *, total: int) -> object:
        raise AssertionError(f"nothing should be downloaded here: {title}, {total} bytes")


@pytest.fixture
def reported() -> Reported:
    return Reported()


@pytest.fixture
def own_env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a lab of the test's own, which is not up, and is down afterwards. Its folder has a space."""
    # A test that asks for `here` has the variables of the tests' lab in its environment.
    env = {key: value for key, value in os.environ.items() if not key.startswith("LAB_") or key == "LAB_CACHE"}
    env |= {"LAB_HOME": str(tmp_path / "a lab"), "LAB_PORTS": "any", "LAB_INFLUXDB_PROVIDER": "none"}
    yield env
    settings = lab.Settings.from_environment(env)
    if settings.home.is_dir():
        lab.down(settings)


@pytest.fixture
def own(own_env: dict[str, str]) -> lab.Settings:
    return lab.Settings.from_environment(own_env)


def run_lab(env: dict[str, str], *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the ``lab`` command as a person does, and return what it printed and its exit code."""
    command = [LAB, *arguments]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def command() -> Command:
    return run_lab


@contextmanager
def kernel(env: dict[str, str]) -> Iterator[Learner]:
    """A notebook whose cells are written one by one. Its kernel is killed, as by a laptop that is switched off."""
    learner = Learner(new_notebook(), NOTEBOOKS, shutdown_kernel="immediate")
    with learner.client.setup_kernel(env=env):
        yield learner
