"""Starting, ending and looking at the lab."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from helpers.errors import LabError, NotWritable, ServiceDied, ServiceNotReady
from helpers.lab import artifacts, endpoints, ports, processes, state
from helpers.lab.endpoints import Endpoint
from helpers.lab.probes import QUESTION, probe
from helpers.lab.processes import Process, tail
from helpers.lab.programs import PROGRAMS, Program, Site
from helpers.lab.progress import Reporter, Silent
from helpers.lab.services import SERVICES, Service, composed, provider
from helpers.lab.settings import Settings

_POLL = 0.05
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


def up(settings: Settings, *, report: Reporter = _SILENT, only: Iterable[str] = SERVICES) -> list[Status]:
    """Bring every service up and return when all are ready. What runs already is left alone; what died is repaired.

    Raises:
        ServiceDied, ServiceNotReady: A service could not be started.
        DownloadError: A program could not be downloaded.
        NotWritable: The lab's home cannot be written.
        LabBusy: Another command holds the lab.
    """
    with state.locked(settings.home) as lab:
        if lab.unreadable:
            report.say(f"The lab's state file was unreadable. It was put aside in {settings.home}.")
        chosen = {name: provider(SERVICES[name], settings, composed=_composed(lab, settings)) for name in only}
        starting = [name for name, way in chosen.items() if way in PROGRAMS and not _keep(lab, name, way)]
        if starting:
            _start(starting, chosen, lab, settings, report)
    return status(settings, only=only)


def down(settings: Settings, *, wipe: bool = False) -> list[str]:
    """End what ``up`` started, and nothing else. Return the services that were running.

    ``wipe`` also deletes the brokers' data: the next start is a first start.
    """
    with state.locked(settings.home) as lab:
        running = [each for each in lab.services.values() if each.process.alive()]
        with ThreadPoolExecutor(max(1, len(running))) as pool:
            list(pool.map(lambda each: each.process.end(grace=PROGRAMS[each.program].grace), running))
        lab.services.clear()
        lab.save()
        if wipe:
            for name in SERVICES:
                shutil.rmtree(settings.home / name, ignore_errors=True)
    return [each.service for each in running]


def status(settings: Settings, *, only: Iterable[str] = SERVICES) -> list[Status]:
    """Ask every service whether it is ready, side by side."""
    lab = state.State.load(settings.home)
    now = _composed(lab, settings)
    names = list(only)
    with ThreadPoolExecutor(len(names) or 1) as pool:
        return list(pool.map(lambda name: _look(SERVICES[name], lab, settings, now), names))


def _look(service: Service, lab: state.State, settings: Settings, now: frozenset[str]) -> Status:
    way = provider(service, settings, composed=now)
    if service.name in settings.given:
        endpoint = settings.given[service.name]
        return Status(service=service, provider=way, endpoint=endpoint, trouble=probe(endpoint, timeout=10))
    running = lab.services.get(service.name)
    if running is None:
        if way == "compose":
            endpoint = endpoints.local(service.name, port=service.port, provider=way)
            return Status(service=service, provider=way, endpoint=endpoint, trouble=probe(endpoint))
        trouble = "not running" if way in PROGRAMS else "not here"
        return Status(service=service, provider=way, endpoint=None, trouble=trouble)
    endpoint = endpoints.local(service.name, port=running.ports[0], provider=running.program)
    log = Site(folder=_folder(settings, service, running.program), cache=settings.cache, ports=running.ports).log
    process = running.process
    trouble = probe(endpoint) if process.alive() else "it died; `lab up` starts it again"
    return Status(
        service=service,
        provider=running.program,
        endpoint=endpoint,
        trouble=trouble,
        pid=running.pid,
        memory=process.memory(),
        log=log,
    )


def _composed(lab: state.State, settings: Settings) -> frozenset[str]:
    # What this lab runs already needs no question to Docker, which takes its time.
    ours = set(lab.services) | set(settings.given)
    return frozenset() if ours >= {"mqtt", "kafka", "registry"} else composed()


def _keep(lab: state.State, name: str, way: str) -> bool:
    """Whether the running service stays: it lives, answers, and is the program that is wanted."""
    running = lab.services.get(name)
    if running is None or not running.process.alive():
        return False
    endpoint = endpoints.local(name, port=running.ports[0], provider=running.program)
    if running.program == way and not probe(endpoint, timeout=5):
        return True
    running.process.end(grace=PROGRAMS[running.program].grace)
    return False


def _start(names: list[str], chosen: dict[str, str], lab: state.State, settings: Settings, report: Reporter) -> None:
    download([PROGRAMS[chosen[name]] for name in names], settings, report)
    if shutil.disk_usage(settings.home).free < _LEAST_DISK:
        raise NotWritable(settings.home, reason="less than 500 MB of the disk are free")
    titles = ", ".join(PROGRAMS[chosen[name]].title for name in names)
    report.say(f"Starting {titles} …")
    sites = {name: _site(SERVICES[name], PROGRAMS[chosen[name]], lab, settings, report) for name in names}
    began = time.monotonic()
    with ThreadPoolExecutor(len(names)) as pool:
        launches = {name: pool.submit(launch, PROGRAMS[chosen[name]], sites[name]) for name in names}
        waits = []
        for name, launched in launches.items():
            process = launched.result()
            lab.services[name] = state.Running(
                service=name,
                program=chosen[name],
                pid=process.pid,
                started=process.started,
                ports=sites[name].ports,
            )
            lab.save()  # before it is ready: a command interrupted now must not forget a process
            waits.append(pool.submit(await_ready, SERVICES[name], chosen[name], sites[name], process))
        for wait in waits:
            wait.result()
    report.say(f"Ready after {time.monotonic() - began:.1f} s.")


def download(programs: Iterable[Program], settings: Settings, report: Reporter) -> None:
    """Fetch what the programs need and the cache lacks, with a bar."""
    wanted = [each for program in programs if program.artifacts for each in artifacts.listed(program.artifacts)]
    lacking = artifacts.missing(wanted, settings.cache)
    if lacking:
        with report.bar("Downloading the brokers, once", total=sum(each.size for each in lacking)) as advance:
            artifacts.fetch(lacking, settings.cache, advance=advance)


def _site(service: Service, program: Program, lab: state.State, settings: Settings, report: Reporter) -> Site:
    """Choose folder and ports: those of its last run where they are free, else the usual ones, else the next."""
    taken = {port for name, each in lab.services.items() if name != service.name for port in each.ports}
    before = lab.services.get(service.name)
    wanted = before.ports if before and len(before.ports) == program.ports else (service.port, service.spare)
    chosen: list[int] = []
    for port in wanted[: program.ports]:
        if settings.any_port and not before:
            chosen.append(ports.any_free())
        else:
            chosen.append(ports.next_free(port, but=taken | set(chosen)))
    if chosen[0] != wanted[0] and not settings.any_port:
        report.say(
            f"{service.title}: port {wanted[0]} is held by {ports.holder(wanted[0])}, so it listens on {chosen[0]}. "
            "Lessons ask the lab for the port."
        )
    folder = _folder(settings, service, program.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotWritable(settings.home, reason=error.strerror or str(error)) from error
    lab.services[service.name] = state.Running(
        service=service.name, program=program.name, pid=-1, started=0.0, ports=tuple(chosen)
    )
    return Site(folder=folder, cache=settings.cache, ports=tuple(chosen))


def _folder(settings: Settings, service: Service, program: str) -> Path:
    return settings.home / service.name / program


def launch(program: Program, site: Site) -> Process:
    """Write the program's configuration and start it."""
    try:
        command = program.command(site)
        return processes.start(command, log=site.log, folder=site.folder)
    except OSError as error:
        raise LabError(
            f"{program.title} could not be started: {error}.",
            service=program.name,
            remedy="`lab doctor` checks disk, memory and Java.",
        ) from error


def await_ready(service: Service, way: str, site: Site, process: Process) -> None:
    """Return once the process answers its probe.

    Raises:
        ServiceDied: The process ended; at once, with the end of its log.
        ServiceNotReady: It lives, but did not answer before the deadline.
    """
    title = PROGRAMS[way].title
    endpoint = endpoints.local(service.name, port=site.ports[0], provider=way)
    deadline = time.monotonic() + service.deadline
    while True:
        if not process.alive():
            raise ServiceDied(title, exit_code=process.exit_code(), log=site.log, log_tail=tail(site.log))
        if not probe(endpoint):
            return
        if time.monotonic() > deadline:
            raise ServiceNotReady(
                title,
                seconds=service.deadline,
                probe=QUESTION[service.name],
                log=site.log,
                log_tail=tail(site.log),
            )
        time.sleep(_POLL)
