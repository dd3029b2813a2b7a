"""A program beside the kernel: started, killed, stopped and started again, as a program in production is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from helpers import running
from helpers.errors import LessonError

# Runs the file as `python FILE` would, and ends with its parent, whose end closes the pipe even after SIGKILL.
# jsonschema does without rfc3987_syntax, which is optional; importing it takes 1.5 s of CPU time at each start.
_RUN = """
import os, runpy, sys, threading
sys.modules["rfc3987_syntax"] = None
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
del sys.argv[0]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class WorkerError(LessonError):
    """A worker did not start, or did not end. ``log`` is what it printed."""

    def __init__(self, worker: Worker, what: str, *, remedy: str) -> None:
        self.log = worker.log
        tail = "\n".join(self.log.splitlines()[-12:]) or "(nothing)"
        super().__init__(f"The worker {worker.name} {what}. It printed:\n{tail}\n", remedy=remedy)


class Worker:
    """A Python program in a process of its own. A ``with`` block starts it and kills it at the end.

    ``arguments`` are what the program finds in ``sys.argv[1:]``. It is ready once it prints ``ready``, or at once if
    that is empty. What it prints is in ``log``, across all its starts. ``away`` lists the times between which it did
    not run, as pairs of ``time.time()``; a pair without an end means that it does not run now.

    It ends when a lesson's first cell runs again, when another worker of that name starts, and when Python ends.
    """

    def __init__(self, file: Path, *arguments: str, name: str = "", ready: str = "ready") -> None:
        self.name = name or file.stem
        self.away: list[tuple[float, float | None]] = []
        self._command = [sys.executable, "-u", "-c", _RUN, str(file.resolve()), *arguments]
        self._output = file.with_name(f"{self.name}.log")
        self._output.write_bytes(b"")
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, within: float = 30.0) -> Self:
        """Start the program, and return once it is ready.

        Raises:
            WorkerError: It ended before it was ready, or was not ready ``within`` seconds.
        """
        running.beside(f"worker {self.name}", self.kill)
        printed = len(self.log)
        with self._output.open("ab") as output:
            # A session of its own: interrupting a cell must not interrupt the worker.
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=output, stderr=output,
                cwd=self._output.parent, start_new_session=os.name != "nt",
            )  # fmt: skip
        deadline = time.monotonic() + within
        while self._ready not in self.log[printed:]:
            if not self.alive and self._ready not in self.log[printed:]:
                raise WorkerError(self, "ended before it was ready", remedy="Mend the program and run the cell again.")
            if self.alive and time.monotonic() > deadline:
                self.kill()
                raise WorkerError(self, f"was not ready in {within:.0f} s", remedy="`lab status` shows the brokers.")
            time.sleep(0.02)
        if self.away:
            self.away[-1] = (self.away[-1][0], time.time())
        return self

    def kill(self) -> None:
        """SIGKILL: it ends at once, as in a power cut."""
        self._end(grace=0.0)

    def stop(self, *, grace: float = 10.0) -> None:
        """SIGTERM, as a deployment sends it; SIGKILL if it has not ended after ``grace`` seconds."""
        self._end(grace=grace)

    def supervise(self, seconds: float) -> int:
        """Start it again whenever it has ended, as systemd or Kubernetes does; return how often that was."""
        deadline, restarts = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            if not self.alive:
                self.kill()
                restarts += 1
                with suppress(WorkerError):  # it ended again at once
                    self.start()
            time.sleep(0.02)
        return restarts

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it printed so far, errors included."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def last_error(self) -> str:
        """The last line of its log that names an error; empty if there is none."""
        return next((line for line in reversed(self.log.splitlines()) if "Error" in line), "")

    def _end(self, grace: float) -> None:
        if self._process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            if grace:
                self._process.terminate()
                self._process.wait(grace)
        self._process.kill()
        self._process.communicate()
        self._process = None
        if not self.away or self.away[-1][1] is not None:
            self.away.append((time.time(), None))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
