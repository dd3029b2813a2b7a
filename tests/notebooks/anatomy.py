"""What every lesson looks like, as rules. A rule is a function: a lesson in, sentences about what is wrong out."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
import nbformat.v4

from helpers.paths import NOTEBOOKS, ROOT

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
TAGS = {"exercise", "check", "solution", "predict", "reveal"}  # a cell has one of them at most
SHORT = "short"  # and any cell may have this one
CLOSING = ["Wrap-up", "Recap", "What breaks in production", "On Monday", "Next", "Sources"]
HEADER = re.compile(r"^\*Run All: \d+ s \(measured\) · allow \d+ min \(an estimate\)\*$", re.MULTILINE)
SOLUTION = re.compile(
    r"\A<details>\s*<summary>Solution</summary>\n\n(?P<before>.*?)```python\n(?P<code>.*?)```\n(?P<after>.*?)\n</details>\s*\Z",
    re.DOTALL,
)
PREDICTION = re.compile(r'^prediction = Prediction\(\s*"(?P<name>[a-z0-9-]+)",', re.MULTILINE)
FIGURE = re.compile(r"\b(?:go\.Figure|FigureWidget|make_subplots|px\.\w+)\(")
NAMED_FIGURE = re.compile(rf"^ *(?P<name>\w+) = {FIGURE.pattern}", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)(?:\s+\"[^\"]*\")?\)")
# The core path ends where exercises, or what may be skipped, begin.
CORE_ENDS = re.compile(r"^## (Exercises?|Go further|In 15 minutes|Recap)\b", re.MULTILINE)
CELL_LINES = 30
CORE_BUDGET = {"sections": 5, "words": 1_800, "lines of code": 220, "predictions": 2, "exercises": 1}
# Lessons written before the budget. A ceiling is what they have today, rounded up: it may be lowered, never raised.
CORE_CEILINGS: dict[str, dict[str, int]] = {
    "start_here": {"sections": 9, "exercises": 2},
    "emergency_generators": {"sections": 7, "exercises": 3},
    "publish_with_mqtt": {"sections": 6, "lines of code": 270, "exercises": 3},
    "delivery_in_mqtt": {"sections": 6, "lines of code": 300},
    "kafka_is_a_log": {"sections": 6, "lines of code": 340},
    "the_schema_registry": {"sections": 6, "lines of code": 410},
    "topics_two_ways": {"sections": 6, "lines of code": 370},
    "bridge_by_hand": {"sections": 6, "words": 2600, "lines of code": 500},
    "talk_back": {"lines of code": 480},
}
# The one way in which a lesson makes an MQTT client. It stands in each lesson that needs one, and nothing beside it.
CLIENT_RECIPE = '''\
def new_client(name, *, via=here.mqtt, version=mqtt.MQTTv5, **options):
    """An MQTT client, not yet connected. It ends an earlier one of the same name."""
    client_id, callbacks = f"{here.ns}{name}", mqtt.CallbackAPIVersion.VERSION2
    client = mqtt.Client(callbacks, client_id, protocol=version, **options)
    if here.mqtt.username:
        client.username_pw_set(here.mqtt.username, here.mqtt.password)
    if here.mqtt.tls and via is here.mqtt:  # a relay speaks TLS by itself
        client.tls_set(**here.mqtt.tls)
    lab.beside(name, client.disconnect, client.loop_stop)
    return client'''
# Lessons with brokers of their own, which know no names and passwords of the lab, and one whose subject these are.
CLIENTS_OF_THEIR_OWN = {"copies", "locks_and_keys", "break_it", "grow"}
# The path of 15 minutes, which tests/notebooks/test_short_paths.py runs alone.
SHORT_LINE = (
    "**Only 15 minutes?** Run the first code cell, then the section *In 15 minutes* near the end "
    "(*View → Table of Contents* lists the sections)."
)
SHORT_LIMITS = {"claims": 1, "predictions": 1, "figures": 1}
SHORT_LINES = 60
CLAIM = re.compile(r"^\*\*[^*\n]+\*\*$", re.MULTILINE)
DRAWS = re.compile(r"\b(?:go\.Figure|fates|partitions|sequence|charts\.\w+|live\.figure)\(")
# Three questions, a command to run where the learner works, and what to look at.
MONDAY = re.compile(
    r"## On Monday\n\n[^\n]+\n\n(?P<questions>(?:\d\. .*\?\n){3})\n[^\n]+\n\n```bash\n[^\n]+\n```\n\n(?P<look>\w.*)"
)
# Names on the package index that are imported under another name.
IMPORTED_AS = {"paho-mqtt": "paho", "confluent-kafka": "confluent_kafka"}
# The learner writes a bridge by hand in lesson 7; only then does the packaged one appear.
FIRST_LESSON_WITH_BRIDGE = 7


@dataclass(frozen=True)
class Lesson:
    """One notebook: its path, its text as stored, and its cells."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> Lesson:
        return cls(path=path, text=path.read_text(encoding="utf-8"))

    @property
    def number(self) -> str:
        return self.path.name[:2]

    @property
    def slug(self) -> str:
        return self.path.stem[3:]

    @property
    def seconds(self) -> int:
        """How long Run All takes, as its header says."""
        said = re.search(r"\*Run All: (\d+) s", self.text)
        return int(said[1]) if said else 0

    @property
    def uses_mqtt(self) -> bool:
        """Whether it may use an MQTT broker, the lab's or one of its own."""
        return bool(re.search(r"\.mqtt\b|\bmqtt\.|\bpaho\b|\bsecured\(", self.text))

    @property
    def uses_cluster(self) -> bool:
        """Whether it starts a cluster, or brokers with locks."""
        return "lab.cluster(" in self.text or "lab.secured(" in self.text

    @property
    def live(self) -> bool:
        """Whether it has figures that change while a cell runs."""
        return "live.run(" in self.text or "LiveFigure(" in self.text

    @property
    def notebook(self) -> Any:
        return nbformat.v4.reads(self.text)  # joins lines, and changes nothing else

    @property
    def cells(self) -> list[Any]:
        return list(self.notebook.cells)

    @property
    def markdown(self) -> str:
        return "\n\n".join(cell.source for cell in self.cells if cell.cell_type == "markdown")

    @property
    def introduction(self) -> str:
        """Everything before the first code cell."""
        parts = []
        for cell in self.cells:
            if cell.cell_type == "code":
                break
            parts.append(cell.source)
        return "\n\n".join(parts)


