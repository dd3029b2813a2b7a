"""README, WORKSHOP, CONTRIBUTING: commands have a test or a reason, links lead somewhere, numbers are the lessons'."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from helpers.lab.services.table import SERVICES
from helpers.lessons import LESSONS, PATHS, Lesson, steps
from helpers.paths import ROOT
from tests import docs
from tests.notebooks import anatomy


@pytest.mark.parametrize("page", docs.PAGES)
def test_every_command_has_a_test_or_a_reason(page: str) -> None:
    unknown = docs.commands(page) - set(docs.TESTED)
    assert not unknown, "Say in tests/docs.py where these are tested, or why not."


def test_the_table_has_no_command_that_no_page_has() -> None:
    assert set(docs.TESTED) <= {each for page in docs.PAGES for each in docs.commands(page)}


def test_the_page_on_security_names_every_service_that_a_shared_lab_opens() -> None:
    paragraph = docs.text("SECURITY.md").partition("`lab up --share ADDRESS`")[2].partition("\n- ")[0].lower()
    assert [name for name in SERVICES if name not in paragraph] == []


def _slug(heading: str) -> str:
    """The anchor that GitHub and JupyterLab make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", docs.PAGES)
def test_a_link_to_a_heading_finds_it(page: str) -> None:
    for target in anatomy.LINK.findall(docs.prose(page)):
        path, _, anchor = unquote(target).partition("#")
        if anchor and not path.startswith("https:"):
            headings = re.findall(r"^#+ (.+)$", docs.prose(path or page), re.MULTILINE)
            assert anchor in map(_slug, headings), target


@pytest.mark.parametrize("page", docs.PAGES)
def test_files_that_are_named_are_there(page: str) -> None:
    named = re.findall(r"`((?:helpers|tests|notebooks|data|\.ci|\.github)/[\w./-]+)`", docs.prose(page))
    assert [
        each for each in named if not {"NN", "SLUG"} & {*re.split(r"[\W_]", each)} and not (ROOT / each).exists()
    ] == []


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=lambda each: each.number)
def test_the_readmes_time_is_the_lessons(lesson: Lesson) -> None:
    row = re.search(
        rf"\[{lesson.number} {lesson.title}\]\(notebooks/{lesson.file}\) \| .+ \| (\d+) min \|", docs.text("README.md")
    )
    time = re.search(r"allow (\d+) min", anatomy.Lesson.read(lesson.path).cells[0].source)
    assert row
    assert time
    assert row[1] == time[1]


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=lambda each: each.number)
def test_a_workshop_report_asks_for_the_lessons_time(lesson: Lesson) -> None:
    assert f"| {lesson.number} {lesson.title} |" in docs.text(".github/ISSUE_TEMPLATE/workshop-report.yml")


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=lambda each: each.number)
def test_the_workshops_times_are_the_lessons(lesson: Lesson) -> None:
    page, first = docs.text("WORKSHOP.md"), anatomy.Lesson.read(lesson.path).cells[0].source
    row = re.search(rf"^\| {lesson.number} {lesson.title} \| (\d+) s \| \d+ min \| (\d+) min \|$", page, re.MULTILINE)
    header = re.search(r"Run All: (\d+) s .* allow (\d+) min", first)
    assert row
    assert header
    assert row.groups() == header.groups()
    section = page.partition(f"\n### {lesson.number} · {lesson.title}\n")[2].partition("\n#")[0]
    pace = [
        int(each) for each in re.findall(r"(?:^|·\s)(\d+)\s", section.partition("**Pace** ")[2].partition("\n\n")[0])
    ]
    assert pace == sorted(set(pace))
    assert pace[-1] == int(header[2])


def numbers(words: str) -> list[str]:
    """The lessons in a list as a page has it: "02, 04 and 11 to 13"."""
    return [
        f"{number:02}"
        for first, last in re.findall(r"(\d\d)(?: to (\d\d))?", words)
        for number in range(int(first), int(last or first) + 1)
    ]


