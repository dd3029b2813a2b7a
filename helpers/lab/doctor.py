"""What `lab doctor` tests: it uses the services and the machine as lessons do, and names a remedy for each failure."""

from __future__ import annotations

import platform
import re
import shutil
import sys
import time
import tomllib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path

from confluent_kafka import KafkaException
from packaging.requirements import Requirement

from helpers.errors import LessonError
from helpers.lab import lifecycle
from helpers.lab.connect import attach, provided_by
from helpers.lab.progress import Reporter, html_table
from helpers.lab.runtime import artifacts, java, ports, processes
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
    """One test: what was seen, and what to do if it failed."""

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
        return "\n".join(f"{mark} {name:<18} {seen}" for mark, name, seen in self._rows(f"\n{'':<22}→ "))

    def _repr_html_(self) -> str:
        return html_table(("passed", "what", "seen"), self._rows(" → "))

    def _rows(self, arrow: str) -> list[tuple[str, str, str]]:
        return [
            ("✅" if each.passed else "✗ ", each.name, each.seen if each.passed else f"{each.seen}{arrow}{each.remedy}")
            for each in self.checks
        ]


def preflight() -> Report:
    """Test what every lesson needs: a message through MQTT and Kafka, a schema, the packages, the widgets."""
    settings = Settings.from_environment()
    return Report((*_services(settings, Reporter()), _packages(), _widgets()))


def examine(settings: Settings, *, report: Reporter) -> Report:
    """Test everything a lesson needs, starting the lab if it does not run."""
    before = lifecycle.status(settings)
    machine = (_java(), _memory(before), _disk(settings.home), _disk(settings.cache), _ports(before))
    services = tuple(_services(settings, report))
    return Report((_lessons(), *machine, _packages(), _widgets(), _downloads(settings), *services, *_shared(settings)))


def _lessons() -> Check:
    version, python = metadata.version("mqtt-and-kafka-lessons"), platform.python_version()
    return Check(name="Lessons", passed=True, seen=f"{version}, Python {python}, {platform.platform()}")


def _attempt(name: str, action: Callable[[], str], *, remedy: str) -> Check:
    try:
        return Check(name=name, passed=True, seen=action())
    except LessonError as error:
        return Check(name=name, passed=False, seen=error.cause, remedy=error.remedy or remedy)
    except Exception as error:  # noqa: BLE001  any error of a client is a result
        seen = error.args[0].str() if isinstance(error, KafkaException) else f"{type(error).__name__}: {error}"
        return Check(name=name, passed=False, seen=seen, remedy=remedy)


def _services(settings: Settings, report: Reporter) -> Iterator[Check]:
    try:
        found = attach(settings, report=report)
    except LessonError as error:
        yield Check(name="Services", passed=False, seen=error.cause, remedy=error.remedy)
        return
    name = f"{found.ns}hello-doctor-{uuid.uuid4().hex[:8]}"
    yield from (_smoke_test(each, name) for each in found.status)


def _smoke_test(status: lifecycle.Status, name: str) -> Check:
    service, endpoint = status.service, status.endpoint
    if endpoint is None:
        return Check(name=service.title, passed=True, seen=f"not available; only lesson 10 uses {service.title}")

    def action() -> str:
        if status.problem:
            raise LessonError(status.problem)
        began = time.monotonic()
        seen = service.smoke_test(endpoint, name)
        return f"{seen} in {(time.monotonic() - began) * 1000:.0f} ms"

    remedy = f"`{'docker compose' if status.provider == 'compose' else 'lab'} logs {service.name}` shows its log."
    if status.provider == "given":
        remedy = f"Check its {service.prefix}* variables, and that you may use names that begin with LAB_NAMESPACE."
    check = _attempt(service.title, action, remedy=remedy)
    return replace(check, seen=f"{check.seen} ({endpoint.address}, {provided_by(status)})")


