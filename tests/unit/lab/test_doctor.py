"""What `lab doctor` says when something is not as it should be: each failure has a remedy."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from confluent_kafka import KafkaError, KafkaException

from helpers.lab import doctor
from helpers.lab.errors import JavaMissing, LabError
from helpers.lab.lifecycle import Status
from helpers.lab.runtime import java, processes
from helpers.lab.services.table import SERVICES
from helpers.lab.settings import Settings


def lacks(name: str, provider: str) -> Status:
    return Status(service=SERVICES[name], provider=provider, endpoint=None, problem="not running")


def found(name: str, provider: str, *, problem: str = "") -> Status:
    endpoint = SERVICES[name].local(1, provider)
    return Status(service=SERVICES[name], provider=provider, endpoint=endpoint, problem=problem)


KAFKA = [lacks("kafka", "kafka")]


def test_a_package_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.6.1" if name == "paho-mqtt" else real(name))
    check = doctor._packages()
    assert not check.passed
    assert "paho-mqtt is 1.6.1, not ==" in check.seen
    assert "uv sync" in check.remedy


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "anywidget":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    check = doctor._packages()
    assert not check.passed
    assert check.seen == "anywidget is not installed"


def test_without_the_engine_of_lesson_15_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._packages().seen == "the tested versions"
    monkeypatch.setattr(doctor.util, "find_spec", lambda _: None)
    check = doctor._packages()
    assert check.passed
    assert "no quixstreams, for lesson 15" in check.seen
    assert "README" in check.seen


def test_packages_as_they_were_tested() -> None:
    assert doctor._packages().passed


def test_a_lab_extension_that_jupyterlab_does_not_find(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *_: [str(tmp_path)])
    (tmp_path / "anywidget").mkdir()
    check = doctor._widgets()
    assert not check.passed
    assert "jupyterlab_widgets" in check.seen
    assert "anywidget" not in check.seen
    assert check.remedy


def test_extensions_in_any_of_jupyters_folders_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *_: [str(tmp_path / "user"), str(tmp_path / "env")])
    (tmp_path / "user" / "anywidget").mkdir(parents=True)
    (tmp_path / "env" / "@jupyter-widgets" / "jupyterlab-manager").mkdir(parents=True)
    assert doctor._widgets().passed


def test_no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> Path:
        raise JavaMissing(needed=21, found=["Java 17 from PATH"])

    monkeypatch.setattr(java, "find", find)
    check = doctor._java()
    assert not check.passed
    assert "Java 17 from PATH" in check.seen
    assert "JAVA_HOME" in check.remedy


def test_what_is_not_downloaded_is_said(tmp_path: Path) -> None:
    check = doctor._downloads(Settings.from_environment({"LAB_CACHE": str(tmp_path)}))
    assert check.passed
    assert "MB are missing" in check.seen
    assert "lab prefetch" in check.seen


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=300_000_000))
    check = doctor._memory(KAFKA)
    assert not check.passed
    assert "0.3 GB" in check.seen
    assert "close" in check.remedy


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**8))
    check = doctor._disk(tmp_path / "not" / "yet" / "there")
    assert not check.passed
    assert "LAB_HOME" in check.remedy


def test_a_held_port_is_named_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.ports, "is_free", lambda port: port != 9092)
    monkeypatch.setattr(doctor.ports, "holder", lambda port: f"java (pid {port})")
    check = doctor._ports([lacks("mqtt", "mosquitto"), *KAFKA])
    assert check.passed
    assert "9092 is used by java (pid 9092)" in check.seen
    assert "1883" not in check.seen


@pytest.mark.parametrize(
    ("error", "seen", "remedy"),
    [
        (LabError("It broke.", remedy="Mend it."), "It broke.", "Mend it."),
        (LabError("It broke."), "It broke.", "Look."),
        (KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN)), "Local: All broker connections are down", "Look."),
        (ConnectionRefusedError(111, "refused"), "ConnectionRefusedError: [Errno 111] refused", "Look."),
    ],
)
def test_whatever_is_raised_becomes_a_finding(error: Exception, seen: str, remedy: str) -> None:
    def action() -> str:
        raise error

    check = doctor._attempt("Round trip", action, remedy="Look.")
    assert (check.passed, check.seen, check.remedy) == (False, seen, remedy)


def test_a_report_shows_remedies_of_what_failed_only() -> None:
    good = doctor.Check(name="Good", passed=True, seen="<fine>", remedy="none needed")
    bad = doctor.Check(name="Bad", passed=False, seen="broken", remedy="mend it")
    report = doctor.Report((good, bad))
    assert not report.passed
    assert doctor.Report((good,)).passed
    for shown in (repr(report), report._repr_html_()):
        assert "mend it" in shown
        assert "none needed" not in shown
    assert "&lt;fine&gt;" in report._repr_html_()


@pytest.mark.parametrize(
    ("limit", "room"), [("2000000000", "1.3 GB"), ("900000000", "0.2 GB"), ("max", "8.0 GB"), (None, "8.0 GB")]
)
def test_the_limit_of_a_container_counts(
    limit: str | None, room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8_000_000_000))
    if limit:
        files = {"max": limit, "current": "800000000", "stat": "anon 600000000\ninactive_file 100000000"}
        for name, text in files.items():
            (tmp_path / f"memory.{name}").write_text(f"{text}\n")
    assert doctor._memory([]).seen.startswith(f"{room} available")


@pytest.mark.parametrize(
    ("provider", "by", "logs"),
    [("influxd", "InfluxDB", "`lab logs influxdb`"), ("compose", "Docker Compose", "`docker compose logs influxdb`")],
)
def test_a_row_names_the_services_address_and_who_provides_it(provider: str, by: str, logs: str) -> None:
    good = doctor._smoke_test(found("influxdb", provider), "hello")
    assert good.passed
    assert good.seen.endswith(f" ms (http://127.0.0.1:1, {by})")
    bad = doctor._smoke_test(found("influxdb", provider, problem="Connection refused"), "hello")
    assert not bad.passed
    assert bad.seen == f"Connection refused (http://127.0.0.1:1, {by})"
    assert logs in bad.remedy
