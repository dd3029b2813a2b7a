"""Running lessons: in JupyterLab, or headless."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError
from helpers.lab.runtime import ports
from helpers.lab.runtime.ports import LOOPBACK
from helpers.lab.runtime.processes import tail
from helpers.lab.runtime.program import CONF
from helpers.lab.settings import Settings
from helpers.lessons import Lesson
from helpers.paths import ROOT

_PORT = 8888
_READY_WITHIN = 60.0
_CELL_TIMEOUT = 120

OnCell = Callable[[int, int], None]


class LessonFailed(LabError):
    """A lesson did not run to its end; ``cell`` counts its code cells from 1."""

    def __init__(self, file: str, *, cell: int, source: str, reason: str) -> None:
        self.file = file
        self.cell = cell
        first = next(iter(source.strip().splitlines()), "")
        super().__init__(
            f"{file} failed in code cell {cell} ({first}): {reason}",
            remedy="Open the lesson with `lab`, run it up to that cell, and look. `lab doctor` checks the services.",
        )


@dataclass(frozen=True)
class JupyterLab:
    """A running JupyterLab: the address of its first lesson (with the token), and its process."""

    address: str
    process: subprocess.Popen[bytes]


@contextmanager
def jupyterlab(settings: Settings, first: Lesson, *, port: int = _PORT) -> Iterator[JupyterLab]:
    """Run JupyterLab on the loopback interface, protected by a token, and end it afterwards.

    Raises:
        LabError: It did not start; the message shows the end of its log.
    """
    port = ports.any_free() if settings.any_port else ports.next_free(port, but=set())
    token = secrets.token_hex(16)
    log = settings.home / "jupyterlab.txt"
    page = f"lab/tree/{first.path.relative_to(ROOT).as_posix()}"
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.ip={LOOPBACK}"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={ROOT}"),
        *("--ServerApp.answer_yes=True", "--ServerApp.open_browser=False", f"--LabApp.default_url=/{page}"),
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    ]
    environment = {
        **os.environ,
        # Not on the command line, where every user of the machine could read it.
        "JUPYTER_TOKEN": token,
        # These settings turn off JupyterLab's questions about news and updates.
        "JUPYTER_CONFIG_PATH": os.pathsep.join(
            filter(None, [str(CONF / "jupyter"), os.environ.get("JUPYTER_CONFIG_PATH")])
        ),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _await(process, f"http://{LOOPBACK}:{port}/api/status?token={token}", log)
        yield JupyterLab(f"http://{LOOPBACK}:{port}/{page}?token={token}", process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    # Only ours knows the token: two that start at once may have chosen one port, and the other's answer says nothing.
    deadline = time.monotonic() + _READY_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310  our own server
                return
        except OSError:
            time.sleep(0.1)
    raise LabError(
        f"JupyterLab did not start. The last lines of its log:\n{tail(log)}",
        remedy=f"The whole log is {log}. `lab doctor` checks the installed packages.",
    )


def execute(lesson: Lesson, *, on_cell: OnCell = lambda _done, _all: None) -> float:
    """Run a lesson from top to bottom in a fresh kernel. Return the seconds it took; the file is not changed.

    Raises:
        LessonFailed: A cell raised, took longer than two minutes, or ended the kernel.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = nbformat.read(lesson.path, as_version=4)  # type: ignore[no-untyped-call]
    code = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    at = [0]

    def started(*, cell_index: int, **_: Any) -> None:  # noqa: ANN401  nbclient's signature
        if cell_index in code:
            at[0] = code.index(cell_index)
            on_cell(at[0], len(code))

    client = NotebookClient(
        notebook,
        timeout=_CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(lesson.path.parent)}},
        on_cell_execute=started,
    )
    began = time.monotonic()
    try:
        # DEVNULL takes the kernel's own messages; a cell's stderr is among its outputs.
        client.execute(env={**os.environ, "LAB_UNATTENDED": "1"}, stderr=subprocess.DEVNULL)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        reason = f"{error.ename}: {error.evalue}" if isinstance(error, CellExecutionError) else type(error).__name__
        source = notebook.cells[code[at[0]]].source
        raise LessonFailed(lesson.file, cell=at[0] + 1, source=source, reason=reason) from error
    on_cell(len(code), len(code))
    return time.monotonic() - began
