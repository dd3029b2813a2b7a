"""Starting, ending and looking at the lab."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.errors import NotWritable
from helpers.lab import state
from helpers.lab.progress import Reporter, Silent
from helpers.lab.runtime import launch as starting
from helpers.lab.runtime import ports, processes
from helpers.lab.scratch import broker as private
from helpers.lab.services import endpoints
from helpers.lab.services.endpoints import Endpoint
from helpers.lab.services.probes import probe
from helpers.lab.services.programs import PROGRAMS, Door, Site
from helpers.lab.services.table import SERVICES, Service, composed, provider
from helpers.lab.settings import Settings
from helpers.lab.shared import share as sharing

_LEAST_DISK = 500_000_000
_SILENT = Silent()


@dataclass(frozen=True, kw_only=True)
class Status:
    """One service as it is now. ``trouble`` is "" when it is ready; ``memory`` is in bytes, None if not ours."""

    service: Service
    provider: str
    endpoint: Endpoint | None
    trouble: str
    pid: int | None = None
    memory: int | None = None
    log: Path | None = None

    @property
    def ready(self) -> bool:
        """Whether lessons can use it."""
        return self.endpoint is not None and not self.trouble

    def as_dict(self) -> dict[str, Any]:
        """Return what programs may want to know."""
        return {
            "service": self.service.name,
            "provider": self.provider,
            "address": self.endpoint.address if self.endpoint else None,
            "ready": self.ready,
            "trouble": self.trouble,
            "pid": self.pid,
            "memory_bytes": self.memory,
            "log": str(self.log) if self.log else None,
        }


def up(
    settings: Settings, *, report: Reporter = _SILENT, only: Iterable[str] = SERVICES, share: str | None = None
) -> list[Status]:
    """Bring every service up and return when all are ready. What runs already is left alone; what died is repaired.

    ``share`` is an address of this machine at which others may use the lab too, with TLS and a password.

    Raises:
        ConfigurationError: ``share`` is no such address.
        LabError: The lab runs already and is not shared so, or a service is somebody else's.
        ServiceDied, ServiceNotReady: A service could not be started.
        DownloadError: A program could not be downloaded.
        NotWritable: The lab's home cannot be written.
        LabBusy: Another command holds the lab.
    """
    with state.locked(settings.home) as lab:
        if lab.unreadable:
            report.say(f"The lab's state file was unreadable. It was put aside in {settings.home}.")
        chosen = {name: provider(SERVICES[name], settings, composed=_composed(lab, settings)) for name in only}
        if share is not None:
            lab.shared = sharing.prepare(share, lab, settings)
        doors = sharing.doors(lab, settings, chosen)
        lacking = {name: way for name, way in chosen.items() if way in PROGRAMS and not _keep(lab, name, way)}
        if lacking:
            _start(lacking, lab, settings, report, doors)
        if "registry" in doors:
            sharing.open_gate(lab, settings, doors)
    return status(settings, only=only)


def down(settings: Settings, *, wipe: bool = False) -> list[str]:
    """End what ``up`` started, and private brokers that nobody owns any more. Return the services that were running.

    ``wipe`` also deletes the brokers' data: the next start is a first start.
    """
    with state.locked(settings.home) as lab:
        sharing.close_gate(settings)
        ended = _end(SERVICES, lab, settings)
        private.sweep()
        lab.services.clear()
        lab.shared = None
        lab.save()
        if wipe:
            sharing.forget(settings)
            for name in SERVICES:
                shutil.rmtree(settings.home / name, ignore_errors=True)
    return ended


def status(settings: Settings, *, only: Iterable[str] = SERVICES) -> list[Status]:
    """Ask every service whether it is ready, side by side."""
    lab = state.State.load(settings.home)
    now = _composed(lab, settings)
    names = list(only)
    with ThreadPoolExecutor(len(names) or 1) as pool:
        return list(pool.map(lambda name: _look(SERVICES[name], lab, settings, now), names))


def _look(service: Service, lab: state.State, settings: Settings, now: Mapping[str, int]) -> Status:
    way = provider(service, settings, composed=now)
    running = lab.services.get(service.name)
    if service.name in settings.given:
        endpoint = settings.given[service.name]
        return Status(service=service, provider=way, endpoint=endpoint, trouble=probe(endpoint, timeout=10))
    if running is None and way == "compose":
        endpoint = endpoints.local(service.name, port=now.get(service.name, service.port), provider=way)
        return Status(service=service, provider=way, endpoint=endpoint, trouble=probe(endpoint))
    if running is None:
        log = _site(service, way, settings).log if way in PROGRAMS else None
        return Status(
            service=service, provider=way, endpoint=None, trouble="not running" if log else "not here", log=log
        )
    endpoint = endpoints.local(service.name, port=running.ports[0], provider=running.program)
    process = running.process
    return Status(
        service=service,
        provider=running.program,
        endpoint=endpoint,
        trouble=probe(endpoint) if process.alive() else "it died; `lab up` starts it again",
        pid=running.pid,
        memory=process.memory(),
        log=_site(service, running.program, settings).log,
    )


def _composed(lab: state.State, settings: Settings) -> Mapping[str, int]:
    # What this lab runs already needs no question to Docker, which takes its time.
    ours = set(lab.services) | set(settings.given)
    return {} if ours >= {"mqtt", "kafka", "registry"} else composed()


def _keep(lab: state.State, name: str, way: str) -> bool:
    """Whether the running service stays: it lives, answers, and is the program that is wanted."""
    running = lab.services.get(name)
    if running is None or running.program != way or not running.process.alive():
        return False
    return not probe(endpoints.local(name, port=running.ports[0], provider=way), timeout=5)


def _start(
    lacking: dict[str, str], lab: state.State, settings: Settings, report: Reporter, doors: Mapping[str, Door]
) -> None:
    starting.prepare([PROGRAMS[way] for way in lacking.values()], settings, report)
    if shutil.disk_usage(settings.home).free < _LEAST_DISK:
        raise NotWritable(settings.home, reason="less than 500 MB of its disk are free")
    report.say(f"Starting {', '.join(PROGRAMS[way].title for way in lacking.values())} …")
    _end(lacking, lab, settings)  # what hangs, what another program replaces, and what a lost state file forgot
    taken = {port for name, each in lab.services.items() if name not in lacking for port in each.ports}
    taken |= {door.port for door in doors.values()}  # Kafka wants a port of its own for each listener
    sites = {}
    for name, way in lacking.items():
        before, service = lab.services.get(name), SERVICES[name]
        usual = before.ports if before and before.program == way else (service.port, service.spare)
        chosen = _ports(usual[: PROGRAMS[way].ports], taken, anywhere=settings.any_port and not before)
        if chosen[0] != usual[0] and not settings.any_port:
            report.say(
                f"{service.title}: port {usual[0]} is held by {ports.holder(usual[0])}, so it listens on {chosen[0]}. "
                "Lessons ask the lab for the port."
            )
        sites[name] = _site(service, way, settings, chosen, doors.get(name))
    began = time.monotonic()
    recording = threading.Lock()

    def begin(name: str) -> None:
        site, way = sites[name], lacking[name]
        if site.log.exists():  # one file a start: what is shown of it is about this one
            site.log.replace(site.log.with_name("log-before.txt"))
        process = starting.launch(PROGRAMS[way], site)
        with recording:
            lab.services[name] = state.Running(
                service=name, program=way, pid=process.pid, started=process.started, ports=site.ports
            )
            lab.save()  # before it is ready: a command interrupted now must not forget a process
        starting.await_ready(SERVICES[name], way, site, process)

    with ThreadPoolExecutor(len(lacking)) as pool:
        list(pool.map(begin, lacking))
    report.say(f"Ready after {time.monotonic() - began:.1f} s.")


def _ports(usual: tuple[int, ...], taken: set[int], *, anywhere: bool) -> tuple[int, ...]:
    """Return the usual ports, or the next free ones, and add them to those that are ``taken``."""
    chosen = []
    for port in usual:
        chosen.append(ports.next_free(ports.any_free() if anywhere else port, but=taken))
        taken.add(chosen[-1])
    return tuple(chosen)


def _end(names: Iterable[str], lab: state.State, settings: Settings) -> list[str]:
    """End what this lab started for the services, noted or not. Return the services that were running."""
    ways = {_site(SERVICES[name], way, settings).folder: (name, way) for name in names for way in SERVICES[name].ways}
    running = dict(processes.started_in(ways))
    for folder, (name, way) in ways.items():
        noted = lab.services.get(name)
        if noted and noted.program == way and noted.process.alive():
            running[folder] = noted.process
    with ThreadPoolExecutor(max(1, len(running))) as pool:
        list(pool.map(lambda folder: running[folder].end(grace=PROGRAMS[ways[folder][1]].grace), running))
    return list(dict.fromkeys(ways[folder][0] for folder in ways if folder in running))


def _site(
    service: Service, way: str, settings: Settings, chosen: tuple[int, ...] = (), door: Door | None = None
) -> Site:
    return Site(folder=settings.home / service.name / way, cache=settings.cache, ports=chosen, door=door)
