"""The pages that people read, the commands on them, and how each command is tested.

A command is a line of a fenced block without a language, or a code span that begins with the name of a program and has
an argument. ``uv run lab``, ``.venv/bin/lab`` and ``lab`` are the same command. A command without an entry here fails
a test, and so does an entry without a command: a new command comes with the place of its test, or a reason why not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from helpers.paths import ROOT

PAGES = ("README.md", "WORKSHOP.md", "CONTRIBUTING.md", "docs/ci-with-nbmake.md")

RUN = "tests/integration/test_docs.py"
_UPDATES = "tests/integration/test_docs.py, in its last test"
_OFFLINE = "tests/integration/test_offline.py"
_COMPOSE = "tests/compose"
_COMMAND = "tests/integration/lab/test_command.py"
_BRIDGE = "tests/integration/bridge/test_command_line.py"
_PROXY = "tests/integration/proxy/test_command_line.py"
_SHARING = "tests/integration/lab/test_sharing.py"
_BOARD = "tests/integration/lab/test_board.py"
_UNIT = "tests/unit"
_CI = ".ci/run"
_CONDA = "not run: needs conda"

TESTED = {
    # Installing
    "git clone ADDRESS-OF-THIS-REPOSITORY lessons && cd lessons": _UPDATES,
    "pip install uv": ".github/workflows/ci.yml",
    "pip install uv && uv run lab": ".github/workflows/ci.yml",
    "pip install --target .uv uv && .uv/bin/uv run lab": _CI,
    "uv sync --all-groups": _CI,
    "python3 -m venv .venv": _OFFLINE,
    "python3 --version": RUN,
    ".venv/bin/pip install --editable . --constraint constraints.txt": _OFFLINE,
    ".venv/bin/pip install --no-deps quixstreams==3.28.1 rocksdict==0.3.29": "tried by hand; see the changelog",
    ".venv/bin/pip install --constraint constraints.txt jsonlines jsonpath-ng orjson pydantic pydantic-settings": (
        "as above"
    ),
    ".venv/bin/pip install --editable .": _OFFLINE,
    ".venv/bin/pip install --upgrade pip": "not run: it would change the environment in which the tests run",
    ".venv/bin/pip install --editable . --group dev": "not run: a second environment of 1 GB for one option of pip",
    "python -m venv .venv && .venv/bin/pip install --editable . --group dev": "not run: as above",
    "pip install --editable": _OFFLINE,
    "uv run --with notebook jupyter notebook notebooks": "not run: see docs/not-run.md",
    "conda env create --file environment.yml": _CONDA,
    "conda activate mqtt-and-kafka": _CONDA,
    "pip install --no-deps --editable .": _CONDA,
    "pip install --no-deps quixstreams==3.28.1 rocksdict==0.3.29": _CONDA,
    # The lab, day to day
    "lab": "tests/integration/lab/test_lifecycle.py",
    "lab up": RUN,
    "lab status": RUN,
    "lab doctor": RUN,
    "lab logs kafka": RUN,
    "lab reset": RUN,
    "lab reset --all": _COMMAND,
    "lab run 00": RUN,
    "lab run 00 01": "not run: as `lab run 00`",
    "lab run 02": "not run: as `lab run 00`",
    "lab run": "not run: as `lab run 00`; tests/notebooks run every lesson",
    "lab down": RUN,
    "lab down --wipe": RUN,
    "lab leave": RUN,
    "lab prefetch": RUN,
    "lab prefetch --to DIR": RUN,
    "lab prefetch --from DIR": _COMMAND,
    # On the job
    'lab bridge --from "acme/{device}/readings" --to acme-readings --make-topics': _BRIDGE,
    'lab simulate --size 200 --rate 1000 --topic "acme/{device}/readings"': _BRIDGE,
    "lab bridge back": _BRIDGE,
    "lab bridge replay": _BRIDGE,
    'lab proxy --from "acme/{device}/readings" --to acme-readings --make-topics --port 1885': _PROXY,
    "lab bridge --help": RUN,
    "lab proxy --help": RUN,
    "lab simulate --help": RUN,
    # A stick
    "export STICK=/media/stick": _OFFLINE,
    'git clone ADDRESS-OF-THIS-REPOSITORY "$STICK/lessons"': _OFFLINE,
    'uv run --with pip pip download --dest "$STICK/wheels" --requirement constraints.txt hatchling==1.33.0 editables': (
        _OFFLINE
    ),
    'uv run --with pip pip download --dest "$STICK/wheels" --no-deps quixstreams==3.28.1': _OFFLINE,
    'lab prefetch --to "$STICK/programs"': _OFFLINE,
    "uv pip compile --quiet --group streams --python-platform aarch64-apple-darwin --python-version 3.12 --output-file "
    '"$STICK/macos.txt" pyproject.toml': _OFFLINE,
    'uv run --with pip pip download --dest "$STICK/wheels" --only-binary :all: --no-deps --platform macosx_14_0_arm64 '
    '--python-version 3.12 --requirement "$STICK/macos.txt"': _OFFLINE,
    "uv pip compile --quiet --group streams --python-platform x86_64-manylinux_2_28 --python-version 3.12 "
    '--output-file "$STICK/linux.txt" pyproject.toml': _OFFLINE,
    'uv run --with pip pip download --dest "$STICK/wheels" --only-binary :all: --no-deps --platform '
    "manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --python-version 3.12 "
    '--requirement "$STICK/linux.txt"': _OFFLINE,
    'cp -R "$STICK/lessons" lessons && cd lessons': _OFFLINE,
    '.venv/bin/pip install --no-index --find-links "$STICK/wheels" --editable .': _OFFLINE,
    '.venv/bin/pip install --no-index --find-links "$STICK/wheels" --no-deps quixstreams==3.28.1 rocksdict==0.3.29': (
        _OFFLINE
    ),
    '.venv/bin/pip install --no-index --find-links "$STICK/wheels" jsonlines jsonpath-ng orjson pydantic '
    "pydantic-settings": _OFFLINE,
    'lab prefetch --from "$STICK/programs"': _OFFLINE,
    # One lab for the room
    "lab up --share": _SHARING,
    "lab up --share 192.168.1.20": _SHARING,
    "lab join": _SHARING,
    "lab join workshop.env --name ana": _SHARING,
    "lab join workshop.env --name ana --again": _SHARING,
    "lab reset --learner ana --lesson 04": _SHARING,
    "lab join workshop.env --name ana --board": _SHARING,
    "lab board": _BOARD,
    "lab board ana.json ben.json": _BOARD,
    "lab board --forget": _BOARD,
    "lab progress": _BOARD,
    "lab progress --path embedded": _BOARD,
    "lab progress --path backend": _BOARD,
    "lab progress --report": _BOARD,
    "lab progress --export ana.json": _BOARD,
    "lab reset --everyone": _SHARING,
    "uv run python tests/benchmarks/workshop.py --learners 30": "not run: it keeps every core busy for minutes",
    # One's own work, and the end
    "mkdir -p mine && cp -R notebooks/. mine": _UPDATES,
    "git pull": _UPDATES,
    "cp notebooks/04_kafka_is_a_log.ipynb mine/04_new.ipynb": _UPDATES,
    "cp -R notebooks mine-before": _UPDATES,
    "git restore notebooks": _UPDATES,
    "rm -r lessons": "not run: it deletes",
    # Docker
    "docker compose up --wait": _COMPOSE,
    "KAFKA_PORT=9095 docker compose up --wait": _COMPOSE,
    "docker compose --profile NAME up --wait": _COMPOSE,
    "docker compose logs jupyter": _COMPOSE,
    "docker compose down": _COMPOSE,
    "docker compose down --volumes": _COMPOSE,
    # For contributors
    "uv run COMMAND": "not run: COMMAND stands for any of the others",
    "uv run pytest -n 4": _CI,
    'uv run pytest -n 4 --mqtt embedded -m "mqtt and not slow"': _CI,
    'uv run pytest -n 4 -m "slow and not weekly"': _CI,
    "uv run pytest -m weekly": ".github/workflows/weekly.yml",
    "uv run pytest --again tests/notebooks -k 02": _CI,
    "uv run pytest -m slow tests/notebooks/test_answers.py -k 02": _CI,
    "uv run pytest --nbmake --nbmake-timeout=60 notebooks": ".github/workflows/ci.yml",
    "uv run --group browser pytest -n 2 tests/browser": _CI,
    "uv run ruff check && uv run ruff format --check && uv run mypy && uv run codespell": _CI,
    "uv run pytest tests/compose": _CI,
    "bash .ci/run": "not run: the tests would run themselves",
    "uvx pre-commit install": "not run: it would leave a hook in the repository that is tested",
    "uvx pre-commit run --all-files": "not run: its hooks are the linters, which .ci/run runs",
    # Continuous integration
    "uv run pytest --again tests/notebooks": _CI,
    "uv run pytest --nbmake --nbmake-timeout=60 -n 2 notebooks": "not run: as without -n",
    "uv run pytest --nbmake --nbmake-timeout=60 --exitfirst notebooks": "not run: as without --exitfirst",
    "uv run pytest --nbmake --nbmake-timeout=60 notebooks/00_start_here.ipynb": RUN,
    "uv run --group book python -m tools.book": "tests/browser/test_book.py",
    "uv run --group book python -m tools.handouts": "tests/browser/test_book.py",
    "uv run python -m tools.links": _UNIT,
    "uv run pytest tests/notebooks/test_hygiene.py -k NN": RUN,
    'uv run python -m tools.new_lesson 16 "Your title"': "tests/unit/test_new_lesson.py",
    "uv run python -m tools.tidy notebooks/NN_SLUG.ipynb": RUN,
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
