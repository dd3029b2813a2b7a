"""Programs that outlive the command that started them: start, recognise again, end."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import psutil

_CLOCK_SLACK = 2.0


@dataclass(frozen=True)
class Process:
    """A process by pid *and* start time (seconds since the epoch): a pid alone may be somebody else's by now."""

    pid: int
    started: float

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return self._find() is not None

    def memory(self) -> int:
        """Its proportional set size in bytes (its resident size where the system does not tell); 0 once dead."""
        process = self._find()
        if process is None:
            return 0
        try:
            full = process.memory_full_info()
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            return 0
        return int(getattr(full, "pss", full.rss))

    def exit_code(self) -> int | None:
        """The exit code of a dead child of ours; None where it cannot be known."""
        child = _CHILDREN.get(self.pid)
        return child.poll() if child else None

    def end(self, *, grace: float) -> bool:
        """Ask it to end, and kill it after ``grace`` seconds. Return whether it ended by itself."""
        process = self._find()
        if process is None:
            return True
        try:
            process.terminate()
            process.wait(timeout=grace)
        except psutil.TimeoutExpired:
            self.kill()
            return False
        except psutil.NoSuchProcess:
            return True
        return True

    def kill(self) -> None:
        """End it without a goodbye."""
        process = self._find()
        if process is None:
            return
        try:
            process.kill()
            process.wait(timeout=10)
        except (psutil.NoSuchProcess, psutil.TimeoutExpired):
            return

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP): its connections stay open, it answers nothing."""
        psutil.Process(self.pid).suspend()

    def thaw(self) -> None:
        """Let a frozen process go on."""
        psutil.Process(self.pid).resume()

    def _find(self) -> psutil.Process | None:
        if (child := _CHILDREN.get(self.pid)) is not None and child.poll() is not None:
            return None
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) > _CLOCK_SLACK or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except psutil.NoSuchProcess:
            return None
        return process


# Kept so that a child which ends is reaped, not left a zombie that looks alive.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def start(command: list[str], *, log: Path, folder: Path) -> Process:
    """Start ``command`` in ``folder``, away from this terminal's Ctrl-C, its output appended to ``log``."""
    windows = sys.platform == "win32"
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=not windows,
            creationflags=0x00000200 if windows else 0,  # CREATE_NEW_PROCESS_GROUP
        )
    _CHILDREN[child.pid] = child
    try:
        started = psutil.Process(child.pid).create_time()
    except psutil.NoSuchProcess:
        started = 0.0
    return Process(child.pid, started)


def tail(log: Path, *, lines: int = 15) -> str:
    """Return the last lines of a log, indented."""
    if not log.is_file():
        return "  (no log)"
    with log.open(encoding="utf-8", errors="replace") as file:
        return "".join(f"  {line.rstrip()}\n" for line in deque(file, maxlen=lines)).rstrip() or "  (empty)"
