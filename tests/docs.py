"""The pages that people read, the commands on them, and how each command is tested.

A command is a line of a fenced block without a language, or a code span that begins with the name of a program and has
an argument. ``uv run lab``, ``.venv/bin/lab`` and ``lab`` are the same command. A command without an entry here fails
a test, and so does an entry without a command: whoever writes a command says how it is tested.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from helpers.paths import ROOT

PAGES = ("README.md", "WORKSHOP.md", "CONTRIBUTING.md", "docs/ci-with-nbmake.md")


@dataclass(frozen=True)
class Run:
    """tests/integration/test_docs.py runs it in a lab of its own. ``slow``: with ``-m slow`` only."""

    slow: bool = False


@dataclass(frozen=True)
class Covered:
    """Another file runs it, or what it stands for: ``by`` is that file, and ``saying`` stands in it."""

    by: str
    saying: str


@dataclass(frozen=True)
class NotRun:
    """Nothing runs it, for this reason."""

    reason: str


RUN, RUN_SLOWLY = Run(), Run(slow=True)
_UPDATES = Covered("tests/integration/test_docs.py", "Updated lessons, and one's own work")
_STICK = Covered("tests/integration/test_offline.py", "Make a stick")
_OFFLINE = Covered("tests/integration/test_offline.py", "Install from the stick")
_PLATFORMS = Covered("tests/integration/test_offline.py", "test_every_wheel_exists_for_another_platform")
_COMPOSE = "tests/compose/test_stack.py"
_SHARING = "tests/integration/lab/test_sharing.py"
_COMMAND = "tests/integration/lab/test_command.py"
_ITSELF = NotRun("the tests would run themselves; .ci/run runs it")

TESTED = {
    # Installing
    "git clone ADDRESS-OF-THIS-REPOSITORY lessons && cd lessons": _UPDATES,
    "pip install uv": Covered(".github/workflows/ci.yml", "pip install uv"),
    "pip install uv && uv run lab": Covered(".github/workflows/ci.yml", "pip install uv"),
    "pip install --target .uv uv && .uv/bin/uv run lab": Covered(".ci/run", "pip install -q --target .uv uv"),
    "uv sync --all-groups": Covered(".ci/run", "uv sync --all-groups"),
    "python3 -m venv .venv": _OFFLINE,
    "python3 --version": RUN,
    ".venv/bin/pip install --editable .": _OFFLINE,
    ".venv/bin/pip install --upgrade pip": NotRun("it would change the environment of whoever runs the tests"),
    ".venv/bin/pip install --editable . --group dev": NotRun("a second environment of 1 GB for one option of pip"),
    "python -m venv .venv && .venv/bin/pip install --editable . --group dev": NotRun("as above"),
    "pip install --editable": _OFFLINE,
    "conda env create --file environment.yml": NotRun("conda is not everywhere; tests/unit reads environment.yml"),
    "conda activate mqtt-and-kafka": NotRun("needs conda"),
    "pip install --no-deps --editable .": NotRun("needs the environment that conda made"),
    # The lab, day to day
    "lab": Covered("tests/integration/lab/test_lifecycle.py", "--no-browser"),
    "lab up": RUN,
    "lab status": RUN,
    "lab doctor": RUN,
    "lab logs kafka": RUN,
    "lab reset": RUN,
    "lab run 00": RUN,
    "lab run 00 01": RUN_SLOWLY,
    "lab run 02": RUN_SLOWLY,
    "lab run": Covered("tests/notebooks/test_lessons.py", "LESSONS"),
    "lab down": RUN,
    "lab down --wipe": RUN,
    "lab leave": RUN,
    "lab prefetch": RUN,
    "lab prefetch --to DIR": RUN,
    "lab prefetch --from DIR": RUN,
    # A stick
    "export STICK=/media/stick": _STICK,
    'git clone ADDRESS-OF-THIS-REPOSITORY "$STICK/lessons"': _STICK,
    'uv export --quiet --no-dev --no-emit-project --no-hashes --output-file "$STICK/requirements.txt"': _STICK,
    'uv run --with pip pip download --dest "$STICK/wheels" --requirement "$STICK/requirements.txt" '
    "hatchling==1.33.0 editables": _STICK,
    'lab prefetch --to "$STICK/programs"': _STICK,
    "uv pip compile --quiet --python-platform aarch64-apple-darwin --python-version 3.12 --output-file "
    '"$STICK/macos.txt" pyproject.toml': _PLATFORMS,
    'uv run --with pip pip download --dest "$STICK/wheels" --only-binary :all: --no-deps --platform macosx_14_0_arm64 '
    '--python-version 3.12 --requirement "$STICK/macos.txt"': _PLATFORMS,
    "uv pip compile --quiet --python-platform x86_64-manylinux_2_28 --python-version 3.12 --output-file "
    '"$STICK/linux.txt" pyproject.toml': _PLATFORMS,
    'uv run --with pip pip download --dest "$STICK/wheels" --only-binary :all: --no-deps --platform '
    "manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --python-version 3.12 "
    '--requirement "$STICK/linux.txt"': _PLATFORMS,
    'cp -R "$STICK/lessons" lessons && cd lessons': _OFFLINE,
    '.venv/bin/pip install --no-index --find-links "$STICK/wheels" --editable .': _OFFLINE,
    'lab prefetch --from "$STICK/programs"': _OFFLINE,
    # One lab for the room
    "lab up --share": Covered(_SHARING, '"--share"'),
    "lab up --share 192.168.1.20": Covered(_SHARING, '"--share"'),
    "lab join": Covered(_SHARING, '"join"'),
    "lab join workshop.env --name ana": Covered(_SHARING, '"join"'),
    "lab join workshop.env --name ana --again": Covered(_SHARING, '"--again"'),
    "lab reset --learner ana --lesson 04": Covered(_SHARING, '"--learner"'),
    "lab reset --everyone": Covered(_SHARING, '"--everyone"'),
    "uv run python tests/benchmarks/workshop.py --learners 30": NotRun("it keeps every core busy for minutes"),
    # One's own work, and the end
    "cp -R notebooks mine": _UPDATES,
    "git pull": _UPDATES,
    "cp notebooks/04_kafka_is_a_log.ipynb mine/04_new.ipynb": _UPDATES,
    "cp -R notebooks mine-before": _UPDATES,
    "git restore notebooks": _UPDATES,
    "rm -r lessons": NotRun("it deletes"),
    # Docker
    "docker compose up --wait": Covered(_COMPOSE, "up"),
    "KAFKA_PORT=9095 docker compose up --wait": Covered(_COMPOSE, "up"),
    "docker compose --profile NAME up --wait": Covered("tests/compose/test_cluster.py", "cluster"),
    "docker compose logs jupyter": Covered("tests/compose/test_jupyter.py", "jupyter"),
    "docker compose down": Covered("tests/compose/test_volumes.py", "down"),
    "docker compose down --volumes": Covered("tests/compose/test_volumes.py", "volumes"),
    # For contributors
    "uv run COMMAND": NotRun("COMMAND stands for any of the others"),
    "uv run pytest -n 2": _ITSELF,
    "uv run pytest -m slow": _ITSELF,
    "uv run pytest tests/notebooks -k 02": _ITSELF,
    "uv run pytest --again tests/notebooks": Covered(".ci/run", "--again"),
    "uv run pytest -n 2 --mqtt embedded": Covered(".ci/run", "pytest -n 2 --mqtt embedded"),
    "uv run pytest --nbmake --nbmake-timeout=60 notebooks": Covered(".ci/run", "pytest --nbmake --nbmake-timeout=60"),
    "uv run --group browser pytest tests/browser": Covered(".ci/run", "--group browser pytest tests/browser"),
    "uv run ruff check && uv run ruff format --check && uv run mypy && uv run codespell": Covered(
        ".ci/run", "codespell"
    ),
    "uv run pytest tests/compose": Covered(".ci/run", "tests compose pytest tests/compose"),
    "bash .ci/run": _ITSELF,
    "sed -i.bak 's#OWNER/REPOSITORY#ana/lessons#g' README.md && rm README.md.bak": Covered(
        "tests/unit/test_workflows.py", "sed -i.bak"
    ),
    # Continuous integration
    "uv run pytest tests/notebooks": _ITSELF,
    "uv run pytest --nbmake --nbmake-timeout=60 -n 2 notebooks": Covered(
        ".ci/run", "--nbmake-timeout=60 -n 2 notebooks"
    ),
    "uv run pytest --nbmake --nbmake-timeout=60 --exitfirst notebooks": Covered(".ci/run", "pytest --nbmake"),
    "uv run pytest --nbmake --nbmake-timeout=60 notebooks/04_kafka_is_a_log.ipynb": Covered(
        ".ci/run", "pytest --nbmake"
    ),
    "uv run python -m tools.pages site": Covered("tests/browser/test_pages.py", "publish("),
    "uv run python -m tools.links": Covered("tests/unit/test_workflows.py", "links.trouble("),
    "uv run pytest tests/notebooks/test_hygiene.py -k NN": RUN,
    "uv run python -m tools.tidy notebooks/NN_topic.ipynb": RUN,
}

_FENCE = re.compile(r"^ *(`{3,})(\w*)$")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PROGRAM = re.compile(
    r"(uvx?|lab|pip|git|docker|conda|bash|python3?|pytest|cp|rm|\.venv/bin/\w+|\.uv/bin/\w+|[A-Z_]+=\S+) \S"
)


def text(page: str) -> str:
    """Return a page as it is stored."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, heading: str = "") -> Iterator[list[str]]:
    """Yield the lines of each block of commands, below one heading or in the whole page."""
    language, lines, opened, here = "", [], "", not heading
    for line in text(page).splitlines():
        fence = _FENCE.match(line)
        if opened:
            if fence and fence[1] == opened:
                if not language and here and opened == "```":
                    yield lines
                opened = ""
            else:
                lines.append(line.strip())
        elif fence:
            opened, language, lines = fence[1], fence[2], []
        elif line.startswith("#"):
            here = not heading or line.lstrip("# ") == heading


def prose(page: str) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^ *(`{3,}).*?^ *\1$", "", text(page), flags=re.DOTALL | re.MULTILINE)


def commands(page: str) -> set[str]:
    """Return the commands of a page."""
    spans = {each for each in _SPAN.findall(prose(page)) if _PROGRAM.match(each)}
    lines = {line for block in blocks(page) for line in block if line and not line.startswith("#")}
    return {re.sub(r"^(uv run |\.venv/bin/)lab\b", "lab", each) for each in spans | lines}