def lessons() -> list[Lesson]:
    """Every lesson in the repository, in order."""
    return [Lesson.read(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))]


def tags(cell: Any) -> list[str]:
    """A cell's tags; an untagged cell has none."""
    return list(cell.metadata.get("tags", []))


def short_path(notebook: Any) -> list[Any]:
    """The cells that somebody with 15 minutes reads and runs."""
    return [cell for cell in notebook.cells if SHORT in tags(cell)]


def solution(cell: Any) -> str | None:
    """The code in a solution cell, or ``None`` when the cell is not shaped as a solution."""
    match = SOLUTION.match(cell.source)
    return match["code"] if match and cell.source.count("```") == 2 else None


def with_solutions(notebook: Any) -> Any:
    """A copy of ``notebook`` in which each exercise holds its solution, as if the learner had copied it there.

    Raises ``ValueError`` when a solution cell is not shaped as one.
    """
    copy = nbformat.from_dict(notebook)
    for place, cell in enumerate(copy.cells):
        if "exercise" in tags(cell):
            code = solution(copy.cells[place + 2])
            if code is None:
                raise ValueError(f"the solution of cell {cell.id!r} has no single python fence inside <details>")
            cell.source = code.rstrip("\n")
    return copy


def no_outputs(lesson: Lesson) -> Iterator[str]:
    """The repository stores no outputs: they age, they bloat, and they hide what a reader would see himself."""
    for cell in lesson.cells:
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count is not None):
            yield f"cell {cell.id!r} keeps an output or an execution count"


