"""What the lab remembers: whole or not at all, and never taken for more than it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from helpers.lab.errors import LabBusy, NotWritable
from helpers.lab.runtime.processes import Process, start_time
from helpers.lab.state import Running, State, locked


def running(pid: int, started: float) -> Running:
    return Running(service="mqtt", program="mosquitto", pid=pid, started=started, ports=(1883,))


def entry(**wrong: object) -> str:
    """A state file with one service, and something wrong about it."""
    right = {"service": "mqtt", "program": "mosquitto", "pid": 1, "started": 1.0, "ports": [1883]}
    return json.dumps({"services-v1": [right | wrong]})


def me() -> Running:
    return running(os.getpid(), start_time(os.getpid()))


def test_no_file_means_that_nothing_runs(tmp_path: Path) -> None:
    state = State.load(tmp_path / "not there")
    assert not state.services
    assert not state.unreadable


def test_a_home_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(NotWritable, match="home"):
        State.load(tmp_path / "home")


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.services["mqtt"] = me()
    state.save()
    back = State.load(tmp_path)
    assert back.services == state.services
    assert back.services["mqtt"].process.alive()


def test_a_stale_file_does_not_take_a_stranger_for_the_broker(tmp_path: Path) -> None:
    """After a restart of the machine another process may have the number that the file remembers."""
    state = State(tmp_path)
    state.services["mqtt"] = running(os.getpid(), start_time(os.getpid()) - 1000)
    state.save()
    assert not State.load(tmp_path).services["mqtt"].process.alive()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "{}",
        '{"services-v0": []}',
        '{"services-v1": 7}',
        '{"services-v1": [7]}',
        '{"services-v1": [{}]}',
        '{"services-v1": [{"service": "mqtt", "ports": [1]}]}',
        '{"services-v1": [{"service": "mqtt", "ports": [1], "colour": "red"}]}',
        entry(ports=7),
        entry(ports=[]),
        entry(ports=["mqtt"]),
        entry(pid="one"),
        entry(program="tea"),
        "\0\0\0\0",
    ],
)
def test_an_unreadable_file_is_put_aside_and_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    state = State.load(tmp_path)
    assert state.unreadable
    assert not state.services
    assert (tmp_path / "state.unreadable").read_text() == text
    assert not State.load(tmp_path).unreadable


def test_a_file_that_is_no_text_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_bytes(b"\xff\xfe\x00")
    assert State.load(tmp_path).unreadable


def test_a_draft_that_was_never_finished_changes_nothing(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.services["mqtt"] = me()
    state.save()
    (tmp_path / "state.draft").write_text("{")
    assert State.load(tmp_path).services == state.services


def test_the_lock_keeps_others_out_and_lets_them_in_afterwards(tmp_path: Path) -> None:
    busy = pytest.raises(LabBusy, match="working in")
    with FileLock(tmp_path / "lock"), busy as caught, locked(tmp_path, seconds=0.1):
        pass
    assert str(tmp_path) in caught.value.cause
    with locked(tmp_path, seconds=0.1) as state:
        assert not state.services


def test_the_lock_goes_when_the_work_under_it_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path, seconds=0.1):
        pass


def test_an_error_of_the_work_is_not_taken_for_one_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), locked(tmp_path):
        raise PermissionError


def test_the_lock_of_a_killed_command_is_no_hindrance(tmp_path: Path) -> None:
    hold = "import sys, filelock as f\nwith f.FileLock(sys.argv[1]):\n    print('held', flush=True)\n    input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LabBusy), locked(tmp_path, seconds=0.1):
            pass
        other.kill()
        other.wait()
        with locked(tmp_path, seconds=5):
            pass


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for home in (tmp_path / "file", tmp_path / "file" / "home"):
        with pytest.raises(NotWritable, match="LAB_HOME") as caught, locked(home):
            pass
        assert str(home) in caught.value.cause


def test_a_state_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "state.draft").mkdir()
    with pytest.raises(NotWritable):
        State(tmp_path).save()


def test_a_process_that_never_was_is_dead() -> None:
    assert not Process(2**22 + 1, 0.0).alive()
