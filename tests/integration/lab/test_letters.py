"""A lab, and a lesson on it, where names of folders have spaces and letters beyond ASCII, under the locale C."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import lab

pytestmark = [
    pytest.mark.slow,  # a lab of Java only, from a copy of the downloads, and a lesson on it
    pytest.mark.skipif(sys.platform == "win32", reason="by design: locales like these are a POSIX idea"),
    pytest.mark.timeout(400),
]


def test_a_lab_in_a_folder_with_such_a_name_runs_a_lesson(tmp_path: Path) -> None:
    folder = tmp_path / "Übungen und Tests"
    (folder / "Ablage").mkdir(parents=True)
    cache = folder / "Ablage" / "größer"
    shutil.copytree(lab.Settings.from_environment().cache, cache, copy_function=_link)
    env = {
        **{name: value for name, value in os.environ.items() if name not in {"LANG", "PYTHONUTF8"}},
        "LC_ALL": "C",
        "LAB_HOME": str(folder / "lab"),
        "LAB_CACHE": str(cache),
        "LAB_PORTS": "any",
        "LAB_MQTT_PROVIDER": "embedded",  # Java, like the others
        "LAB_INFLUXDB_PROVIDER": "none",
    }
    program = [sys.executable, "-c", "from helpers.cli.main import main; main()"]
    try:
        for command in (["up"], ["run", "00"]):
            done = subprocess.run(
                [*program, *command], env=env, capture_output=True, timeout=180, check=False, encoding="utf-8"
            )
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        subprocess.run([*program, "down"], env=env, capture_output=True, timeout=60, check=False)


def _link(source: str, target: str) -> None:
    """Make no second copy of the brokers where the disk is the same."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
