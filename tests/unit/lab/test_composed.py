"""Containers of docker-compose.yml are found with their ports; if Docker is missing or slow, there are none."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from helpers.lab import providers

ROW = '{"Service": "%s", "State": "%s", "Publishers": [{"PublishedPort": 0}, {"PublishedPort": %d}]}'


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("", {}),
        ("no JSON", {}),
        (ROW % ("mqtt", "running", 1883) + "\n" + ROW % ("kafka", "exited", 9092), {"mqtt": 1883}),
        ("[" + ROW % ("mqtt", "running", 21883) + "]", {"mqtt": 21883}),
        (ROW % ("mqtt", "running", 0), {}),
        ('{"Service": "mqtt", "State": "running", "Publishers": null}', {}),
    ],
)
def test_the_lab_reads_which_services_run_and_where(
    monkeypatch: pytest.MonkeyPatch, answer: str, expected: dict[str, int]
) -> None:
    monkeypatch.setattr(providers.shutil, "which", lambda _: "/usr/bin/docker")
    monkeypatch.setattr(providers.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=answer))
    assert providers.composed() == expected


def test_without_docker_there_are_no_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers.shutil, "which", lambda _: None)
    assert providers.composed() == {}
    monkeypatch.setattr(providers.shutil, "which", lambda _: "/usr/bin/docker")

    def too_slow(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("docker", 5)

    monkeypatch.setattr(providers.subprocess, "run", too_slow)
    assert providers.composed() == {}
