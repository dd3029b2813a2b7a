"""Does it work here? Behaviour is tested, not installation; every failure comes with what to do."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
import tomllib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from confluent_kafka import KafkaException
from packaging.requirements import Requirement

from helpers.errors import LessonError
from helpers.lab import lifecycle
from helpers.lab.connect import attach
from helpers.lab.progress import Reporter, Silent, html_table
from helpers.lab.runtime import artifacts, java, ports
from helpers.lab.services.probes import probe
from helpers.lab.settings import Settings
from helpers.lab.shared import share as sharing
from helpers.lab.state import State
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
            seen = each.seen if each.passed else f"{each.seen} → {each.remedy}"
            rows.append(("✅" if each.passed else "✗", each.name, seen))
        return html_table(("", "what", "seen"), rows)


def preflight() -> Report:
    """Try what every lesson needs: a message through MQTT and Kafka, a schema, the packages, the widgets."""
    settings = Settings.from_environment()
    return Report((*_services(settings, Silent()), _packages(), _widgets()))


def examine(settings: Settings, *, report: Reporter) -> Report:
    """Try everything `lab doctor` names, starting the lab if it does not run."""
    before = lifecycle.status(settings)
    machine = (_java(), _memory(before), _disk(settings.home), _disk(settings.cache), _ports(before))
    services = tuple(_services(settings, report))
    return Report((*machine, _packages(), _widgets(), _downloads(settings), *services, *_doors(settings)))


def _attempt(name: str, action: Callable[[], str], *, remedy: str) -> Check:
    try:
        return Check(name=name, passed=True, seen=action())
    except LessonError as error:
        return Check(name=name, passed=False, seen=error.cause, remedy=error.remedy or remedy)
    except KafkaException as error:
        return Check(name=name, passed=False, seen=error.args[0].str(), remedy=remedy)
    except Exception as error:  # noqa: BLE001  whatever a client raises is the finding
        return Check(name=name, passed=False, seen=f"{type(error).__name__}: {error}", remedy=remedy)


def _services(settings: Settings, report: Reporter) -> Iterator[Check]:
    try:
        found = attach(settings, report=report)
    except LessonError as error:
        yield Check(name="Services", passed=False, seen=error.cause, remedy=error.remedy)
        return
    from helpers.lab.services import roundtrips

    name = f"{found.ns}hello-doctor-{uuid.uuid4().hex[:8]}"
    for service, title, action in (
        ("mqtt", "MQTT round trip", lambda: roundtrips.mqtt_message(found.mqtt, name)),
        ("kafka", "Kafka round trip", lambda: roundtrips.kafka_record(found.kafka, name)),
        ("registry", "Schema round trip", lambda: roundtrips.schema(found.registry, name)),
    ):
        given = "Check its LAB_* variables, and that you may use names that begin with LAB_NAMESPACE."
        ours = f"`lab logs {service}` shows what it said."
        yield _attempt(title, action, remedy=given if service in settings.given else ours)
    (influxdb,) = (each for each in found.status if each.service.name == "influxdb")
    absent = "no InfluxDB; only lesson 9 asks for it, and goes on without"
    yield Check(
        name="InfluxDB",
        passed=influxdb.ready or not influxdb.endpoint,
        seen="answers" if influxdb.ready else influxdb.trouble if influxdb.endpoint else absent,
        remedy="Check the LAB_INFLUXDB_* variables; without them the lessons go on without InfluxDB.",
    )


def _doors(settings: Settings) -> Iterator[Check]:
    if State.load(settings.home).shared is None:
        return
    remedy = (
        "`lab down`, then `lab up --share` with this machine's address of today. (A firewall shows only on another "
        "machine: try `lab join` there.)"
    )
    for service, endpoint in sharing.seen_from_outside(settings).items():
        trouble = probe(endpoint, timeout=5)
        seen = f"{endpoint.address}: {trouble or 'open, with TLS and the password'}"
        yield Check(name=f"Shared {service}", passed=not trouble, seen=seen, remedy=remedy)


def _java() -> Check:
    # Also where the services run elsewhere: what a lesson breaks runs here.
    return _attempt("Java", lambda: f"{java.NEEDED} or newer: {java.find()}", remedy="")


def _downloads(settings: Settings) -> Check:
    lacking = sum(each.size for each in artifacts.missing(artifacts.listed(), settings.cache))
    # Not a failure: the first lesson that needs them fetches them, where there is a network.
    seen = f"{lacking / 1e6:.0f} MB are still to come; `lab prefetch` gets them now" if lacking else "all here"
    return Check(name="Downloads", passed=True, seen=seen)


def _memory(statuses: list[lifecycle.Status]) -> Check:
    ours = sum(each.memory or 0 for each in statuses)
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
        seen=f"{free / _GB:.1f} GB free in {folder}",
        remedy=f"Make room, {_NEEDED_DISK / _GB:.0f} GB, or set LAB_HOME and LAB_CACHE to another disk.",
    )


def _ports(statuses: list[lifecycle.Status]) -> Check:
    wanted = [each.service.port for each in statuses if not each.endpoint]
    taken = "; ".join(f"{port} is held by {ports.holder(port)}" for port in wanted if not ports.is_free(port))
    # Not a failure: the lab takes the next free port, and lessons ask it which.
    seen = f"{taken}; the lab takes the next free one" if taken else "free, or the lab's own"
    return Check(name="Ports", passed=True, seen=seen)


def _wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = [Requirement(each) for each in project["dependencies"]]
    if not (Path(sys.prefix) / "conda-meta").is_dir():
        return pinned
    # In an environment that conda made: environment.yml's ranges. Java is no package of Python's there.
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8")
    ranges = {
        each.name: each for each in map(Requirement, re.findall(r"^  - (?:python-)?(\S.*)$", lines, re.MULTILINE))
    }
    return [ranges[each.name] for each in pinned if each.name in ranges]


def _packages() -> Check:
    wrong = []
    for wanted in _wanted():
        if wanted.marker and not wanted.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{wanted.name} is missing")
        else:
            wrong += [] if version in wanted.specifier else [f"{wanted.name} is {version}, wanted {wanted.specifier}"]
    return Check(name="Packages", passed=not wrong, seen="; ".join(wrong) or "as tested", remedy=_REINSTALL)


def _widgets() -> Check:
    from jupyter_core.paths import jupyter_path

    needed = {"jupyterlab_widgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
    folders = [Path(each) for each in jupyter_path("labextensions")]
    lacking = [name for name, extension in needed.items() if not any((each / extension).exists() for each in folders)]
    seen = f"JupyterLab finds no extension of {', '.join(lacking)}" if lacking else "JupyterLab finds their extensions"
    return Check(name="Widgets", passed=not lacking, seen=seen, remedy=_REINSTALL)
