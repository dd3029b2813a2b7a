"""Commands that are interrupted, killed, or fail half-way: nothing is forgotten, and the message says what goes on."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jgo.maven._core as maven
import nbformat
import psutil
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers import lab, lessons
from helpers.cli import main as cli
from helpers.lab.errors import DownloadError, LabError
from helpers.lab.runtime import artifacts, launch, processes
from helpers.lab.runtime.artifacts import Artifact
from helpers.lab.scratch.broker import require_running
from helpers.lab.services import mqtt
from helpers.lab.services.base import Names
from helpers.lab.services.mqtt import MQTT
from helpers.lab.services.table import SERVICES
from tests.waiting import wait_until

LAB = str(Path(sys.executable).with_name("lab"))
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="by design: signals are a POSIX idea")


def started_here(home: Path) -> list[int]:
    folders = [home / name / each.name for name, service in SERVICES.items() for each in service.programs]
    return [process.pid for _, process in processes.started_in(folders)]


@contextmanager
def begun(env: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The ``lab`` command, running."""
    env = env | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [LAB, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def read_until(output: Any, said: str) -> str:
    text = ""
    for line in output:
        text += line
        if said in line:
            return text
    raise AssertionError(text)


def test_an_orderly_stop_ends_jupyterlab_and_leaves_the_brokers(lab_env: dict[str, str]) -> None:
    """What systemd or Docker send is the same as Ctrl-C."""
    with begun(lab_env, "start", "--no-browser") as running:
        text = read_until(running.stdout, "Ctrl-C ends")
        time.sleep(0.2)  # let it reach its wait
        running.send_signal(signal.SIGTERM)
        rest, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "The brokers still run" in rest, text + rest
    assert all(each.ready for each in lab.status(lab.Settings.from_environment(lab_env)) if each.provider != "none")


def test_ctrl_c_ends_a_simulation_and_tells_the_count(lab_env: dict[str, str], unique: Callable[[str], str]) -> None:
    with begun(lab_env, "simulate", "--rate", "50", "--topic", f"{unique('fleet')}/{{device}}") as running:
        read_until(running.stdout, "Ctrl-C stops")
        time.sleep(1)
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=60)
    assert running.returncode == 0, rest
    count = re.search(r"(\d+) readings published and acknowledged", rest)
    assert count, rest
    assert int(count[1]) > 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_up_forgets_nothing(own_env: dict[str, str], own: lab.Settings, how: signal.Signals) -> None:
    with begun(own_env, "up") as running:
        read_until(running.stdout, "Starting")
        wait_until(lambda: started_here(own.home))
        running.send_signal(how)
        rest, _ = running.communicate(timeout=120)
    if how == signal.SIGINT:
        assert running.returncode == 130
        assert "lab down" in rest
    else:
        (own.home / "state.json").unlink(missing_ok=True)  # as if it had not come to write it
    assert lab.down(own)
    assert not started_here(own.home)


