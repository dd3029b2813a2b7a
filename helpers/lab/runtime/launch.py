"""Starting one program in one place, and waiting until it answers. The lab and private brokers do it alike."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from helpers.lab.errors import LabError, NotWritable, ServiceDied, ServiceNotReady
from helpers.lab.progress import Reporter
from helpers.lab.runtime import archive, artifacts, processes
from helpers.lab.runtime.processes import Process
from helpers.lab.runtime.program import Instance, Program
from helpers.lab.services.base import E, Service
from helpers.lab.settings import Settings

_POLL = 0.05
_DOCTOR = "`lab doctor` checks disk, memory and Java."
_WSL = (
    "Use WSL2: `wsl --install` in PowerShell, then follow the README in its terminal. For all lessons but 06, 07 and "
    "11 to 15, which start a Kafka of their own, `docker compose up --wait` with Docker Desktop also serves; so does a "
    "Kafka elsewhere (LAB_KAFKA_BOOTSTRAP_SERVERS)."
)


def prepare(programs: Sequence[Program], settings: Settings, report: Reporter) -> None:
    """See that the programs can run here, and fetch what they need and the cache lacks, with a bar.

    Raises:
        LabError: One of them does not run on this system.
    """
    if sys.platform == "win32" and any(program.name == "kafka" for program in programs):
        raise LabError("Kafka does not run natively on Windows: it cannot delete its log files.", remedy=_WSL)
    wanted = [each for program in programs if program.artifacts for each in artifacts.listed(program.artifacts)]
    lacking = artifacts.missing(wanted, settings.cache)
    if lacking:
        with report.bar("Downloading the brokers, once", total=sum(each.size for each in lacking)) as advance:
            artifacts.fetch(lacking, settings.cache, advance=advance)


def launch(program: Program, instance: Instance, *, owned: bool = False, new_log: bool = False) -> Process:
    """Write the program's configuration and start it.

    ``owned``: it ends with this Python, and rather starts fast than works fast. ``new_log``: its log begins anew; the
    one from before is kept beside it.

    Raises:
        NotWritable: Its folder cannot be written.
        LabError: The program is not there, or does not begin.
    """
    try:
        instance.folder.mkdir(parents=True, exist_ok=True)
        if new_log and instance.log.exists():
            instance.log.replace(instance.log.with_name("log-before.txt"))
        command = archive.add(program.command(instance), instance.cache, short_lived=owned)
    except OSError as error:
        raise NotWritable(instance.folder, reason=error.strerror or str(error)) from error
    except subprocess.SubprocessError as error:  # a tool that prepares it failed, or took too long
        raise LabError(f"{program.title} could not be prepared: {error}.", remedy=_DOCTOR) from error
    try:
        return processes.start(command, log=instance.log, folder=instance.folder, owned=owned)
    except OSError as error:
        raise LabError(f"{program.title} could not be started: {error}.", remedy=_DOCTOR) from error


def await_ready(
    service: Service[E], program: Program, instance: Instance, process: Process, *, again: str = "`lab up`"
) -> None:
    """Return once the process answers its probe. If it never does, the error says to run ``again`` again.

    Raises:
        LabError: The process ended, and files of it are not what was downloaded. They are deleted.
        ServiceDied: The process ended; at once, with the end of its log.
        ServiceNotReady: It lives, but did not answer before the deadline.
    """
    title = program.title
    endpoint = service.local(instance.ports[0], program.name)
    deadline = time.monotonic() + service.deadline
    while True:
        problem = service.problem(endpoint)
        # Asked after the probe: whatever answers on the port of a dead process is not ours.
        if not process.alive():
            if damaged := artifacts.discard_damaged(program.artifacts, instance.cache):
                cause = f"{title} ended while it was starting: {', '.join(damaged)} had been damaged on this disk."
                raise LabError(cause, remedy=f"Run {again} again: it downloads what was damaged.")
            raise ServiceDied(title, exit_code=process.exit_code(), log=instance.log)
        if not problem:
            return
        if time.monotonic() > deadline:
            raise ServiceNotReady(title, seconds=service.deadline, problem=problem, log=instance.log, again=again)
        time.sleep(_POLL)
