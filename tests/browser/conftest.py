"""A JupyterLab of the tests' own, begun as a learner begins it, and a browser that can reach this machine only."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from helpers.paths import ROOT
from tests.browser.lab_page import notebook_of
from tests.notebooks.anatomy import Lesson

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: uv run --group browser")

# Nothing that a browser does for itself may blur what the lessons need from the network.
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_ADDRESS_WITHIN = 120


@dataclass(frozen=True)
class Jupyter:
    """Where JupyterLab is: ``http://127.0.0.1:PORT``, and the token that opens it."""

    url: str
    token: str

    def notebook(self, path: Path) -> str:
        """The address of a notebook, in a workspace of its own: no tabs of an earlier visit."""
        place = path.relative_to(ROOT).as_posix()
        return f"{self.url}/lab/workspaces/{uuid.uuid4().hex}/tree/{place}?token={self.token}"

    def end_kernels(self) -> None:
        for session in json.loads(self._ask("GET", "/api/sessions")):
            self._ask("DELETE", f"/api/sessions/{session['id']}")

    def _ask(self, method: str, path: str) -> bytes:
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}{path}", method=method, headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            body: bytes = answer.read()
        return body


@dataclass
class Visit:
    """One browser page, and what it asked of the world outside: ``refused`` should stay empty."""

    page: Any
    refused: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def jupyter(lab_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """JupyterLab started by ``lab start``, by somebody who never started it before."""
    newcomer = tmp_path_factory.mktemp("newcomer")
    env = {
        **lab_env,
        "HOME": str(newcomer),
        "LAB_CACHE": lab_env.get("LAB_CACHE") or str(_cache()),
        "JUPYTER_CONFIG_DIR": str(newcomer / "config"),
        "JUPYTER_DATA_DIR": str(newcomer / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(newcomer / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(newcomer / "workspaces"),
        "PYTHONUNBUFFERED": "1",
    }
    # The notebooks in the repository stay as they are.
    autosave = newcomer / "settings" / "@jupyterlab" / "docmanager-extension" / "plugin.jupyterlab-settings"
    autosave.parent.mkdir(parents=True)
    autosave.write_text('{"autosave": false}', encoding="utf-8")
    command = [sys.executable, "-c", "from helpers.cli.main import main; main()", "start", "--no-browser"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed: deque[str] = deque(maxlen=200)
    found: list[str] = []
    reader = threading.Thread(target=_read, args=(process, printed, found), daemon=True)
    reader.start()
    try:
        deadline = time.monotonic() + _ADDRESS_WITHIN
        while not found:
            assert process.poll() is None, f"lab start ended:\n{''.join(printed)}"
            assert time.monotonic() < deadline, f"lab start gave no address:\n{''.join(printed)}"
            time.sleep(0.1)
        parts = urlsplit(found[0])
        token = re.search(r"token=(\w+)", parts.query)
        yield Jupyter(url=f"{parts.scheme}://{parts.netloc}", token=token[1] if token else "")
    finally:
        process.terminate()
        process.wait(30)
        reader.join(10)


def _cache() -> Path:
    from helpers import lab

    return lab.Settings.from_environment({}).cache


def _read(process: subprocess.Popen[str], printed: deque[str], found: list[str]) -> None:
    for line in process.stdout or ():
        printed.append(line)
        if match := re.search(r"http://127\.0\.0\.1:\d+/\S*token=\w+", line):
            found.append(match[0])


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = next(
        (found for each in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(each))), None
    )
    if path is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, jupyter: Jupyter) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    visit = Visit(page=context.new_page())

    def guard(route: Any) -> None:
        url = route.request.url
        if urlsplit(url).hostname in LOOPBACK:
            route.continue_()
        else:
            visit.refused.append(url)
            route.abort()

    context.route(re.compile(r"^(https?|wss?|ftp):"), guard)
    yield visit
    context.close()
    jupyter.end_kernels()


@pytest.fixture
def notebook(request: pytest.FixtureRequest, artifacts: Path, unique: Callable[[str], str]) -> Iterator[Lesson]:
    """A notebook with the code cells of the test's module: ``SOURCES``, by id."""
    with notebook_of(artifacts / f"{unique('cells')}.ipynb", request.module.SOURCES) as lesson:
        yield lesson
