"""Ctrl-C ends the tests' brokers too, also those of a worker that pytest-xdist has to kill."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from helpers.paths import ROOT

# Each worker has a lab and does not answer to an interrupt: its fixtures never get to end the lab.
TESTS = """
import signal, time
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_that_hangs(lab_env, tmp_path_factory, number):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    (tmp_path_factory.getbasetemp().parent / f"began-{number}").touch()
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="by design: the lab does not run natively on Windows")
def test_no_broker_outlives_interrupted_tests(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(TESTS, encoding="utf-8")
    base = tmp_path / "base"
    command = [sys.executable, "-m", "pytest", "-n", "2", "-p", "tests.conftest", "-c", ROOT / "pyproject.toml"]
    controller = subprocess.Popen([*command, "--basetemp", base, tmp_path / "test_hanging.py"], cwd=ROOT)
    try:
        while len(list(base.glob("began-*"))) < 2:
            assert controller.poll() is None
            time.sleep(0.1)
        assert brokers(base)
        controller.send_signal(signal.SIGINT)
        assert controller.wait(timeout=60) == pytest.ExitCode.INTERRUPTED
        assert brokers(base) == []
    finally:
        controller.kill()
        for each in brokers(base):
            each.kill()


def brokers(base: Path) -> list[psutil.Process]:
    """Return the processes of the labs in a folder."""
    marked = {each: each.info["environ"] or {} for each in psutil.process_iter(["environ"])}
    return [each for each, env in marked.items() if env.get("LAB_STARTED_IN", "").startswith(str(base))]
