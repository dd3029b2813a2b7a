"""Programs that outlive the command that started them: start, recognise again, end."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

# A file in the folder of a scratch broker: only a folder with it is ever deleted.
SCRATCH = ".lab-scratch"
_SLACK = 2.0
# In the environment of what is started: it is recognised even if its starter died before it could note the pid.
_MARK = "LAB_STARTED_IN"
# Likewise, what must not outlive somebody: the pid and start time of its owner.
_OWNER = "LAB_OWNER"
_OWNED_BY = re.compile(r"(\d{1,9}) (\d+\.\d+)")
# Windows: neither Ctrl-C nor the closing of this terminal reaches it (CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW).
_DETACHED = 0x00000200 | 0x08000000
# Java reads names of files by the locale, and under C knows no letter beyond ASCII. macOS and Windows need no telling.
LOCALE = {"LC_ALL": "C.UTF-8"} if sys.platform == "linux" else {}
_CGROUP = Path("/sys/fs/cgroup")
# Children are kept so that one which ends is reaped, not left a zombie that looks alive.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Process:
    """A process by pid *and* start time, see :func:`start_time`: a pid alone may belong to another program by now."""

    pid: int
    started: float

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return self._find() is not None

    def memory(self) -> int:
        """Its proportional set size in bytes (its resident size where the system does not tell); 0 once dead."""
        try:
            full = process.memory_full_info() if (process := self._find()) else None
        except psutil.Error:
            return 0
        return int(getattr(full, "pss", full.rss)) if full else 0

    def exit_code(self) -> int | None:
        """The exit code of a dead child of ours; None where it cannot be known."""
        child = _CHILDREN.get(self.pid)
        return child.poll() if child else None

    def end(self, *, grace: float) -> None:
        """Ask it to end, and kill it if it has not after ``grace`` seconds."""
        if process := self._find():
            try:
                process.terminate()
                process.wait(timeout=grace)
            except psutil.TimeoutExpired:
                self.kill()
            except psutil.NoSuchProcess:
                pass

    def kill(self) -> None:
        """End it without a goodbye."""
        if process := self._find():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
                process.kill()
                process.wait(timeout=10)

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP): its connections stay open, it answers nothing."""
        if process := self._find():
            process.suspend()

    def thaw(self) -> None:
        """Let a frozen process go on."""
        if process := self._find():
            process.resume()

    def _find(self) -> psutil.Process | None:
        if (child := _CHILDREN.get(self.pid)) is not None and child.poll() is not None:
            return None
        try:
            process = psutil.Process(self.pid)
            same = abs(start_time(self.pid) - self.started) < _SLACK
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (psutil.Error, OSError):
            return None


def start(command: list[str], *, log: Path, folder: Path, owned: bool = False) -> Process:
    """Start ``command`` in ``folder``, away from this terminal's Ctrl-C, its output appended to ``log``.

    ``owned``: it is this Python's alone, and :func:`sweep` ends it when this Python is gone.
    """
    windows = sys.platform == "win32"
    owner = {_OWNER: f"{os.getpid()} {start_time(os.getpid())}"} if owned else {}
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **LOCALE, _MARK: str(folder), **owner},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=not windows,
            creationflags=_DETACHED if windows else 0,
        )
    _CHILDREN[child.pid] = child
    try:
        return Process(child.pid, start_time(child.pid))
    except (psutil.Error, OSError):
        return Process(child.pid, 0.0)


def started_in(folders: Collection[Path]) -> Iterator[tuple[Path, Process]]:
    """Find what :func:`start` began in one of the folders and still lives, even if its pid was not recorded."""
    return ((folder, process) for folder, process, _ in _marked() if folder in folders)


def sweep() -> None:
    """End what was started as ``owned`` by a Python that is gone, and delete its data: a killed kernel ends nothing."""
    for folder, process, owner in _marked():
        # Any program may set the variables, to anything.
        if (match := _OWNED_BY.fullmatch(owner)) and not Process(int(match[1]), float(match[2])).alive():
            process.kill()
            if (folder / SCRATCH).is_file():
                shutil.rmtree(folder, ignore_errors=True)


def _marked() -> Iterator[tuple[Path, Process, str]]:
    """Find this user's processes that carry the mark: the folder that it names, the process, the owner's mark."""
    user = psutil.Process().username()
    for process in psutil.process_iter(["environ", "username"]):
        marks = process.info["environ"] or {}
        if _MARK in marks and process.info["username"] == user:
            with contextlib.suppress(psutil.Error, OSError):
                yield Path(marks[_MARK]), Process(process.pid, start_time(process.pid)), marks.get(_OWNER, "")


def start_time(pid: int) -> float:
    """Return when a process started, in seconds: since boot on Linux, since the epoch elsewhere.

    On Linux psutil computes the latter from the clock, and a clock that is set would make it another process.
    """
    if sys.platform == "linux":
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return psutil.Process(pid).create_time()


def free_memory() -> float:
    """Return how many bytes new processes may take: what the machine has available, or a container's limit leaves."""
    free: float = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError, KeyError):  # no cgroups of version 2, or the limit is the word max
        limit, used, more = ((_CGROUP / f"memory.{name}").read_text("utf-8") for name in ("max", "current", "stat"))
        cached = dict(line.split() for line in more.splitlines())["inactive_file"]  # given back when it is needed
        free = min(free, int(limit) - int(used) + int(cached))
    return free


def tail(log: Path, *, lines: int = 15, indent: str = "  ") -> str:
    """Return the last lines of a log."""
    if not log.is_file():
        return f"{indent}(no log)"
    with log.open(encoding="utf-8", errors="replace") as file:
        return "\n".join(indent + line.rstrip() for line in deque(file, maxlen=lines)) or f"{indent}(empty)"
