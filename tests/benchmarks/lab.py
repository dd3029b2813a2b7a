"""How fast the lab is and how much memory it needs, against what was promised.

    uv run python tests/benchmarks/lab.py

Uses a lab of its own on free ports. What is missing is downloaded first and not counted. Prints each figure beside its
bar, and their ratio; below 1 the promise is kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from helpers import lab
from helpers.lab.runtime import processes
from helpers.lab.services.table import SERVICES

STARTS = 5


def timed(env: dict[str, str], *arguments: str) -> float:
    """Seconds that one ``lab`` command takes, from the shell's point of view."""
    began = time.monotonic()
    subprocess.run([Path(sys.executable).with_name("lab"), *arguments], env=env, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def cpu_seconds(settings: lab.Settings) -> float:
    """CPU seconds that the services have used so far: unlike the time of a start, about the same on a busy machine."""
    used = (psutil.Process(each.pid).cpu_times() for each in lab.status(settings) if each.pid)
    return sum(each.user + each.system for each in used)


def left_running(home: Path) -> int:
    """How many processes that were started below ``home`` live."""
    folders = [home / name / each.name for name, service in SERVICES.items() for each in service.programs]
    return len(list(processes.started_in(folders)))


def main() -> None:
    """Measure one after the other, and print a table."""
    with tempfile.TemporaryDirectory(prefix="lab-benchmark-") as folder:
        env = {**os.environ, "LAB_HOME": folder, "LAB_PORTS": "any"}
        settings = lab.Settings.from_environment(env)
        timed(env, "prefetch")
        rows = [("first start, all services ready (s)", timed(env, "up"), 6.0)]
        starts, work = [], []
        for _ in range(STARTS):
            timed(env, "down")
            starts.append(timed(env, "up"))
            work.append(cpu_seconds(settings))
        rows.append((f"later start, median of {STARTS} (s)", median(starts), 4.0))
        rows.append(("CPU of the services until they are ready (s)", median(work), 8.0))
        rows.append(("`lab up` when everything runs (s)", timed(env, "up"), 1.0))
        timed(env, "run", "00")
        memory = sum(each.memory or 0 for each in lab.status(settings))
        rows.append(("memory after a lesson, sum of PSS (MB)", memory / 1e6, 1200.0))
        rows.append(("`lab down` (s)", timed(env, "down"), 10.0))
        left = left_running(settings.home)
    print(f"{'what':<46}{'measured':>10}{'bar':>8}{'ratio':>8}")
    for what, measured, bar in rows:
        print(f"{what:<46}{measured:>10.1f}{bar:>8.1f}{measured / bar:>8.2f}")
    print(f"{'processes left after `lab down`':<46}{left:>10}{0:>8}")


if __name__ == "__main__":
    main()