def _shared(settings: Settings) -> Iterator[Check]:
    if State.load(settings.home).shared is None:
        return
    remedy = (
        "`lab down`, then `lab up --share ADDRESS` with this machine's present address. (A firewall shows only from "
        "another machine: try `lab join` there.)"
    )
    try:
        for service, problem in sharing.problems(settings).items():
            seen = problem or "reachable with TLS and the password"
            yield Check(name=f"Shared {service}", passed=not problem, seen=seen, remedy=remedy)
    except LessonError as error:
        yield Check(name="Shared lab", passed=False, seen=error.cause, remedy=error.remedy)


def _java() -> Check:
    # Even if all services are external: lessons break scratch brokers, which run here.
    return _attempt("Java", lambda: f"{java.NEEDED} or newer: {java.find()}", remedy="")


def _downloads(settings: Settings) -> Check:
    lacking = sum(each.size for each in artifacts.missing(artifacts.listed(), settings.cache))
    # Not a failure: the first start downloads them.
    seen = f"{lacking / 1e6:.0f} MB are missing; `lab prefetch` downloads them now" if lacking else "complete"
    return Check(name="Downloads", passed=True, seen=seen)


def _memory(statuses: list[lifecycle.Status]) -> Check:
    ours = sum(each.memory or 0 for each in statuses)
    free = processes.free_memory() + ours
    seen = f"{free / _GB:.1f} GB available, of which the lab uses {ours / _GB:.1f}"
    remedy = f"The lab needs {_NEEDED_MEMORY / _GB:.1f} GB: close other programs."
    return Check(name="Memory", passed=free > _NEEDED_MEMORY, seen=seen, remedy=remedy)


def _disk(folder: Path) -> Check:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free
    remedy = f"Free {_NEEDED_DISK / _GB:.0f} GB, or set LAB_HOME and LAB_CACHE to another disk."
    return Check(name="Disk", passed=free > _NEEDED_DISK, seen=f"{free / _GB:.1f} GB free in {folder}", remedy=remedy)


def _ports(statuses: list[lifecycle.Status]) -> Check:
    wanted = [each.service.ports[0] for each in statuses if not each.endpoint]
    taken = "; ".join(f"{port} is used by {ports.holder(port)}" for port in wanted if not ports.is_free(port))
    # Not a failure: the lab uses the next free port, and lessons get it from the lab.
    seen = f"{taken}; the lab uses the next free port" if taken else "free, or used by the lab"
    return Check(name="Ports", passed=True, seen=seen)


def _wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = [Requirement(each) for each in project["dependencies"]]
    if not (Path(sys.prefix) / "conda-meta").is_dir():
        return pinned
    # In a conda environment: the ranges of environment.yml, where Java is not a Python package.
    lines = re.findall(r"^  - (?:python-)?(\S.*)$", (ROOT / "environment.yml").read_text("utf-8"), re.MULTILINE)
    ranges = {each.name: each for each in map(Requirement, lines)}
    return [ranges[each.name] for each in pinned if each.name in ranges]


def _packages() -> Check:
    wrong = []
    for wanted in (each for each in _wanted() if not each.marker or each.marker.evaluate()):
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{wanted.name} is not installed")
        else:
            wrong += [] if version in wanted.specifier else [f"{wanted.name} is {version}, not {wanted.specifier}"]
    # With uv it comes by itself, with pip by two lines of its own.
    lacks = "" if util.find_spec("quixstreams") else "; no quixstreams, for lesson 15: see *Plain pip* in README.md"
    seen = ("; ".join(wrong) or "the tested versions") + lacks
    return Check(name="Packages", passed=not wrong, seen=seen, remedy=_REINSTALL)


def _widgets() -> Check:
    from jupyter_core.paths import jupyter_path

    needed = {"jupyterlab_widgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
    folders = [Path(each) for each in jupyter_path("labextensions")]
    lacking = [name for name, extension in needed.items() if not any((each / extension).exists() for each in folders)]
    seen = f"JupyterLab finds no extension of {', '.join(lacking)}" if lacking else "JupyterLab finds their extensions"
    return Check(name="Widgets", passed=not lacking, seen=seen, remedy=_REINSTALL)
