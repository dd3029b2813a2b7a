"""Each rule for lessons accepts the sample and refuses a spoilt one: a rule that cannot fail guards nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tests.notebooks import anatomy, sample
from tools import tidy

# The sample links to files that real lessons have; the rules on links are tested with links of their own.
OFFLINE_RULES = [rule for rule in anatomy.RULES if rule is not anatomy.links]


def cell(notebook: Any, name: str) -> Any:
    return next(each for each in notebook.cells if each.id == name)


def replace(name: str, old: str, new: str) -> Callable[[Any], None]:
    def spoil(notebook: Any) -> None:
        assert old in cell(notebook, name).source
        cell(notebook, name).source = cell(notebook, name).source.replace(old, new)

    return spoil


def append(code: str) -> Callable[[Any], None]:
    return lambda notebook: notebook.cells.insert(2, new_code_cell(code, id="extra"))


def text(markdown: str) -> Callable[[Any], None]:
    return lambda notebook: notebook.cells.insert(2, new_markdown_cell(markdown, id="extra"))


def again(name: str) -> Callable[[Any], None]:
    """Put a cell into the core path two more times."""

    def spoil(notebook: Any) -> None:
        for number in "12":
            extra = new_code_cell("pass", id=f"extra-{number}", metadata=dict(cell(notebook, name).metadata))
            notebook.cells.insert(2, extra)

    return spoil


def output(notebook: Any) -> None:
    cell(notebook, "connect").outputs = [new_output("stream", text="hello")]


def version(notebook: Any) -> None:
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.2"}


def collapsed(notebook: Any) -> None:
    cell(notebook, "connect").metadata["collapsed"] = True


def swapped(notebook: Any) -> None:
    notebook.cells[6], notebook.cells[7] = notebook.cells[7], notebook.cells[6]


def one_exercise(notebook: Any) -> None:
    del notebook.cells[8:11]


def renamed(name: str) -> Callable[[Any], None]:
    def spoil(notebook: Any) -> None:
        cell(notebook, "connect").id = name

    return spoil


SPOILT: list[tuple[Any, Callable[[Any], None]]] = [
    (anatomy.no_outputs, output),
    (anatomy.metadata, version),
    (anatomy.metadata, collapsed),
    (anatomy.ids, renamed("3f0c9a1e")),
    (anatomy.ids, renamed("Connect_now")),
    (anatomy.title, replace("introduction", "# 02", "# 03")),
    (anatomy.title, replace("introduction", "*Run All: 1 s (measured)", "*Run All: about 1 s")),
    (anatomy.title, replace("closing", "## Recap", "# Recap")),
    (anatomy.picture, replace("introduction", "pictures/sample.svg", "pictures/another.svg")),
    (anatomy.objectives, replace("introduction", "- know one thing\n", "")),
    (anatomy.needs, replace("introduction", "helpful", "nice")),
    (anatomy.needs, replace("introduction", "01_emergency", "05_emergency")),
    (anatomy.closing, replace("next", "## Next", "## And then")),
    (anatomy.wrap_up, replace("wrap-up-questions", "sample", "02")),
    (anatomy.wrap_up, lambda notebook: notebook.cells.remove(cell(notebook, "wrap-up"))),
    (anatomy.monday, replace("monday", "3. Three?\n", "")),
    (anatomy.monday, replace("monday", "2. Two?", "2. Two.")),
    (anatomy.monday, replace("monday", "```bash\n", "```bash\nls\n")),
    (anatomy.monday, replace("monday", "\n\nIt prints a message. What is it about?", "")),
    (anatomy.tag_order, swapped),
    (anatomy.tag_order, one_exercise),
    (anatomy.tag_order, lambda notebook: cell(notebook, "predict-one").metadata.clear()),
    (anatomy.predictions, replace("predict-one", "\nprediction", "\nprint(prediction)")),
    (anatomy.predictions, replace("predict-one", 'Prediction("sample", "one", "two")', 'None  # "one" or "two"')),
    (anatomy.described, append("figure = go.Figure()\nfigure")),
    (anatomy.described, append("figure = go.Figure()\nview = LiveFigure(figure)")),
    (anatomy.described, append("described(go.Figure(), 'No name.')")),
    (anatomy.connects, replace("connect", "sample", "02")),
    (anatomy.quarter_of_an_hour, replace("introduction", "Only 15", "Only 20")),
    (anatomy.quarter_of_an_hour, replace("short-claim", "**One thing is so.**", "One thing is so.")),
    (anatomy.quarter_of_an_hour, replace("short-claim", "15 minutes", "an hour")),
    (anatomy.quarter_of_an_hour, replace("short-claim", "so.**", "so.**\n\n" + "word " * 2000)),
    (anatomy.quarter_of_an_hour, replace("short-reveal", "\nfates(", "\nfates({})\nfates(")),
    (anatomy.quarter_of_an_hour, replace("short-reveal", "\nfates(", "\nprint(")),
    (anatomy.quarter_of_an_hour, replace("short-reveal", "\nfates(", "1\n" * 31 + "fates(")),
    (anatomy.quarter_of_an_hour, replace("connect", "\n", "\n" + "1\n" * 60)),
    (anatomy.quarter_of_an_hour, lambda notebook: cell(notebook, "connect").metadata.clear()),
    (anatomy.quarter_of_an_hour, lambda notebook: cell(notebook, "exercises").metadata.update(tags=["short"])),
    (anatomy.quarter_of_an_hour, lambda notebook: cell(notebook, "short-predict").metadata.update(tags=["short"])),
    (anatomy.solutions, replace("solution-1", "\n\n</details>", "\n</details>")),
    (anatomy.solutions, replace("solution-1", "```python", "```py")),
    (anatomy.imports, append("import requests_toolbelt")),
    (anatomy.imports, append("from helpers.lab import _ports")),
    (anatomy.imports, append("from helpers import bridge")),
    (anatomy.imports, replace("solution-1", "Path(", "import flask\n\nPath(")),
    (anatomy.one_client_recipe, append("client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)")),
    (anatomy.one_client_recipe, append(anatomy.CLIENT_RECIPE.replace("via=here.mqtt, ", ""))),
    (anatomy.one_client_recipe, append(f"{anatomy.CLIENT_RECIPE}\n\n\nother = mqtt.Client()")),
    (anatomy.one_client_recipe, replace("solution-1", "Path(", "Client()\nPath(")),
    (anatomy.plain_python, append("!ls")),
    (anatomy.plain_python, append('%%writefile "a.py"\n!ls')),
    (anatomy.plain_python, append("%%writefile a.py\nimport json")),
    (anatomy.imports, append('%%writefile "a.py"\nimport requests_toolbelt')),
    (anatomy.plain_python, append("%time 1 + 1")),
    (anatomy.short_cells, append("x = 1\n" * 31)),
    (anatomy.small_core, append("x = 1\n" * 221)),
    (anatomy.small_core, text("## Section\n\n" * 6)),
    (anatomy.small_core, text("word " * 1_801)),
    (anatomy.small_core, again("predict-one")),
    (anatomy.small_core, again("exercise-1")),
    (anatomy.linted, append("x = [1,2]")),
    (anatomy.linted, append("import os")),
    (anatomy.linted, replace("solution-1", 'Path("done-1")', "Path('done-1')")),
]


@pytest.mark.parametrize("rule", OFFLINE_RULES, ids=lambda rule: rule.__name__)
def test_a_rule_accepts_the_sample(rule: Any) -> None:
    assert list(rule(sample.lesson())) == []


@pytest.mark.parametrize(("rule", "spoil"), SPOILT, ids=lambda each: getattr(each, "__name__", ""))
def test_a_rule_refuses_a_spoilt_lesson(rule: Any, spoil: Callable[[Any], None]) -> None:
    notebook = sample.notebook()
    spoil(notebook)
    assert list(rule(sample.lesson(notebook))) != []


def test_a_cell_may_store_a_program_and_a_later_one_import_it() -> None:
    notebook = sample.notebook()
    notebook.cells.insert(2, new_code_cell('%%writefile "{programs}/careful.py"\nimport json', id="one"))
    notebook.cells.insert(
        3, new_code_cell('%%writefile "{programs}/complete.py"\nfrom careful import Bridge', id="two")
    )
    lesson = sample.lesson(notebook)
    assert list(anatomy.plain_python(lesson)) == []
    assert list(anatomy.imports(lesson)) == []


def test_a_notebook_not_stored_as_jupyter_stores_it_is_refused() -> None:
    lesson = sample.lesson()
    assert list(anatomy.normalised(anatomy.Lesson(path=lesson.path, text=lesson.text.replace(": ", ":"))))


def test_two_cells_with_one_id_are_refused() -> None:
    lesson = sample.lesson()
    twice = lesson.text.replace('"id": "connect"', '"id": "introduction"')
    assert list(anatomy.ids(anatomy.Lesson(path=lesson.path, text=twice)))


@pytest.mark.parametrize(
    "link",
    ["[x](missing.md)", "![x](missing.svg)", '<img src="missing.svg">', "[x](../..)", "[x](http://example.org)"],
)
def test_a_link_to_nowhere_is_found(link: str) -> None:
    assert list(anatomy.broken_links(f"See {link}.", anatomy.ROOT / "tests"))


@pytest.mark.parametrize(
    "link",
    ["[x](unit)", "[x](../README.md#help)", "[x](#here)", "[x](https://mqtt.org)", "`[x](y)`", "```\n[x](y)\n```"],
)
def test_a_link_that_leads_somewhere_is_left_alone(link: str) -> None:
    assert list(anatomy.broken_links(f"See\n\n{link}", anatomy.ROOT / "tests")) == []


def test_every_rule_has_been_seen_to_refuse_something() -> None:
    tried = {rule.__name__ for rule, _ in SPOILT} | {"normalised", "links"}
    assert tried == {rule.__name__ for rule in anatomy.RULES}


def test_solutions_replace_the_stubs_and_nothing_else() -> None:
    before = sample.notebook()
    after = anatomy.with_solutions(before)
    changed = [new.id for old, new in zip(before.cells, after.cells, strict=True) if old.source != new.source]
    assert changed == ["exercise-1", "exercise-2"]
    assert cell(after, "exercise-1").source == 'Path("done-1").touch()'


def test_tidy_takes_away_what_running_left_behind() -> None:
    spoilt = sample.notebook()
    output(spoilt)
    version(spoilt)
    collapsed(spoilt)
    assert tidy.tidy(spoilt) == sample.notebook()
