"""A Docker engine: the one that answers, else one of the tests' own, which is gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

_READY_WITHIN = 60
_GONE_WITHIN = 60


@contextmanager
def engine() -> Iterator[dict[str, str]]:
    """Give the variables with which ``docker`` finds an engine; skip where there is none and none can be started."""
    if shutil.which("docker") is None or not _answers("compose", "version"):
        pytest.skip("Docker or its compose plugin is not installed; tests/compose/install gets them on Debian 12")
    if _answers("info"):
        yield {}
        return
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        pytest.skip("no Docker engine answers, and only root can start one")
    folder = Path(tempfile.mkdtemp(prefix="docker-"))
    try:
        with _daemon(folder) as variables:
            yield variables
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _daemon(folder: Path) -> Iterator[dict[str, str]]:
    variables = {"DOCKER_HOST": f"unix://{folder}/docker.sock"}
    log = folder / "log.txt"
    # vfs copies every layer and needs nothing of the kernel or of the disk beneath.
    command = ["dockerd", "--storage-driver", "vfs", "--host", variables["DOCKER_HOST"]]
    command += ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
    with log.open("wb") as output:
        # A group of its own: Ctrl-C is for pytest, which still has containers to end.
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + _READY_WITHIN
        while not _answers("info", variables=variables):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"dockerd did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
        yield variables
    finally:
        process.terminate()
        try:
            process.wait(timeout=_GONE_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(*command: str, variables: Mapping[str, str] | None = None) -> bool:
    env = {**os.environ, **(variables or {})}
    try:
        answer = subprocess.run(["docker", *command], env=env, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return False
    return answer.returncode == 0
