"""The lab starts, survives what happens to it, says what is wrong, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from helpers import lab, lessons
from helpers.lab import lifecycle, state
from helpers.lab.errors import BrokerEnded, LabBusy, LabError, NotWritable, ServiceDied, ServiceNotReady
from helpers.lab.lifecycle import Status
from helpers.lab.runtime import launch, ports, processes
from helpers.lab.runtime.program import Instance, on_path
from helpers.lab.scratch.broker import require_running
from helpers.lab.services.table import PROGRAMS, SERVICES
from tests.waiting import wait_until

MQTT = ["mqtt"]
LAB = str(Path(sys.executable).with_name("lab"))


def by_name(statuses: list[Status]) -> dict[str, Status]:
    return {each.service.name: each for each in statuses}


def started_here(home: Path) -> list[int]:
    """The pids of everything that was started below a lab's home and lives."""
    folders = [home / name / each.name for name, service in SERVICES.items() for each in service.programs]
    return [process.pid for _, process in processes.started_in(folders)]


def test_up_down_and_what_lies_between(own_env: dict[str, str], own: lab.Settings, command: Callable[..., Any]) -> None:
    before = command(own_env, "status")
    assert before.returncode == 3
    assert "not running" in before.stdout

    first = by_name(lab.up(own))
    assert all(first[name].ready for name in ("mqtt", "kafka", "registry"))
    admin = AdminClient({**first["kafka"].endpoint.conf})
    admin.create_topics([NewTopic("hello-kept", num_partitions=1)])["hello-kept"].result(20)

    again = by_name(lab.up(own))
    assert {name: each.pid for name, each in again.items()} == {name: each.pid for name, each in first.items()}

    # A broker that is killed: seen, repaired on its port, with its data.
    psutil.Process(first["kafka"].pid).kill()
    broken = command(own_env, "status")
    assert broken.returncode == 3
    assert "it has ended; `lab up` starts it again" in broken.stdout
    repaired = command(own_env, "up")
    assert repaired.returncode == 0, repaired.stderr
    now = by_name(lab.status(own))
    assert now["kafka"].ready
    assert now["kafka"].pid != first["kafka"].pid
    assert now["mqtt"].pid == first["mqtt"].pid
    assert now["kafka"].endpoint.address == first["kafka"].endpoint.address
    assert "hello-kept" in AdminClient({**now["kafka"].endpoint.conf}).list_topics(timeout=20).topics

    ended = command(own_env, "down")
    assert ended.returncode == 0
    assert "Kafka" in ended.stdout
    assert not started_here(own.home)
    assert command(own_env, "down").stdout.strip() == "Nothing was running."


