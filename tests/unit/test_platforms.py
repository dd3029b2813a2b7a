"""No system is left out by accident: what only POSIX has needs an alternative; branches for a system are walked."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers import lab
from helpers.lab.errors import LabError
from helpers.lab.runtime import launch, processes
from helpers.lessons import LESSONS
from helpers.paths import ROOT
from tests.notebooks import anatomy

MODULES = sorted((ROOT / "helpers").rglob("*.py"))
# What Windows' Python does not have, or has without effect.
POSIX_MODULES = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog"}
POSIX_CALLS = {
    *(
        f"os.{name}"
        for name in ("fork", "forkpty", "getpgid", "getuid", "geteuid", "killpg", "mkfifo", "nice", "setsid")
    ),
    *(f"os.{name}" for name in ("kill", "uname", "wait", "waitpid", "sched_getaffinity", "getloadavg")),
    *(
        f"signal.{name}"
        for name in ("SIGKILL", "SIGSTOP", "SIGCONT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "alarm")
    ),
    *(
        "signal.pause",
        "signal.pthread_kill",
        "signal.sigwait",
        "select.poll",
        "select.epoll",
        "socket.AF_UNIX",
        "socket.SO_REUSEPORT",
    ),
}
# asyncio's loop on Windows, the proactor, has none of these.
LOOP_CALLS = {"add_reader", "add_writer", "add_signal_handler"}
POSIX_ARGUMENTS = {"preexec_fn", "start_new_session", "pass_fds", "process_group"}
POSIX_FOLDERS = ("/tmp", "/proc", "/dev", "/var")  # noqa: S108
# Not files of text.
OPENS = {"os.open", "webbrowser.open", "tarfile.open", "self._sink.open", "self.sink.open", "sink.open"}
# With an alternative in the same place.
EXCUSED = {
    ("archive.py", "os.nice"): 'hasattr(os, "nice")',
    ("processes.py", "start_new_session"): "start_new_session=not windows",
    ("kernel.py", "signal.pthread_kill"): 'hasattr(signal, "pthread_kill")',
    ("worker.py", "start_new_session"): 'start_new_session=os.name != "nt"',
    ("processes.py", "/proc/"): 'sys.platform == "linux"',
    ("notebooks.py", "os.geteuid"): 'hasattr(os, "geteuid")',
    ("server.py", "resource"): "suppress(ImportError",
}


def posix_only(source: str) -> Iterator[str]:
    """What in a module exists on POSIX systems alone, or reads a file in the system's own encoding."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            yield from POSIX_MODULES & {module or "", *(each.name for each in node.names)}
        elif isinstance(node, ast.Attribute):
            yield from {ast.unparse(node)} & POSIX_CALLS | {node.attr} & LOOP_CALLS
        elif isinstance(node, ast.keyword):
            yield from {node.arg or ""} & POSIX_ARGUMENTS
        elif isinstance(node, ast.Constant) and str(node.value).startswith(POSIX_FOLDERS):
            yield str(node.value)
        elif isinstance(node, ast.Call):
            yield from without_encoding(node)


def without_encoding(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name not in {"open", "read_text", "write_text"} or ast.unparse(call.func) in OPENS:
        return
    said = any(isinstance(each, ast.Constant) and each.value in {"rb", "wb", "ab", "utf-8"} for each in call.args)
    if not said and not any(each.arg == "encoding" for each in call.keywords):
        yield f"{ast.unparse(call)} without an encoding"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_helpers_use_nothing_that_only_posix_has(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    found = [each for each in posix_only(source) if EXCUSED.get((path.name, each), "\0") not in source]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import fcntl",
        "from resource import getrlimit",
        "os.killpg(pid, 9)",
        "process.send_signal(signal.SIGKILL)",
        "signal.pthread_kill(thread, 2)",
        "loop.add_reader(socket, read)",
        "subprocess.Popen(['kafka'], preexec_fn=os.setsid)",
        "Path('/var/lab').mkdir()",
        "path.read_text()",
        "open('data/sites.csv')",
    ],
)
def test_what_only_posix_has_is_seen(source: str) -> None:
    assert list(posix_only(source))


def test_an_excuse_is_still_needed() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in MODULES}
    for (name, what), alternative in EXCUSED.items():
        assert what in posix_only(sources[name])
        assert alternative in sources[name]


@pytest.mark.parametrize(
    ("system", "options"),
    [("linux", (True, 0)), ("darwin", (True, 0)), ("win32", (False, 0x08000200))],  # a session, or Windows' flags
)
def test_a_program_is_out_of_reach_of_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, options: tuple[bool, int]
) -> None:
    asked: dict[str, Any] = {}

    def popen(_command: list[str], **given: Any) -> SimpleNamespace:
        asked.update(given)
        return SimpleNamespace(pid=2**30)

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(subprocess, "Popen", popen)
    monkeypatch.setattr(processes, "_CHILDREN", {})
    processes.start(["program"], log=tmp_path / "log.txt", folder=tmp_path)
    assert (asked["start_new_session"], asked["creationflags"]) == options


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        pytest.fail("nothing may be downloaded for a Kafka that will not start")

    monkeypatch.setattr(launch.artifacts, "fetch", never)
    monkeypatch.setattr(launch.sys, "platform", "win32")
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)  # since Python 3.12 it asks Windows itself
    # Start times are counted otherwise there: each broker of another worker would seem to have lost its owner.
    monkeypatch.setattr(processes, "sweep", lambda: None)


@pytest.mark.usefixtures("windows")
def test_the_lab_on_windows_says_wsl2_before_it_downloads(tmp_path: Path) -> None:
    settings = lab.Settings.from_environment(
        {"LAB_HOME": str(tmp_path), "LAB_PORTS": "any", "LAB_KAFKA_PROVIDER": "embedded"}
    )
    with pytest.raises(LabError, match="natively on Windows") as caught:
        lab.up(settings)
    assert "WSL2" in caught.value.remedy
    assert "docker compose up --wait" in caught.value.remedy
    assert not lab.down(settings)


@pytest.mark.usefixtures("windows")
def test_a_scratch_kafka_on_windows_says_wsl2_too() -> None:
    with pytest.raises(LabError, match="natively on Windows") as caught:
        lab.scratch("kafka").start()
    assert "WSL2" in caught.value.remedy


def test_the_message_on_windows_names_the_lessons_that_start_a_kafka_of_their_own() -> None:
    named = re.search(r"all lessons but ([\d, andto]+), which start a Kafka", launch._WSL)
    assert named
    spans = [(first, last or first) for first, last in re.findall(r"(\d\d)(?: to (\d\d))?", named[1])]
    kafka = re.compile(r"lab\.(cluster|secured)\(|lab\.scratch\((?s:.*)\"kafka\"")
    start = [
        number
        for number, lesson in LESSONS.items()
        for cell in anatomy.Lesson.read(lesson.path).cells
        if cell.cell_type == "code" and kafka.search(cell.source)
    ]
    assert sorted({*start}) == [each for each in LESSONS if any(first <= each <= last for first, last in spans)]