def metadata(lesson: Lesson) -> Iterator[str]:
    notebook = lesson.notebook
    if (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
        yield f"format {notebook.nbformat}.{notebook.nbformat_minor}, not 4.5"
    if notebook.metadata != {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}:
        yield f"metadata {dict(notebook.metadata)}"
    for cell in lesson.cells:
        if set(cell.metadata) - {"tags"}:
            yield f"cell {cell.id!r} has metadata besides tags: {dict(cell.metadata)}"
        if "attachments" in cell:
            yield f"cell {cell.id!r} has an attachment; keep pictures as files"


def ids(lesson: Lesson) -> Iterator[str]:
    """Readable ids make a readable diff and a readable test failure."""
    seen = [cell.get("id", "") for cell in lesson.cells]
    for each in sorted(set(seen)):
        if seen.count(each) > 1:
            yield f"id {each!r} is used {seen.count(each)} times"
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", each):
            yield f"id {each!r} is not words in lower case joined by hyphens"
        elif re.fullmatch(r"(?=.*\d)[0-9a-f]{8}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?", each):
            yield f"id {each!r} was made by a machine; give it a readable one"


def normalised(lesson: Lesson) -> Iterator[str]:
    """Stored as Jupyter stores it, so that saving a lesson unchanged changes nothing."""
    if lesson.text != nbformat.writes(lesson.notebook) + "\n":
        yield "not stored as Jupyter stores it; `python -m tools.tidy` does"


def title(lesson: Lesson) -> Iterator[str]:
    first = lesson.cells[0]
    if first.cell_type != "markdown" or not re.match(rf"# {lesson.number} · \S", first.source):
        yield f"the first cell does not begin with '# {lesson.number} · Title'"
    if re.findall(r"^# ", without_code(lesson.markdown), re.MULTILINE)[1:]:
        yield "more than one title"
    if len(HEADER.findall(first.source)) != 1:
        yield "the first cell lacks the line '*Run All: NN s (measured) · allow NN min (an estimate)*'"


def picture(lesson: Lesson) -> Iterator[str]:
    if not re.search(rf"!\[[^\]]{{10,}}\]\(pictures/{lesson.slug}\.svg\)", lesson.introduction):
        yield f"no picture of the pipeline: ![what it shows](pictures/{lesson.slug}.svg)"


def objectives(lesson: Lesson) -> Iterator[str]:
    block = re.search(r"You will[^\n]*\n+((?:[-*] .*(?:\n  .*)*\n?)+)", lesson.introduction)
    count = len(re.findall(r"^[-*] ", block[1], re.MULTILINE)) if block else 0
    if not 3 <= count <= 4:
        yield f"'You will' lists {count} outcomes, not 3 or 4"


def needs(lesson: Lesson) -> Iterator[str]:
    block = re.search(r"You need[^\n]*\n+((?:\|.*\|\n?)+)", lesson.introduction)
    if not block:
        yield "'You need' has no table"
        return
    if lesson.number != "00" and not re.search(r"\]\(\d\d_\w+\.ipynb\).*\b(necessary|helpful)\b", block[1]):
        yield "the 'You need' table names no earlier lesson with 'necessary' or 'helpful'"
    for each in re.findall(r"\((\d\d)_\w+\.ipynb\)", block[1]):
        if each >= lesson.number:
            yield f"it needs lesson {each}, which is not an earlier one"


def closing(lesson: Lesson) -> Iterator[str]:
    headings = re.findall(r"^## (.+?)\s*$", without_code(lesson.markdown), re.MULTILINE)
    if headings[-len(CLOSING) :] != CLOSING:
        yield f"it closes with {headings[-len(CLOSING) :]}, not {CLOSING}"


def wrap_up(lesson: Lesson) -> Iterator[str]:
    """One cell shows the questions, right after its heading; ``test_questions`` reads them."""
    cells = lesson.cells
    heading = next((place for place, cell in enumerate(cells) if cell.source.startswith("## Wrap-up\n")), -1)
    if f'WrapUp("{lesson.slug}")' not in cells[heading + 1].source:
        yield f"after '## Wrap-up' there is no cell with WrapUp(\"{lesson.slug}\")"


def monday(lesson: Lesson) -> Iterator[str]:
    """Three questions, one command, and what to look at, in one cell."""
    if not any(MONDAY.fullmatch(cell.source) for cell in lesson.cells):
        yield "no cell '## On Monday' with three questions, one command in a ```bash block, and what to look at"


def tag_order(lesson: Lesson) -> Iterator[str]:
    """Exercise, check, solution: three cells in a row. A prediction, then its reveal."""
    cells = lesson.cells
    kinds = []
    for cell in cells:
        kind, *more = [each for each in tags(cell) if each != SHORT] or [""]
        kinds.append(kind)
        if more or kind not in TAGS | {""}:
            yield f"cell {cell.id!r} has the tags {tags(cell)}"
    yield from _followed(kinds, cells, ["exercise", "check", "solution"], {"solution": "markdown"})
    yield from _followed(kinds, cells, ["predict", "reveal"], {})
    if not 2 <= kinds.count("exercise") <= 4:
        yield f"{kinds.count('exercise')} exercises, not two to four"
    if "predict" not in kinds:
        yield "nothing to predict before it is run"


def predictions(lesson: Lesson) -> Iterator[str]:
    """A cell tagged ``predict`` shows buttons; its name tells this prediction from all others."""
    for cell in lesson.cells:
        if "predict" in tags(cell) and not (PREDICTION.search(cell.source) and cell.source.endswith("\nprediction")):
            yield f'cell {cell.id!r} is not `prediction = Prediction("NAME", "one", "two")`, and then `prediction`'


def described(lesson: Lesson) -> Iterator[str]:
    """A plotly figure has a sentence for people who do not see it; one that lives may get it in a later cell."""
    code = [cell.source for cell in lesson.cells if cell.cell_type == "code"]
    for source in code:
        names = NAMED_FIGURE.findall(source)
        if len(names) < len(FIGURE.findall(source)):
            yield "a figure without a name cannot be described: `figure = go.Figure(...)`"
        for name in names:
            places = code if f"LiveFigure({name})" in source else [source]
            if not any(re.search(rf"\bdescribed\(\s*{name},", each) for each in places):
                yield f'figure {name!r} has no sentence: `described({name}, "One sentence, with numbers.")`'


def _followed(kinds: list[str], cells: list[Any], run: list[str], types: dict[str, str]) -> Iterator[str]:
    for place, kind in enumerate(kinds):
        if kind not in run:
            continue
        begin = place - run.index(kind)
        if begin < 0 or kinds[begin : begin + len(run)] != run:
            yield f"cell {cells[place].id!r} is not part of {' → '.join(run)}, one directly after the other"
        if cells[place].cell_type != types.get(kind, "code"):
            yield f"cell {cells[place].id!r}, a {kind}, is a {cells[place].cell_type} cell"


def solutions(lesson: Lesson) -> Iterator[str]:
    """JupyterLab renders a fence inside ``<details>`` only with blank lines round it."""
    for cell in lesson.cells:
        if "solution" not in tags(cell):
            continue
        if solution(cell) is None:
            yield f"solution {cell.id!r} has not exactly one ```python fence inside <details>"
        elif not re.search(r"\n\n```python\n.*\n```\n\n", cell.source, re.DOTALL):
            yield f"solution {cell.id!r} lacks a blank line before or after its fence"


def links(lesson: Lesson) -> Iterator[str]:
    yield from broken_links(lesson.markdown, lesson.path.parent)


def imports(lesson: Lesson) -> Iterator[str]:
    """The standard library, what ``pyproject.toml`` lists, and ``helpers``: nothing a learner would have to install."""
    written = re.findall(r"^%%writefile .*?(\w+)\.py\"$", "\n".join(cell.source for cell in lesson.cells), re.MULTILINE)
    allowed = {*sys.stdlib_module_names, "helpers", *distributions(), *written}
    for name in imported(lesson):
        if name.split(".")[0] not in allowed:
            yield f"it imports {name}, which is not a dependency in pyproject.toml"
        if any(part.startswith("_") and part != "__future__" for part in name.split(".")):
            yield f"it imports {name}, which is private"
        if name.startswith("helpers.bridge") and int(lesson.number) < FIRST_LESSON_WITH_BRIDGE:
            yield f"it imports {name} before the learner has written a bridge"


def one_client_recipe(lesson: Lesson) -> Iterator[str]:
    """An MQTT client is made by ``CLIENT_RECIPE``, word for word. A program that a lesson writes makes its own."""
    if lesson.slug in CLIENTS_OF_THEIR_OWN:
        return
    for name, source in code_of(lesson):
        made = source.replace(CLIENT_RECIPE, "")
        if "def new_client(" in made:
            yield f"cell {name!r} has a new_client that differs from CLIENT_RECIPE"
        elif not program(source) and re.search(r"(?<![\w.])(paho\.mqtt\.client\.|mqtt\.)?Client\(", made):
            yield f"cell {name!r} makes an MQTT client without new_client, the recipe of all lessons"


def plain_python(lesson: Lesson) -> Iterator[str]:
    """No ``%`` magics and no ``!`` shell lines: they differ between machines, and tools cannot read them.

    ``%%writefile "FILE"`` may stand over a program that the lesson runs beside the kernel; the program is read as one.
    Without the quotes it fails where the folder's name has a space.
    """
    for cell in lesson.cells:
        if cell.cell_type == "code":
            try:
                parsed(cell.source)
            except SyntaxError as error:
                yield f"cell {cell.id!r}, line {error.lineno}: {error.msg}"


def linted(lesson: Lesson) -> Iterator[str]:
    """As it stands, and again with each solution in its exercise's place."""
    yield from ruff(lesson.path, lesson.text, "as it stands")
    for cell in lesson.cells:
        if body := program(cell.source):
            yield from ruff(lesson.path.with_suffix(".py"), body + "\n", f"the program in {cell.id!r}")
    if not list(solutions(lesson)) and not list(tag_order(lesson)):
        yield from ruff(lesson.path, nbformat.writes(with_solutions(lesson.notebook)), "with its solutions")


def ruff(path: Path, text: str, what: str) -> Iterator[str]:
    """Complaints of ``ruff check`` and ``ruff format`` about notebook ``text``, under the settings for ``path``."""
    name = str(NOTEBOOKS / path.name)
    for arguments in (["check", "--output-format=concise"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--quiet", "--stdin-filename", name, "-"]
        run = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
        if run.returncode:
            yield f"{what}, ruff {arguments[0]} complains:\n{run.stdout}{run.stderr}"


def without_code(markdown: str) -> str:
    """``markdown`` without its fenced blocks and code spans, where ``#`` and ``[]()`` mean something else."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE))


def broken_links(markdown: str, folder: Path) -> Iterator[str]:
    """Links in ``markdown``, a file in ``folder``, that lead nowhere inside the repository."""
    targets = [match["target"] for match in LINK.finditer(without_code(markdown))]
    targets += re.findall(r"(?:src|href)=\"([^\"]+)\"", without_code(markdown))
    for target in targets:
        if re.match(r"(https|mailto):", target) or target.startswith("#"):
            continue
        if re.match(r"\w+:", target):
            yield f"link to {target}: use https"
            continue
        file = (folder / unquote(target.split("#")[0])).resolve()
        if not file.is_relative_to(ROOT.resolve()) or not file.exists():
            yield f"link to {target}: nothing is there"


def program(code: str) -> str:
    """The program that a ``%%writefile`` cell writes; empty for any other cell."""
    first, _, rest = code.partition("\n")
    return rest if re.fullmatch(r'%%writefile "[^"]+\.py"', first) else ""


def parsed(code: str) -> ast.Module:
    """Syntax tree of a cell, or of the program it writes; ``await`` may stand outside a function."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = compile(program(code) or code, "<cell>", "exec", flags=flags, dont_inherit=True)
    if not isinstance(tree, ast.Module):
        raise TypeError(type(tree))
    return tree


def code_of(lesson: Lesson) -> list[tuple[str, str]]:
    """Id and code of each code cell and each solution."""
    codes = [
        (cell.id, solution(cell) if "solution" in tags(cell) else cell.source)
        for cell in lesson.cells
        if cell.cell_type == "code" or "solution" in tags(cell)
    ]
    return [(name, code) for name, code in codes if code]


def imported(lesson: Lesson) -> list[str]:
    """Full names of the modules a lesson imports, in its cells and in its solutions; ``from a import b`` is ``a.b``."""
    names: list[str] = []
    for _, source in code_of(lesson):
        try:
            names += import_names(parsed(source))
        except SyntaxError:
            continue  # plain_python's business
    return names


def import_names(tree: ast.AST) -> list[str]:
    """Full names of what a syntax tree imports; ``from a import b`` is ``a.b``, since ``b`` may be a module."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
    return names


def distributions() -> set[str]:
    """Import names of the project's own dependencies, and of those that one lesson alone uses."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = [*settings["project"]["dependencies"], *settings["dependency-groups"]["streams"]]
    names = {re.split(r"[\[=<>~;! ]", each)[0] for each in listed}
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names} | {"IPython"}


def core(lesson: Lesson) -> list[Any]:
    """The cells of the core path: what is read and run in the room, without the introduction."""
    cells = []
    for cell in lesson.cells[1:]:
        if cell.cell_type == "markdown" and CORE_ENDS.search(without_code(cell.source)):
            break
        cells.append(cell)
    return cells


def lines_of_code(cell: Any) -> int:
    """Lines of a code cell that are not blank; 0 for any other cell, and for exercises and checks."""
    counts = cell.cell_type == "code" and not {"exercise", "check"} & set(tags(cell))
    return sum(bool(line.strip()) for line in cell.source.splitlines()) if counts else 0


def connects(lesson: Lesson) -> Iterator[str]:
    """By the slug, which stays when lessons are inserted before this one and its number grows."""
    first = next(cell for cell in lesson.cells if cell.cell_type == "code")
    if f'lab.connect(lesson="{lesson.slug}")' not in first.source:
        yield f'the first code cell does not call lab.connect(lesson="{lesson.slug}")'


def quarter_of_an_hour(lesson: Lesson) -> Iterator[str]:
    """One claim, one prediction, one figure, in the first code cell and a section that needs no other."""
    if SHORT_LINE not in lesson.cells[0].source.splitlines():
        yield f"the first cell lacks the line {SHORT_LINE!r}"
    cells = short_path(lesson.notebook)
    places = [place for place, cell in enumerate(lesson.cells) if SHORT in tags(cell)]
    first = next(place for place, cell in enumerate(lesson.cells) if cell.cell_type == "code")
    headings = [cell.id for cell in cells if cell.source.startswith("## In 15 minutes\n")]
    if not headings or places != [first, *range(places[-1] - len(places) + 2, places[-1] + 1)]:
        yield "tagged 'short' are not exactly the first code cell and a section '## In 15 minutes'"
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    found = {
        "claims": len(CLAIM.findall(prose)),
        "predictions": sum("predict" in tags(cell) for cell in cells),
        "figures": len(DRAWS.findall(code)),
    }
    for what, number in SHORT_LIMITS.items():
        if found[what] != number:
            yield f"in 15 minutes there are {found[what]} {what}, not {number}"
    yield from long_cells(cells)
    if (lines := sum(map(lines_of_code, cells))) > SHORT_LINES:
        yield f"in 15 minutes there are {lines} lines of code, not at most {SHORT_LINES}"
    # As the minutes of a whole lesson are estimated: words a minute, lines a minute, and three minutes to predict.
    if (minutes := len(prose.split()) / 150 + lines / 15 + 3) > 15:
        yield f"the path of 15 minutes takes {minutes:.0f}"


def short_cells(lesson: Lesson) -> Iterator[str]:
    """What does not fit on a screen is not read: boilerplate goes into a cell of its own, or to ``helpers``."""
    yield from long_cells(core(lesson))


def long_cells(cells: list[Any]) -> Iterator[str]:
    for cell in cells:
        if (lines := lines_of_code(cell)) > CELL_LINES:
            yield f"cell {cell.id!r} has {lines} lines of code, not at most {CELL_LINES}"


def small_core(lesson: Lesson) -> Iterator[str]:
    """The core path is for 45 minutes: what else is worth knowing goes under *Go further*."""
    cells = core(lesson)
    prose = without_code("\n".join(cell.source for cell in cells if cell.cell_type == "markdown"))
    found = {
        "sections": len(re.findall(r"^## ", prose, re.MULTILINE)),
        "words": len(prose.split()),
        "lines of code": sum(map(lines_of_code, cells)),
        "predictions": sum("predict" in tags(cell) for cell in cells),
        "exercises": sum("exercise" in tags(cell) for cell in cells),
    }
    for what, most in {**CORE_BUDGET, **CORE_CEILINGS.get(lesson.slug, {})}.items():
        if found[what] > most:
            yield f"the core path has {found[what]:,} {what}, not at most {most:,}"


RULES: list[Callable[[Lesson], Iterator[str]]] = [
    no_outputs,
    metadata,
    ids,
    normalised,
    title,
    picture,
    objectives,
    needs,
    closing,
    wrap_up,
    monday,
    tag_order,
    predictions,
    described,
    solutions,
    links,
    imports,
    one_client_recipe,
    plain_python,
    linted,
    short_cells,
    small_core,
    connects,
    quarter_of_an_hour,
]
