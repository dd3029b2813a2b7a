"""Does it work here? Behaviour is tested, not installation; every failure comes with what to do."""

from __future__ import annotations

import html
import importlib.metadata
import importlib.util
import shutil
import sys
import tomllib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from helpers.errors import LessonError
from helpers.lab import here, java, lifecycle, ports
from helpers.lab.progress import Reporter, Silent
from helpers.lab.services import SERVICES
from helpers.lab.settings import Settings
from helpers.paths import ROOT

_GB = 1_000_000_000
_NEEDED_MEMORY = 1.5 * _GB
_NEEDED_DISK = 1.0 * _GB
_REINSTALL = "Install the lessons' packages again: `uv sync`, or `pip install -e .` in the environment you use."


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was tried: what was seen, and what to do if it failed."""

    name: str
    passed: bool
    seen: str
    remedy: str = ""


@dataclass(frozen=True)
class Report:
    """All checks; shown as a table in a notebook and as lines in a terminal."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether lessons will run."""
        return all(each.passed for each in self.checks)

    def __repr__(self) -> str:
        lines = []
        for each in self.checks:
            lines.append(f"{'✅' if each.passed else '✗ '} {each.name:<18} {each.seen}")
            if not each.passed:
                lines.append(f"   {'':<18} → {each.remedy}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = []
        for each in self.checks:
            remedy = "" if each.passed else f"<br><strong>→ {html.escape(each.remedy)}</strong>"
            cells = ("✅" if each.passed else "✗", html.escape(each.name), html.escape(each.seen) + remedy)
            rows.append("<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells) + "</tr>")
        head = "".join(f"<th style='text-align:left'>{each}</th>" for each in ("", "what", "seen"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def preflight() -> Report:
    """Try what every lesson needs: a message through MQTT and Kafka, a schema, the packages, the widgets."""
    settings = Settings.from_environment()
    return Report((*_services(settings, Silent()), _packages(), _widgets()))


def examine(settings: Settings, *, report: Reporter) -> Report:
    """Try everything `lab doctor` names, starting the lab if it does not run."""
    machine = (_java(), _memory(settings), _disk(settings.home), _disk(settings.cache), _ports(settings))
    return Report((*machine, _packages(), _widgets(), *_services(settings, report)))


def _attempt(name: str, action: Callable[[], str], *, remedy: str) -> Check:
    try:
        return Check(name=name, passed=True, seen=action())
    except LessonError as error:
        return Check(name=name, passed=False, seen=error.cause, remedy=error.remedy or remedy)
    except Exception as error:  # noqa: BLE001  whatever a client raises is the finding
        return Check(name=name, passed=False, seen=f"{type(error).__name__}: {error}", remedy=remedy)


def _services(settings: Settings, report: Reporter) -> Iterator[Check]:
    try:
        found = here.attach(settings, report=report)
    except LessonError as error:
        yield Check(name="Services", passed=False, seen=error.cause, remedy=error.remedy)
        return
    from helpers.lab import roundtrips

    name = f"{found.ns}hello-doctor-{uuid.uuid4().hex[:8]}"
    logs = "`lab logs {}` shows what the service said; for a given service, check address and rights."
    yield _attempt("MQTT round trip", lambda: roundtrips.mqtt_message(found.mqtt, name), remedy=logs.format("mqtt"))
    yield _attempt("Kafka round trip", lambda: roundtrips.kafka_record(found.kafka, name), remedy=logs.format("kafka"))
    yield _attempt("Schema round trip", lambda: roundtrips.schema(found.registry, name), remedy=logs.format("registry"))
    influx = "InfluxDB answers" if found.influxdb else "no InfluxDB; only lesson 9 asks for it, and goes on without"
    yield Check(name="InfluxDB", passed=True, seen=influx)


def _java() -> Check:
    return _attempt("Java", lambda: f"{java.find().name} {java.NEEDED} or newer", remedy="Install Java.")


def _memory(settings: Settings) -> Check:
    ours = sum(each.memory or 0 for each in lifecycle.status(settings))
    free = psutil.virtual_memory().available + ours
    return Check(
        name="Memory",
        passed=free > _NEEDED_MEMORY,
        seen=f"{free / _GB:.1f} GB for the lab, of which it uses {ours / _GB:.1f}",
        remedy=f"The lab needs {_NEEDED_MEMORY / _GB:.1f} GB: close other programs.",
    )


def _disk(folder: Path) -> Check:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free
    return Check(
        name="Disk",
        passed=free > _NEEDED_DISK,
        seen=f"{free / _GB:.0f} GB free in {folder}",
        remedy=f"Make room, {_NEEDED_DISK / _GB:.0f} GB, or set LAB_HOME and LAB_CACHE to another disk.",
    )


def _ports(settings: Settings) -> Check:
    running = {each.service.name for each in lifecycle.status(settings) if each.ready}
    taken = [each for each in SERVICES.values() if each.name not in running and not ports.is_free(each.port)]
    seen = "; ".join(f"{each.port} is held by {ports.holder(each.port)}" for each in taken)
    # Not a failure: the lab takes the next free port, and lessons ask it which.
    return Check(
        name="Ports", passed=True, seen=f"{seen}; the lab takes the next free one" if seen else "free, or ours"
    )


def _packages() -> Check:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wrong = []
    for requirement in map(Requirement, project["dependencies"]):
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if version not in requirement.specifier:
            wrong.append(f"{requirement.name} is {version}, wanted {requirement.specifier}")
    return Check(name="Packages", passed=not wrong, seen="; ".join(wrong) or "as tested", remedy=_REINSTALL)


def _widgets() -> Check:
    folder = Path(sys.prefix) / "share" / "jupyter" / "labextensions"
    needed = {"jupyterlab_widgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
    lacking = [
        package
        for package, extension in needed.items()
        if importlib.util.find_spec(package) is None or not (folder / extension).exists()
    ]
    seen = (
        f"{', '.join(lacking)} not found beside JupyterLab" if lacking else "JupyterLab finds the widgets' extensions"
    )
    return Check(name="Widgets", passed=not lacking, seen=seen, remedy=_REINSTALL)