def test_a_lesson_starts_only_what_it_needs(
    own_env: dict[str, str], own: lab.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in own_env.items():
        monkeypatch.setenv(variable, value)
    assert [lab.connect(lesson=each).status for each in ("11", "12", "13")] == [()] * 3  # brokers of their own
    assert not started_here(own.home)
    monkeypatch.setitem(lessons.LESSONS, "03", dataclasses.replace(lessons.LESSONS["03"], needs=("mqtt",)))
    here = lab.connect(lesson="03")
    assert here.mqtt.port
    assert (here.kafka, here.registry, here.influxdb) == (None, None, None)
    assert [each.service.name for each in lab.status(own) if each.ready] == MQTT


def test_kafka_pauses_for_a_cluster_unless_it_is_used_and_comes_back(
    own_env: dict[str, str], own: lab.Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable, value in own_env.items():
        monkeypatch.setenv(variable, value)
    before = by_name(lab.up(own, only=["kafka"]))["kafka"]
    conf = {**before.endpoint.conf}
    # With this much, two brokers and a controller need the memory of the lab's Kafka as well.
    monkeypatch.setattr(processes, "free_memory", lambda: 450e6)
    cluster, client = lab.cluster(brokers=2), AdminClient(conf)
    client.list_topics(timeout=20)
    with pytest.raises(LabError, match="2 Kafka brokers need 510 MB"):
        cluster._require_memory(2, controllers=1)
    assert psutil.pid_exists(before.pid)

    del client
    wait_until(
        lambda: not ports.in_use(before.pid, state.State.load(own.home).services["kafka"].ports), "the client is gone"
    )
    cluster._require_memory(2, controllers=1)
    assert "pause until this cluster is closed" in capsys.readouterr().out
    paused = by_name(lab.status(own, only=["kafka"]))["kafka"]
    assert not paused.ready
    cluster.close()
    wait_until(lambda: lab.status(own, only=["kafka"])[0].ready, "the lab's Kafka is back")
    assert by_name(lab.status(own, only=["kafka"]))["kafka"].endpoint.conf == conf


def test_a_broker_that_hangs_is_replaced(own: lab.Settings) -> None:
    first = by_name(lab.up(own, only=MQTT))["mqtt"]
    process = processes.Process(first.pid, processes.start_time(first.pid))
    process.freeze()
    assert not by_name(lab.status(own, only=MQTT))["mqtt"].ready
    second = by_name(lab.up(own, only=MQTT))["mqtt"]
    assert second.ready
    assert not process.alive()


def test_a_port_that_is_taken_is_named_with_its_holder(
    own_env: dict[str, str], reported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = lab.Settings.from_environment({k: v for k, v in own_env.items() if k != "LAB_PORTS"})
    holder = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", holder + "time.sleep(60)"], stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            taken = int(other.stdout.readline())
            monkeypatch.setitem(SERVICES, "mqtt", dataclasses.replace(SERVICES["mqtt"], ports=(taken,)))
            found = by_name(lab.up(settings, report=reported, only=MQTT))["mqtt"]
        finally:
            other.kill()
    assert found.ready
    assert found.endpoint.port > taken
    assert re.search(rf"port {taken} is used by \S+ \(pid {other.pid}\)", reported.text)
    assert f"so it listens on {found.endpoint.port}" in reported.text


def test_two_at_once_start_one_lab(own_env: dict[str, str], own: lab.Settings) -> None:
    commands = [
        subprocess.Popen([LAB, "up"], env=own_env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)
    ]
    for each in commands:
        output, _ = each.communicate(timeout=120)
        assert each.returncode == 0, output.decode()
    assert all(each.ready for each in lab.status(own, only=["mqtt", "kafka", "registry"]))
    assert len(started_here(own.home)) == 3


def test_a_lab_that_is_busy_says_so(own: lab.Settings) -> None:
    with (
        state.locked(own.home),
        pytest.raises(LabBusy, match="Wait for it to end"),
        state.locked(own.home, seconds=0.1),
    ):
        pass


def test_a_state_file_from_before_a_restart_is_not_trusted(own: lab.Settings) -> None:
    first = by_name(lab.up(own, only=MQTT))["mqtt"]
    lab.down(own)
    with state.locked(own.home) as stale:
        # The pid lives, but it is somebody else's by now: this test's.
        stale.services["mqtt"] = state.Running(
            service="mqtt", program=first.provider, pid=os.getpid(), started=1.0, ports=(first.endpoint.port,)
        )
        stale.save()
    assert "has ended" in by_name(lab.status(own, only=MQTT))["mqtt"].problem
    second = by_name(lab.up(own, only=MQTT))["mqtt"]
    assert second.ready
    assert second.pid != os.getpid()


def test_an_unreadable_state_file_is_renamed_and_no_process_forgotten(own: lab.Settings, reported: Any) -> None:
    first = by_name(lab.up(own, only=MQTT))["mqtt"]
    (own.home / "state.json").write_text("{", encoding="utf-8")
    second = by_name(lab.up(own, report=reported, only=MQTT))["mqtt"]
    assert second.ready
    assert "state file could not be read" in reported.text
    assert (own.home / "state.unreadable").exists()
    assert not psutil.pid_exists(first.pid) or psutil.Process(first.pid).status() == psutil.STATUS_ZOMBIE
    assert started_here(own.home) == [second.pid]


def test_a_scratch_broker_that_ended_by_itself_is_named_and_one_that_was_killed_here_is_not() -> None:
    with lab.scratch("mqtt") as broker:
        require_running()
        psutil.Process(broker.pid).kill()
        wait_until(lambda: not broker.alive, "the broker has ended")
        with pytest.raises(BrokerEnded, match=f"at {re.escape(broker.address)}, which this lesson started, has ended"):
            require_running()
        broker.start()
        require_running()
        broker.kill()
        require_running()


def test_a_service_that_dies_at_its_start_shows_the_end_of_its_log() -> None:
    if not on_path("mosquitto"):
        pytest.skip("Mosquitto is not installed")
    broker = lab.scratch("mqtt", provider="mosquitto", no_such_setting="yes")
    with pytest.raises(ServiceDied, match="no_such_setting") as caught:
        broker.start()
    assert re.search(r"ended with exit code [1-9]\d* while", str(caught.value))
    log = Path(re.findall(r"The whole log is (.+?)\. ", caught.value.remedy)[0])
    assert "no_such_setting" in log.read_text(encoding="utf-8")
    broker.close()
    assert not log.parent.exists()


def test_a_service_that_never_answers_is_an_error(tmp_path: Path) -> None:
    service = dataclasses.replace(SERVICES["mqtt"], deadline=0.3)
    instance = Instance(folder=tmp_path, cache=tmp_path, ports=(1,))
    process = processes.start([sys.executable, "-c", "import time; time.sleep(60)"], log=instance.log, folder=tmp_path)
    try:
        with pytest.raises(ServiceNotReady, match="refused"):
            launch.await_ready(service, PROGRAMS["mosquitto"], instance, process)
    finally:
        process.kill()


def test_a_tool_that_takes_too_long_is_named(tmp_path: Path) -> None:
    def prepare(_instance: Instance) -> list[str]:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.05, check=True)
        return []

    program = dataclasses.replace(PROGRAMS["mosquitto"], command=prepare)
    with pytest.raises(LabError, match="Mosquitto could not be prepared"):
        launch.launch(program, Instance(folder=tmp_path, cache=tmp_path, ports=(1,)))


def test_a_home_that_cannot_be_written_is_named(
    own_env: dict[str, str], tmp_path: Path, command: Callable[..., Any]
) -> None:
    (tmp_path / "file").touch()
    answer = command({**own_env, "LAB_HOME": str(tmp_path / "file" / "lab")}, "up")
    assert answer.returncode == 1
    assert "cannot write to" in answer.stderr
    assert "LAB_HOME" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_full_disk_is_noticed_before_anything_starts(own: lab.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(lifecycle.shutil, "disk_usage", lambda _folder: full)
    with pytest.raises(NotWritable, match="500 MB"):
        lab.up(own, only=MQTT)
    assert not started_here(own.home)


@pytest.mark.parametrize("program", ["mosquitto", "artemis"])
def test_a_scratch_broker_keeps_its_port_and_goes_without_a_trace(program: str) -> None:
    if program == "mosquitto" and not on_path("mosquitto"):
        pytest.skip("Mosquitto is not installed")
    broker = lab.scratch("mqtt", provider=program).start()
    address, folder = broker.mqtt.address, broker.log.parent
    broker.kill()
    with pytest.raises(LabError, match="is not running any more"):
        broker.freeze()
    broker.start()
    assert broker.mqtt.address == address
    process = psutil.Process(broker.pid)
    with suppress(KeyboardInterrupt), broker.frozen():
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED)
        raise KeyboardInterrupt
    wait_until(lambda: process.status() != psutil.STATUS_STOPPED)
    broker.close()
    assert not folder.exists()
    assert PROGRAMS[program].title


def test_ctrl_c_ends_jupyterlab_and_leaves_the_brokers(own_env: dict[str, str], own: lab.Settings) -> None:
    lab.up(own)
    command = [LAB, "start", "--no-browser"]
    with subprocess.Popen(command, env=own_env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as started:
        lines = []
        for line in started.stdout:
            lines.append(line)
            if "Ctrl-C ends" in line:
                break
        time.sleep(0.2)  # let it reach its wait
        started.send_signal(signal.SIGINT)
        rest, _ = started.communicate(timeout=60)
    text = "".join(lines) + rest
    assert "/lab/tree/notebooks/00_start_here.ipynb?token=" in text
    assert "The brokers still run" in text, text
    assert started.returncode == 0
    assert all(each.ready for each in lab.status(own, only=["mqtt", "kafka", "registry"]))
