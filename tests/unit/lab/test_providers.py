"""Who provides a service, when the lab's state file, the settings and Docker Compose each know something about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from helpers import lab
from helpers.lab import lifecycle
from helpers.lab.lifecycle import Status
from helpers.lab.runtime import ports
from helpers.lab.runtime.processes import start_time
from helpers.lab.services.table import SERVICES
from helpers.lab.state import Running, State

PROGRAMS = {"mqtt": "mosquitto", "kafka": "kafka", "registry": "apicurio", "influxdb": "influxd"}


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., lab.Settings]:
    """Settings of a lab in which the named services live, and those of ``ended`` have ended."""

    def make(*alive: str, ended: tuple[str, ...] = (), **env: str) -> lab.Settings:
        state = State(tmp_path)
        for name in (*alive, *ended):
            started = start_time(os.getpid()) - (1000 if name in ended else 0)
            numbers = tuple(ports.any_free() for _ in SERVICES[name].ports)
            program = PROGRAMS[name]
            state.record(Running(service=name, program=program, pid=os.getpid(), started=started, ports=numbers))
        return lab.Settings.from_environment({"LAB_HOME": str(tmp_path), "LAB_PORTS": "any", **env})

    return make


@pytest.fixture
def containers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let Docker Compose run the named services. The list that it returns gets an entry each time Docker is asked."""

    def run(*names: str) -> list[str]:
        asked: list[str] = []
        found = {name: ports.any_free() for name in names}

        def composed() -> Mapping[str, int]:
            asked.append("docker compose ps")
            return found

        monkeypatch.setattr(lifecycle, "composed", composed)
        return asked

    return run


def providers(statuses: list[Status]) -> dict[str, str]:
    return {each.service.name: each.provider for each in statuses}


def test_what_ended_with_the_machine_does_not_hide_the_containers(
    own: Callable[..., lab.Settings], containers: Callable[..., list[str]]
) -> None:
    containers(*SERVICES)
    settings = own(ended=tuple(SERVICES))
    assert providers(lab.status(settings)) == dict.fromkeys(SERVICES, "compose")
    started = lab.up(settings)  # nothing: it would be a second set of brokers
    assert providers(started) == dict.fromkeys(SERVICES, "compose")
    assert all(each.pid is None for each in started)


@pytest.mark.parametrize("choice", ["compose", "none"])
def test_a_record_of_what_ended_is_not_the_remedy_for_what_is_provided_otherwise(
    own: Callable[..., lab.Settings], containers: Callable[..., list[str]], choice: str
) -> None:
    containers()
    [status] = lab.status(own(ended=("influxdb",), LAB_INFLUXDB_PROVIDER=choice), only=["influxdb"])
    assert status.provider == choice
    assert "lab up" not in status.problem  # which starts none


def test_a_container_beside_a_lab_that_runs_is_found(
    own: Callable[..., lab.Settings], containers: Callable[..., list[str]]
) -> None:
    containers("influxdb", "kafka")
    found = {each.service.name: each for each in lab.status(own("mqtt", "kafka", "registry"))}
    assert found["influxdb"].provider == "compose"
    assert found["kafka"].provider == "kafka"  # what runs is left alone
    assert found["kafka"].pid == os.getpid()


@pytest.mark.parametrize(
    ("alive", "env", "only"),
    [
        (tuple(SERVICES), {}, tuple(SERVICES)),
        (("mqtt", "kafka", "registry"), {"LAB_INFLUXDB_PROVIDER": "none"}, tuple(SERVICES)),
        (("mqtt",), {}, ("mqtt",)),
        ((), {"LAB_MQTT_HOST": "127.0.0.1", "LAB_MQTT_PORT": "1", "LAB_NAMESPACE": "ana"}, ("mqtt",)),
    ],
    ids=["all run", "one is not wanted", "the one that is asked for runs", "it is external"],
)
def test_docker_which_takes_its_time_is_not_asked_in_vain(
    own: Callable[..., lab.Settings],
    containers: Callable[..., list[str]],
    alive: tuple[str, ...],
    env: dict[str, str],
    only: tuple[str, ...],
) -> None:
    asked = containers()
    lab.status(own(*alive, **env), only=only)
    assert asked == []


def test_to_start_the_lab_docker_is_asked_once(
    own: Callable[..., lab.Settings], containers: Callable[..., list[str]]
) -> None:
    asked = containers(*SERVICES)
    lab.up(own())
    assert len(asked) == 1
