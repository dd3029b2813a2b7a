"""Starting, ending and looking at the lab."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helpers.lab import state
from helpers.lab.errors import NotWritable
from helpers.lab.progress import Reporter
from helpers.lab.providers import composed, provider
from helpers.lab.runtime import archive, launch, ports, processes
from helpers.lab.runtime.program import Instance, Listener, Program
from helpers.lab.services.base import Endpoint, Service
from helpers.lab.services.table import PROGRAMS, SERVICES
from helpers.lab.settings import Settings
from helpers.lab.shared import share as sharing

_LEAST_DISK = 500_000_000
_NO_REPORT = Reporter()


@dataclass(frozen=True, kw_only=True)
class Status:
    """One service as it is now. ``problem`` is "" when it is ready; ``memory`` is in bytes, None if not the lab's."""

    service: Service[Any]
    provider: str
    endpoint: Endpoint | None
    problem: str
    pid: int | None = None
    memory: int | None = None
    log: Path | None = None

    @property
    def ready(self) -> bool:
        """Whether lessons can use it."""
        return self.endpoint is not None and not self.problem

    def as_dict(self) -> dict[str, Any]:
        """Return what `lab status --json` prints."""
        return {
            "service": self.service.name,
            "provider": self.provider,
            "address": self.endpoint.address if self.endpoint else None,
            "ready": self.ready,
            "problem": self.problem,
            "pid": self.pid,
            "memory_bytes": self.memory,
            "log": str(self.log) if self.log else None,
        }


def up(
    settings: Settings, *, report: Reporter = _NO_REPORT, only: Collection[str] = SERVICES, share: str | None = None
) -> list[Status]:
    """Start the services that do not run and return when all are ready. Those that run are left alone.

    ``share`` is an address of this machine at which others may use the lab too, with TLS and a password.

    Raises:
        ConfigurationError: ``share`` is not such an address.
        LabError: The lab runs already and is not shared so, or a service is external.
        ServiceDied, ServiceNotReady: A service could not be started.
        DownloadError: A program could not be downloaded.
        NotWritable: The lab's home cannot be written.
        LabBusy: Another command holds the lab.
    """
    with state.locked(settings.home) as lab:
        if lab.unreadable:
            report.say(f"The lab's state file could not be read, and was renamed to {settings.home}/state.unreadable.")
        in_compose = _composed(lab, settings, only)
        chosen = {name: provider(SERVICES[name], settings, composed=in_compose) for name in only}
        with sharing.shared(share, lab, settings, chosen) as listeners:
            own = {name: PROGRAMS[each] for name, each in chosen.items() if each in PROGRAMS}
            missing = {name: program for name, program in own.items() if not _serves(lab, name, program, settings)}
            if missing:
                _start(missing, listeners, lab, settings, report)
    return _statuses(only, lab, settings, in_compose)


def down(settings: Settings, *, wipe: bool = False) -> list[str]:
    """End what ``up`` started, and scratch brokers whose owner is gone. Return the services that were running.

    ``wipe`` also deletes the brokers' data: the next start is a first start.
    """
    with state.locked(settings.home) as lab:
        sharing.end(settings, wipe=wipe)
        for _, process in processes.started_in([settings.home / "archive"]):
            process.end(grace=5)
        ended = _end(SERVICES, lab, settings)
        processes.sweep()
        lab.services.clear()
        lab.shared = None
        lab.save()
        if wipe:
            for name in SERVICES:
                shutil.rmtree(settings.home / name, ignore_errors=True)
    return ended


def status(settings: Settings, *, only: Collection[str] = SERVICES) -> list[Status]:
    """Probe the services, side by side."""
    lab = state.State.load(settings.home)
    return _statuses(only, lab, settings, _composed(lab, settings, only))


def _statuses(only: Iterable[str], lab: state.State, settings: Settings, in_compose: Mapping[str, int]) -> list[Status]:
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        return list(pool.map(lambda name: _look(SERVICES[name], lab, settings, in_compose), only))


def _look(service: Service[Any], lab: state.State, settings: Settings, in_compose: Mapping[str, int]) -> Status:
    chosen = provider(service, settings, composed=in_compose)
    running = lab.services.get(service.name)
    # What has ended, and would not be started again, says nothing: Docker Compose may provide the service by now.
    if running and chosen != "given" and (chosen in PROGRAMS or running.process.alive()):
        return _look_at(running, service, settings)
    if chosen in PROGRAMS:
        log = _instance(service, PROGRAMS[chosen], settings).log
        return Status(service=service, provider=chosen, endpoint=None, problem="not running", log=log)
    if chosen == "none":
        return Status(service=service, provider=chosen, endpoint=None, problem="not available here")
    in_container = service.local(in_compose.get(service.name, service.ports[0]), chosen)
    endpoint = settings.external.get(service.name, in_container)
    problem = service.problem(endpoint, timeout=10 if chosen == "given" else 2)
    return Status(service=service, provider=chosen, endpoint=endpoint, problem=problem)


