"""The commands of README, WORKSHOP and CONTRIBUTING that tests/docs.py leaves to this test.

``uv run`` is left out: it brings an environment, and the tests have one. Each placeholder gets a value.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import lab
from helpers.paths import ROOT
from tests import docs

# The pages mean the lab as a whole; what differs between MQTT brokers is tested elsewhere.
pytestmark = pytest.mark.without_mqtt

FIRST = "00_start_here.ipynb"
# What a command says when it worked. Those that are not listed only have to end with 0.
SAYS = {
    "lab status": "ready",
    "lab doctor": "Kafka",
    "lab logs kafka": " - ",  # between the source and the text of each of its last lines
    "lab run 00": "✅ 00",
    "lab leave": "You have not joined a shared lab.",
    "lab prefetch --to DIR": "Everything is in",
    "lab down": "Ended: ",
    "uv run pytest tests/notebooks/test_hygiene.py -k NN": " passed",
    "uv run pytest --nbmake --nbmake-timeout=60 notebooks/00_start_here.ipynb": "1 passed",
}
# These change what the others use, or begin with nothing.
ENDING = ("lab down", "lab down --wipe")


COMMANDS = [command for command, how in docs.TESTED.items() if how == docs.RUN and command not in ENDING]


@pytest.fixture(scope="module")
def env(lab_env: dict[str, str]) -> dict[str, str]:
    """A shell that finds ``lab`` and ``pytest``, and the tests' lab."""
    return {**lab_env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def placeholders(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A folder for DIR, and a copy of the first lesson for NN_SLUG."""
    shutil.copy(ROOT / "notebooks" / FIRST, tmp_path)
    yield {"DIR": str(tmp_path / "stick"), "notebooks/NN_SLUG.ipynb": str(tmp_path / FIRST), "NN": "00"}
    assert (tmp_path / FIRST).read_bytes() == (ROOT / "notebooks" / FIRST).read_bytes()  # stored lessons are tidy


def run(command: str, env: dict[str, str], cwd: Path = ROOT) -> str:
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=cwd, env=env, capture_output=True, text=True, timeout=280, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def filled(command: str, placeholders: dict[str, str]) -> str:
    for each, value in placeholders.items():
        command = command.replace(each, value)
    return command.removeprefix("uv run ")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_what_the_page_says(command: str, env: dict[str, str], placeholders: dict[str, str]) -> None:
    assert SAYS.get(command, "") in run(filled(command, placeholders), env)


@pytest.mark.slow(seconds=10)
def test_a_lab_goes_down_and_is_wiped(tmp_path: Path, env: dict[str, str]) -> None:
    own = {**env, "LAB_HOME": str(tmp_path)}
    try:
        run("lab up", own)
        assert SAYS["lab down"] in run("lab down", own)
        assert (tmp_path / "kafka").exists()
        run("lab down --wipe", own)
        assert not (tmp_path / "kafka").exists()
    finally:
        lab.down(lab.Settings.from_environment(own))


def test_an_update_and_ones_own_work_do_not_meet(tmp_path: Path) -> None:
    """The commands of "Updated lessons, and one's own work", with an update that changes what a learner changed."""
    author, learner = tmp_path / "author", tmp_path / "lessons"
    notebooks = author / "notebooks"
    shutil.copytree(ROOT / "notebooks", notebooks)
    shutil.copy(ROOT / ".gitignore", author)
    env = {**os.environ, **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "x")}
    env |= dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "x@example.org") | {
        "GIT_CONFIG_GLOBAL": "/dev/null"
    }
    copy, update, rescue = docs.blocks("WORKSHOP.md", "Updated lessons, and one's own work")
    assert update[1:] == ["uv run lab prefetch"]

    def published(text: str) -> None:
        (notebooks / FIRST).write_text(text)
        run("git init -q && git add -A && git commit -q -m x", env, cwd=author)

    published("first edition")
    run(f"git clone -q {author} lessons", env, cwd=tmp_path)
    runbook = learner / "mine" / "runbook.md"  # of lesson 13, which somebody had opened before making a copy
    runbook.parent.mkdir()
    runbook.write_text("who to call")
    run("\n".join(copy), env, cwd=learner)
    (learner / "mine" / FIRST).write_text("my own work")
    published("second edition")
    run(update[0], env, cwd=learner)
    assert (learner / "notebooks" / FIRST).read_text() == "second edition"
    assert (learner / "mine" / FIRST).read_text() == "my own work"
    assert runbook.read_text() == "who to call"
    assert not run("git status --short", env, cwd=learner)

    run("cp notebooks/04_kafka_is_a_log.ipynb mine/04_new.ipynb", env, cwd=learner)
    (learner / "notebooks" / FIRST).write_text("my work in the wrong place")
    published("third edition")
    with pytest.raises(AssertionError, match="would be overwritten"):
        run(update[0], env, cwd=learner)
    run("\n".join(rescue), env, cwd=learner)
    assert (learner / "notebooks" / FIRST).read_text() == "third edition"
    assert (learner / "mine-before" / FIRST).read_text() == "my work in the wrong place"
    assert not run("git status --short", env, cwd=learner)
