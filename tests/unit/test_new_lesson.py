"""A lesson begun by ``tools.new_lesson`` keeps every rule for lessons; what remains to be written is named by tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.errors import LessonError
from helpers.lessons import LESSONS
from helpers.paths import ROOT
from tools import new_lesson

NUMBER, TITLE = f"{len(LESSONS):02}", 'What is "new"?'
COPIED = ("helpers", "notebooks", "tests", "tools", "data", "docs", "README.md", "pyproject.toml")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which a lesson was begun."""
    folder = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        path = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__", "*.parquet")
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=ignored)
        else:
            shutil.copy(path, folder)
    new_lesson.create(NUMBER, TITLE, folder)
    return folder


def test_a_lesson_that_was_begun_keeps_the_rules_and_lacks_answers(tree: Path) -> None:
    tests = ["tests/notebooks/test_hygiene.py", "tests/notebooks/test_answers.py", "tests/unit/test_lessons.py"]
    only = f"{NUMBER}_what_is_new or lessons.py"
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *tests, "-k", only]
    env = {**os.environ, "PYTHONPATH": str(tree)}
    said = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=240, check=False).stdout
    failed = [line.split("::")[1] for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert [each.partition("[")[0] for each in failed] == ["test_a_bank_is_complete"], said


@pytest.mark.parametrize(
    ("number", "title", "named"),
    [
        (NUMBER, "Another", f"{NUMBER}_what_is_new"),
        ("98", "Locks and keys", "helpers/checks/locks_and_keys.py, tests/notebooks/answers/locks_and_keys.py"),
        ("98", "Brokers", "helpers/checks/brokers.py"),  # not a lesson's module
    ],
)
def test_nothing_is_written_over(tree: Path, number: str, title: str, named: str) -> None:
    before = contents(tree)
    with pytest.raises(LessonError, match=named):
        new_lesson.create(number, title, tree)
    assert contents(tree) == before


def contents(tree: Path) -> dict[Path, bytes]:
    folders = ("helpers", "notebooks", "tests")
    found = (path for folder in folders for path in (tree / folder).rglob("*") if "__pycache__" not in path.parts)
    return {path: path.read_bytes() for path in found if path.is_file()}


@pytest.mark.parametrize(
    ("number", "title"), [("7", "Copies"), ("x", "Copies"), (NUMBER, "?"), (NUMBER, "3 copies"), (NUMBER, "Class")]
)
def test_bad_arguments_are_refused(number: str, title: str, tmp_path: Path) -> None:
    with pytest.raises(LessonError, match="number and a title"):
        new_lesson.create(number, title, tmp_path)