def _look_at(running: state.Running, service: Service[Any], settings: Settings) -> Status:
    process, endpoint = running.process, service.local(running.ports[0], running.program)
    return Status(
        service=service,
        provider=running.program,
        endpoint=endpoint,
        problem=service.problem(endpoint) if process.alive() else "it has ended; `lab up` starts it again",
        pid=running.pid,
        memory=process.memory(),
        log=_instance(service, PROGRAMS[running.program], settings).log,
    )


def _composed(lab: state.State, settings: Settings, only: Iterable[str]) -> Mapping[str, int]:
    """Return the ports of those services in containers that nothing else provides."""
    forced = {name for name, choice in settings.providers.items() if choice != "compose"}
    known = forced.union(settings.external, (name for name, each in lab.services.items() if each.process.alive()))
    # Skip the slow `docker compose ps` when all services are known.
    return {name: port for name, port in composed().items() if name not in known} if set(only) - known else {}


def _serves(lab: state.State, name: str, program: Program, settings: Settings) -> bool:
    """Whether the service runs already: the wanted program is alive and answers."""
    running, service = lab.services.get(name), SERVICES[name]
    if running is None or running.program != program.name or not running.process.alive():
        return False
    if not running.ready:  # on a slow machine, an earlier command stopped waiting for it
        _await_ready(lab, name, settings)
    return not service.problem(service.local(running.ports[0], program.name), timeout=5)


def _await_ready(lab: state.State, name: str, settings: Settings) -> None:
    running = lab.services[name]
    service, program = SERVICES[name], PROGRAMS[running.program]
    instance = replace(_instance(service, program, settings), ports=running.ports)
    launch.await_ready(service, program, instance, running.process)
    lab.record(replace(running, ready=True))


def _start(
    programs: Mapping[str, Program],
    listeners: Mapping[str, Listener],
    lab: state.State,
    settings: Settings,
    report: Reporter,
) -> None:
    """Start a program for each of the named services, side by side, and wait until all are ready."""
    launch.prepare(list(programs.values()), settings, report)
    if shutil.disk_usage(settings.home).free < _LEAST_DISK:
        raise NotWritable(settings.home, reason="less than 500 MB are free on its disk")
    report.say(f"Starting {', '.join(program.title for program in programs.values())} …")
    # Stop hung processes, those of another provider, and those missing from the state file.
    _end(programs, lab, settings)
    taken = {port for name, each in lab.services.items() if name not in programs for port in each.ports}
    taken |= {listener.port for listener in listeners.values()}  # Kafka needs a port of its own for each listener
    instances = {}
    for name, program in programs.items():
        before = lab.services.get(name)
        again = before.ports if before and before.program == program.name else ()
        chosen = _ports(SERVICES[name], again, taken, settings, report)
        instance = _instance(SERVICES[name], program, settings)
        instances[name] = replace(instance, ports=chosen, listener=listeners.get(name))

    def begin(name: str) -> None:
        process = launch.launch(programs[name], instances[name], new_log=True)
        program, chosen = programs[name].name, instances[name].ports
        lab.record(state.Running(service=name, program=program, ports=chosen, ready=False, **vars(process)))
        _await_ready(lab, name, settings)

    began = time.monotonic()
    with ThreadPoolExecutor(len(programs)) as pool:
        list(pool.map(begin, programs))
    report.say(f"Ready after {time.monotonic() - began:.1f} s.")
    archive.make_later((lab.services[name].pid for name in programs), settings.cache, settings.home / "archive")


def _ports(
    service: Service[Any], again: tuple[int, ...], taken: set[int], settings: Settings, report: Reporter
) -> tuple[int, ...]:
    """Return the ports that the program had before (``again``), else the usual ones, else the next free ones.

    They are added to those that are ``taken``. If the service does not get its usual port, ``report`` says why.
    """
    usual = again or service.ports
    chosen: list[int] = []
    for port in usual:
        chosen.append(ports.next_free(ports.any_free() if settings.any_port and not again else port, but=taken))
        taken.add(chosen[-1])
    if not settings.any_port and chosen[0] != usual[0]:
        report.say(
            f"{service.title}: port {usual[0]} is used by {ports.holder(usual[0])}, so it listens on {chosen[0]}."
        )
    return tuple(chosen)


def _end(names: Iterable[str], lab: state.State, settings: Settings) -> list[str]:
    """End what this lab started for the services, recorded or not. Return the services that were running."""
    programs = {
        _instance(SERVICES[name], program, settings).folder: (name, program)
        for name in names
        for program in SERVICES[name].programs
    }
    running = dict(processes.started_in(programs))
    for folder, (name, program) in programs.items():
        if (recorded := lab.services.get(name)) and recorded.program == program.name and recorded.process.alive():
            running[folder] = recorded.process
    with ThreadPoolExecutor(max(1, len(running))) as pool:
        list(pool.map(lambda folder: running[folder].end(grace=programs[folder][1].grace), running))
    return list(dict.fromkeys(name for folder, (name, _) in programs.items() if folder in running))


def _instance(service: Service[Any], program: Program, settings: Settings) -> Instance:
    return Instance(folder=settings.home / service.name / program.name, cache=settings.cache)