@pytest.mark.parametrize(
    ("before", "after", "call"),
    [
        ("or tune a broker (in ", ") start private ones", r"\blab\.(scratch|cluster|secured)\("),
        ("will see no live figure in ", ". Repair it now", r"\b(LiveFigure|live\.figure|dashboard\.view)\("),
    ],
)
def test_the_workshop_lists_the_lessons_that_do_it(before: str, after: str, call: str) -> None:
    listed = " ".join(docs.text("WORKSHOP.md").split()).partition(before)[2].partition(after)[0]
    doing = [
        lesson.number
        for lesson in LESSONS.values()
        if any(
            cell.cell_type == "code" and re.search(call, cell.source) for cell in anatomy.Lesson.read(lesson.path).cells
        )
    ]
    assert numbers(listed) == doing


def test_the_workshops_table_of_memory_has_each_lesson_once() -> None:
    section = docs.text("WORKSHOP.md").partition("\n## Memory\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d\d.*) \| .*\d GB \|$", section, re.MULTILINE)
    assert sorted(number for row in rows for number in numbers(row)) == [each.number for each in LESSONS.values()]


def test_the_workshops_sums_are_those_of_its_table() -> None:
    page = " ".join(docs.text("WORKSHOP.md").split())
    times = re.findall(r"\| \d\d [^|]+ \| (\d+) s \| \d+ min \| (\d+) min \|", page)
    seconds, minutes = (sum(map(int, each)) for each in zip(*times, strict=True))
    assert f"All {len(LESSONS)} lessons with exercises take {round(minutes / 60)} hours." in page
    assert f"runs all lessons one after the other, in about {round(seconds / 60)} minutes." in page


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=lambda each: each.number)
def test_each_prediction_has_its_wrong_answers_and_the_lessons_right_one(lesson: Lesson) -> None:
    section = docs.text("WORKSHOP.md").partition(f"\n### {lesson.number} · {lesson.title}\n")[2].partition("\n### ")[0]
    # A room has no use for the path of 15 minutes, whose tags are "reveal" and "short".
    reveals = [each.source for each in anatomy.Lesson.read(lesson.path).cells if anatomy.tags(each) == ["reveal"]]
    expected = section.split("**Expect** at")[1:]
    assert len(expected) == len(reveals)
    for expect, reveal in zip(expected, reveals, strict=True):
        right = re.search(r"\(right: \*\*(\w+)\*\*", expect)
        assert right
        # A letter stands in the cell's last words; a word is one that the cell can print.
        assert re.search(rf"(answer:|it is) {right[1]}\b" if len(right[1]) == 1 else rf'"{right[1]}"', reveal)
        wrong = re.findall(r"^- \*(\w+)[,*:]", expect, re.MULTILINE)
        assert len(wrong) >= 2
        assert right[1] not in wrong


@pytest.mark.parametrize(
    ("name", "minutes"),
    [
        ("Two hours", 120),
        ("Half a day", 240),
        ("A day", 480),
        ("Two days, the first", 480),
        ("Two days, the second", 480),
        ("An evening", 135),
    ],
)
def test_a_schedule_is_as_long_as_it_says_and_has_its_breaks(name: str, minutes: int) -> None:
    table = docs.text("WORKSHOP.md").partition(f"**{name}: ")[2].split("\n\n")[1]
    rows = [(int(each), what) for each, what in re.findall(r"^\| (\d+) \| ([^|]+) \|", table, re.MULTILINE)]
    assert sum(each for each, _ in rows) == minutes
    stretch = 0
    for each, what in rows:
        stretch = 0 if what in {"break", "lunch"} else stretch + each
        assert stretch <= 60, f"{stretch} min without a break, at {what}"


@pytest.mark.parametrize("reader", PATHS)
@pytest.mark.parametrize("page", ["README.md", "WORKSHOP.md"])
def test_a_page_has_the_paths_of_the_catalogue(page: str, reader: str) -> None:
    assert f"| {' | '.join(PATHS[reader])} |" in docs.text(page)


@pytest.mark.parametrize("reader", PATHS)
def test_a_path_names_sections_that_the_lesson_has(reader: str) -> None:
    for lesson, how in steps(reader):
        headings = re.findall(r"^## (\d)\.", anatomy.Lesson.read(lesson.path).markdown, re.MULTILINE)
        assert set(re.findall(r"\d", how)) <= set(headings)
