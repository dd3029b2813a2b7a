"""The README says what is so: the series with its times, and commands that exist."""

from __future__ import annotations

import re

import pytest

from helpers.cli.main import command
from helpers.lessons import LESSONS, Lesson
from helpers.paths import ROOT
from tests.notebooks import anatomy

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=lambda each: each.number)
def test_the_series_lists_a_lesson_with_the_time_that_its_first_line_gives(lesson: Lesson) -> None:
    row = re.search(rf"\[{lesson.number} {lesson.title}\]\(notebooks/{lesson.file}\) \| .+ \| (\d+) min \|", README)
    assert row
    time = re.search(r"allow (\d+) min", anatomy.Lesson.read(lesson.path).cells[0].source)
    assert time
    assert row[1] == time[1]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?:uv run |bin/)lab ([a-z]+)|`lab ([a-z]+)", GUIDES))))
def test_a_lab_command_exists(name: tuple[str, str]) -> None:
    assert "".join(name) in command.commands


def test_the_start_is_two_commands() -> None:
    assert "\npip install uv && uv run lab\n" in README
    assert "\nuv run pytest -n 2\n" in README
