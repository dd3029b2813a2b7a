"""Processes are recognised, ended, and never confused."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from helpers.lab.runtime import processes
from helpers.lab.runtime.processes import Process, start, started_in, tail
from tests.waiting import wait_until

SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)",
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


@pytest.fixture
def sleeper(log: Path) -> Iterator[Process]:
    process = begin(SLEEP, log)
    yield process
    process.kill()


def begin(command: list[str], log: Path) -> Process:
    process = start(command, log=log, folder=log.parent)
    wait_until(lambda: b"here" in log.read_bytes())
    return process


def test_a_process_lives_until_it_is_ended(sleeper: Process) -> None:
    assert sleeper.alive()
    assert sleeper.memory() > 0
    sleeper.end(grace=10)
    assert not sleeper.alive()
    assert sleeper.memory() == 0


def test_the_exit_code_of_what_ended_by_itself_is_known(log: Path) -> None:
    process = begin([sys.executable, "-c", "print('here'); raise SystemExit(7)"], log)
    wait_until(lambda: not process.alive())
    assert process.exit_code() == 7


def test_a_killed_child_is_not_a_zombie_that_looks_alive(sleeper: Process) -> None:
    psutil.Process(sleeper.pid).kill()
    wait_until(lambda: not sleeper.alive())


def test_what_will_not_end_is_killed(log: Path) -> None:
    process = begin(STUBBORN, log)
    process.end(grace=0.2)
    assert not process.alive()


def test_ending_the_dead_is_no_error(sleeper: Process) -> None:
    sleeper.kill()
    sleeper.kill()
    sleeper.end(grace=1)


def test_a_pid_with_another_start_time_is_somebody_else(sleeper: Process) -> None:
    stranger = Process(sleeper.pid, sleeper.started - 100)
    assert not stranger.alive()
    stranger.end(grace=0)
    stranger.kill()
    assert sleeper.alive()


@pytest.mark.skipif(sys.platform == "win32", reason="by design: sessions are a POSIX idea")
def test_a_broker_is_out_of_reach_of_this_terminal(sleeper: Process) -> None:
    assert os.getsid(sleeper.pid) != os.getsid(0)


def test_a_frozen_process_lives_and_goes_on(sleeper: Process) -> None:
    sleeper.freeze()
    wait_until(lambda: psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED)
    assert sleeper.alive()
    sleeper.thaw()
    wait_until(lambda: psutil.Process(sleeper.pid).status() != psutil.STATUS_STOPPED)


def test_what_was_started_in_a_folder_is_found_without_a_note(sleeper: Process, log: Path, tmp_path: Path) -> None:
    assert dict(started_in([log.parent])) == {log.parent: sleeper}
    assert not list(started_in([tmp_path / "elsewhere", tmp_path.parent]))


def test_a_shell_in_the_folder_is_not_ours(log: Path) -> None:
    with psutil.Popen(SLEEP, cwd=log.parent, stdout=-3) as shell:
        try:
            assert not list(started_in([log.parent]))
        finally:
            shell.kill()


def test_output_is_appended_to_the_log(log: Path) -> None:
    log.write_text("before\n")
    begin(SLEEP, log).kill()
    assert log.read_text() == "before\nhere\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "  (no log)"),
        (b"", "  (empty)"),
        (b"one\ntwo\n", "  one\n  two"),
        (b"\xff\n", "  \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_the_tail_of_a_log(log: Path, text: bytes | None, expected: str) -> None:
    if text is not None:
        log.write_bytes(text)
    assert tail(log) == expected


def test_the_tail_is_the_end(log: Path) -> None:
    log.write_text("".join(f"{number}\n" for number in range(100)))
    assert tail(log, lines=2, indent="") == "98\n99"


@contextlib.contextmanager
def stranger(user: int | None = None, **marks: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program with such marks in its environment."""
    # Another user may not be able to read our Python.
    command = SLEEP if user is None else ["/bin/sh", "-c", "echo here; exec sleep 60"]
    with subprocess.Popen(command, env={**os.environ, **marks}, stdout=subprocess.PIPE, user=user) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.parametrize("file", [processes.SCRATCH, "thesis.txt"])
def test_what_a_dead_owner_left_ends_and_only_the_folder_of_a_scratch_broker_with_it(file: str, tmp_path: Path) -> None:
    (folder := tmp_path / "scratch-mosquitto-x").mkdir()
    (folder / file).touch()
    # That start was another process's.
    with stranger(LAB_STARTED_IN=str(folder), LAB_OWNER=f"{os.getpid()} 1.0") as orphan:
        processes.sweep()
        orphan.wait(timeout=20)
    deadline = time.monotonic() + 20  # another test's sweep may have come first, and still delete the folder
    while folder.exists() and file != "thesis.txt" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert folder.exists() == (file == "thesis.txt")


@pytest.mark.parametrize("owner", ["", "x", "1", "1 2 3", "1 nan", "1.0 1.0", f"{'9' * 40} 1.0", "-1 1.0", "1 1e400"])
def test_marks_that_somebody_else_set_harm_nothing(owner: str, tmp_path: Path) -> None:
    with stranger(LAB_STARTED_IN=str(tmp_path / "gone"), LAB_OWNER=owner) as process:
        processes.sweep()
        assert not list(started_in([tmp_path]))
        assert process.poll() is None


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="by design: only root may be somebody else")
def test_the_processes_of_other_users_are_not_ours(tmp_path: Path) -> None:
    (folder := tmp_path / "scratch-mosquitto-x").mkdir()
    (folder / processes.SCRATCH).touch()
    with stranger(65534, LAB_STARTED_IN=str(folder), LAB_OWNER=f"{os.getpid()} 1.0") as process:
        processes.sweep()
        assert not list(started_in([folder]))
        assert process.poll() is None
    assert folder.exists()


def test_a_clock_that_is_set_changes_no_process(sleeper: Process, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # On Linux the kernel says when it started in the time of today's clock, and psutil adds to that.
    real = psutil.boot_time()
    for module in (psutil, psutil._psplatform):
        monkeypatch.setattr(module, "boot_time", lambda: real + 7200)
    assert sleeper.alive()
    assert dict(started_in([log.parent])) == {log.parent: sleeper}
    sleeper.kill()
    assert not sleeper.alive()
