"""How much memory a learner's machine gives to the lab, JupyterLab and a lesson, against what was promised.

    uv run python tests/benchmarks/memory.py [--lessons 11 12]

Starts a lab of its own with all services, as `lab` does, and JupyterLab; runs each lesson in a kernel of JupyterLab's,
and looks every second. A process counts if it was started in that lab. Prints the sum of PSS, in MB, when JupyterLab is
ready, at its highest during the lesson, and at the lesson's end, by part. The browser is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import psutil
from jupyter_client.blocking import BlockingKernelClient
from jupyter_core.paths import jupyter_runtime_dir

from helpers import lab, lessons
from helpers.cli.notebooks import jupyterlab
from helpers.lab.progress import Reporter

PROMISED = 2200  # MB
WITHIN = 120


def parts(home: str) -> Counter[str]:
    """MB of PSS of each part of the lab in ``home``."""
    found: Counter[str] = Counter()
    for process in psutil.process_iter():
        try:
            if process.environ().get("LAB_HOME") == home:
                found[part(process.cmdline())] += process.memory_full_info().pss // 1_000_000
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def part(command: list[str]) -> str:
    """What a process is."""
    words = " ".join(command)
    for name in ("jupyterlab", "ipykernel", "kafka.Kafka", "artemis", "quarkus", "mosquitto", "influxd"):
        if name in words:
            return name
    return Path(command[0]).name if command else "?"


def run(lesson: lessons.Lesson, address: str) -> Iterator[None]:
    """Run a lesson's code cells in a new kernel of the JupyterLab at ``address``; one step for each."""
    url = urlsplit(address)
    [token] = parse_qs(url.query)["token"]
    body = json.dumps({"name": "python3", "path": "notebooks"}).encode()
    asked = urllib.request.Request(f"http://{url.netloc}/api/kernels?token={token}", data=body, method="POST")
    with urllib.request.urlopen(asked, timeout=WITHIN) as answer:  # noqa: S310  our own server
        kernel = json.load(answer)["id"]
    client = BlockingKernelClient(connection_file=f"{jupyter_runtime_dir()}/kernel-{kernel}.json")
    client.load_connection_file()
    client.hb_channel.time_to_dead = WITHIN  # a busy machine's kernel is slow, not dead
    client.start_channels()
    client.wait_for_ready(timeout=WITHIN)
    for cell in nbformat.read(lesson.path, as_version=4).cells:
        if cell.cell_type == "code":
            answer = client.execute_interactive(cell.source, timeout=WITHIN, output_hook=lambda _message: None)
            assert answer["content"]["status"] == "ok", f"{cell.id}: {answer['content']}"
            yield
    client.stop_channels()
    gone = urllib.request.Request(f"http://{url.netloc}/api/kernels/{kernel}?token={token}", method="DELETE")
    urllib.request.urlopen(gone, timeout=WITHIN).close()  # noqa: S310


def main() -> None:
    """Measure one lesson after the other, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lessons", nargs="+", default=["11", "12"])
    chosen = [lessons.find(each) for each in parser.parse_args().lessons]
    with tempfile.TemporaryDirectory(prefix="memory-") as home:
        os.environ |= {"LAB_HOME": home, "LAB_PORTS": "any"}
        settings = lab.Settings.from_environment()
        try:
            lab.up(settings, report=Reporter())
            with jupyterlab(settings, chosen[0]) as running:
                for lesson in chosen:
                    measure(lesson, home, running.address)
        finally:
            lab.down(settings)


def measure(lesson: lessons.Lesson, home: str, address: str) -> None:
    """Run a lesson, and print what its parts took."""
    seen = [parts(home)]
    done = threading.Event()

    def look() -> None:
        while not done.wait(1):
            seen.append(parts(home))

    looking = threading.Thread(target=look)
    looking.start()
    began = time.monotonic()
    try:
        for _ in run(lesson, address):
            last = parts(home)
    finally:
        done.set()
        looking.join()
    highest = max([*seen, last], key=Counter.total)
    print(f"lesson {lesson.number}, {time.monotonic() - began:.0f} s, {len(seen)} looks; MB of PSS")
    for when, found in {"before": seen[0], "highest": highest, "at its end": last}.items():
        shares = ", ".join(f"{name} {megabytes}" for name, megabytes in found.most_common())
        print(f"  {when:<12}{found.total():>6}   {shares}")
    print(f"  promised    {PROMISED:>6}   ratio {highest.total() / PROMISED:.2f}")


if __name__ == "__main__":
    main()