def test_a_scratch_broker_of_a_killed_kernel_is_ended(lab_env: dict[str, str]) -> None:
    script = 'from helpers import lab; broker = lab.scratch("mqtt").start(); print(broker.pid, flush=True); input()'
    with subprocess.Popen(
        [sys.executable, "-c", script], env=lab_env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as kernel:
        assert kernel.stdout is not None
        pid = int(kernel.stdout.readline())
        mine = lab.scratch("mqtt").start()
        assert psutil.pid_exists(pid), "its owner lives"
        kernel.kill()
    assert psutil.pid_exists(pid), "nobody was told"
    mine.close()
    with lab.scratch("mqtt"):  # another test's sweep may have come first, and still be at it
        wait_until(lambda: not psutil.pid_exists(pid))


def interrupted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, and then Ctrl-C."""

    def until_interrupted(*arguments: Any, **options: Any) -> None:
        function(*arguments, **options)
        raise KeyboardInterrupt

    return until_interrupted


def test_a_scratch_broker_whose_kill_was_interrupted_did_not_end_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.scratch("mqtt") as broker:
        with monkeypatch.context() as patch:
            patch.setattr(processes.Process, "kill", interrupted(processes.Process.kill))
            with pytest.raises(KeyboardInterrupt):
                broker.kill()
        assert not broker.alive
        require_running()


@pytest.mark.parametrize("step", ["launch", "await_ready"])
def test_an_interrupted_restart_of_a_scratch_broker_leaves_its_data_and_no_process(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lab.scratch("mqtt") as broker:
        folder, address = broker.log.parent, broker.address
        broker.kill()
        with monkeypatch.context() as patch:
            patch.setattr(launch, step, interrupted(getattr(launch, step)))
            with pytest.raises(KeyboardInterrupt):
                broker.start()
        assert not list(processes.started_in([folder]))
        broker.start()
        assert (broker.log.parent, broker.address) == (folder, address)


@pytest.mark.parametrize("step", ["launch", "await_ready"])
def test_an_interrupted_first_start_of_a_scratch_broker_leaves_nothing(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    real = launch.launch

    def noting(program: Any, instance: Any, **options: Any) -> processes.Process:
        made.append(instance.folder)
        return real(program, instance, **options)

    monkeypatch.setattr(launch, "launch", noting)
    monkeypatch.setattr(launch, step, interrupted(getattr(launch, step)))
    with pytest.raises(KeyboardInterrupt):
        lab.scratch("mqtt").start()
    [folder] = made
    assert not list(processes.started_in([folder]))
    assert not folder.exists()


def test_a_service_that_fails_does_not_make_the_lab_forget_the_others(
    own: lab.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = launch.launch
    other = threading.Event()

    def failing(program: Any, instance: Any, **options: Any) -> processes.Process:
        if program.name == "kafka":
            assert other.wait(60)
            raise LabError("Kafka could not be started.")
        process = real(program, instance, **options)
        other.set()
        return process

    with monkeypatch.context() as patch:
        patch.setattr(launch, "launch", failing)
        with pytest.raises(LabError, match="Kafka could not"):
            lab.up(own, only=["kafka", "mqtt"])
    statuses = {each.service.name: each for each in lab.status(own)}
    assert statuses["mqtt"].ready
    assert statuses["kafka"].problem == "not running"
    repaired = {each.service.name: each for each in lab.up(own, only=["kafka", "mqtt"])}
    assert repaired["kafka"].ready
    assert repaired["mqtt"].pid == statuses["mqtt"].pid


def test_the_log_of_a_start_is_about_that_start(own: lab.Settings) -> None:
    (first,) = lab.up(own, only=["mqtt"])
    assert first.log
    first.log.write_text("from before\n", encoding="utf-8")
    lab.down(own)
    (second,) = lab.up(own, only=["mqtt"])
    assert second.log == first.log
    assert "from before" not in second.log.read_text(encoding="utf-8")
    assert "from before" in second.log.with_name("log-before.txt").read_text(encoding="utf-8")


@pytest.fixture
def broken_lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    cells = [nbformat.v4.new_code_cell(source) for source in ("good = 1", "tank.refuel(9)  # nobody made it")]
    file = tmp_path / "98_broken.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), file)
    monkeypatch.setitem(lessons.LESSONS, "98", lessons.Lesson(title="Broken", file=str(file), owns=()))
    return "98"


def test_a_lesson_that_fails_is_exit_code_1(
    here: Any, broken_lesson: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here.mqtt
    monkeypatch.setattr(sys, "argv", ["lab", "run", broken_lesson])
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert "code cell 2 (tank.refuel(9)  # nobody made it): NameError" in said.out
    assert "1 of 1 lessons failed" in said.err


def test_reset_ends_the_sessions_that_a_lesson_left(here: Any, unique: Callable[[str], str]) -> None:
    name = unique("session")
    for_an_hour = Properties(PacketTypes.CONNECT)
    for_an_hour.SessionExpiryInterval = 3600
    answers: list[bool] = []
    client = mqtt.client(here.mqtt, name)
    client.on_connect = lambda _c, _d, flags, *_: answers.append(flags.session_present)
    with mqtt.connected(client, here.mqtt, clean_start=False, properties=for_an_hour):
        wait_until(lambda: answers)
    assert answers == [False]
    names = Names(owned=lambda _: False, filters=[f"{name}/#"], sessions=[name])
    assert MQTT.reset(here.mqtt, names)["sessions"] == 1
    assert MQTT.reset(here.mqtt, names)["sessions"] == 0


class Trickle(BaseHTTPRequestHandler):
    """Of one file nothing, of the other a little every now and then, for longer than anybody waits."""

    ended = threading.Event()

    def do_GET(self) -> None:
        if "broken" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.ended.is_set():
                self.wfile.write(b"x" * 8192)
                self.ended.wait(0.1)

    def log_message(self, *_: object) -> None: ...


def test_when_one_download_fails_nobody_waits_for_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        Artifact("kafka", "org.example", name, "1.0", "", "jar", 1_000_000, name * 64) for name in ("broken", "slow")
    ]
    with ThreadingHTTPServer(("127.0.0.1", 0), Trickle) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setitem(maven.DEFAULT_REMOTE_REPOS, "central", f"http://127.0.0.1:{server.server_port}")
        arrived: list[int] = []
        try:
            with pytest.raises(DownloadError, match="broken"):
                artifacts.fetch(wanted, tmp_path, advance=arrived.append)
        finally:
            Trickle.ended.set()
            server.shutdown()
    assert sum(arrived) < 1_000_000
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]
