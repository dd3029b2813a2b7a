"""A program that can provide a service: where one instance of it runs, its configuration and its command.

The settings a reader may want to know are in ``conf/``; only ports, folders and users are added here. Each program is
started in its folder and gets relative paths, since programs differ in how they read spaces, backslashes and non-ASCII
letters in a configuration file.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from string import Template

from helpers.lab.errors import LabError
from helpers.lab.runtime import artifacts, java

CONF = Path(__file__).parent.parent / "conf"
# Debian and Homebrew keep mosquitto off the PATH of ordinary users, conda where its environment is not activated.
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/sbin")
_QUICK_START = ["-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Xshare:auto"]


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Where a shared lab accepts other machines: the address they know, its IP address, a port, and the login."""

    address: str
    ip: str
    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """Where one program runs: its folder, its ports (the service's own first), and settings of the user's choice.

    ``listener`` is None, or how other machines connect; its certificate is in ``share/`` beside the services' folders.
    """

    folder: Path
    cache: Path
    ports: tuple[int, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    listener: Listener | None = None

    @property
    def log(self) -> Path:
        """What the program printed."""
        return self.folder / "log.txt"

    def write(
        self, template: str, lines: Mapping[str, object], *, between: str = "=", name: str = "", first: str = ""
    ) -> str:
        """Write ``conf/template`` plus ``lines`` and the chosen settings into the folder; the last line counts.

        The lines for a shared lab come at the end, unless ``first`` holds them. Return the file's name: the template's,
        unless another is given.
        """
        text = (CONF / template).read_text(encoding="utf-8")
        added = "".join(f"{key}{between}{value}\n" for key, value in {**lines, **self.settings}.items())
        text = f"{first}{text}\n# Added by the lab.\n{added}{'' if first else self.shared(template)}"
        (self.folder / (name or template)).write_text(text, encoding="utf-8")
        return name or template

    def shared(self, template: str) -> str:
        """Return ``conf/shared/template`` filled in for this instance; "" where no other machine may connect."""
        file = CONF / "shared" / template
        if self.listener is None or not file.exists():
            return ""
        text = Template(file.read_text(encoding="utf-8"))
        return text.substitute(asdict(self.listener), own=self.ports[0], second=self.ports[-1])


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program: how to prepare and start it, which artifacts it needs.

    ``grace`` is the time in seconds that it gets to end in good order.
    """

    name: str
    title: str
    command: Callable[[Instance], list[str]]
    artifacts: str = ""
    grace: float = 8.0


def on_path(program: str) -> str | None:
    """Return where ``program`` is, looking into this Python's environment and the sbin folders too."""
    folders = (f"{sys.prefix}/bin", f"{sys.prefix}/sbin", *_SBIN)
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(folders))


def installed(program: str, remedy: str) -> str:
    """Return where ``program`` is.

    Raises:
        LabError: It is not installed.
    """
    if found := on_path(program):
        return found
    raise LabError(f"{program} is not installed.", remedy=remedy)


def jvm(*flags: str) -> list[str]:
    """Return the beginning of a command that starts a JVM."""
    return [str(java.find()), *_QUICK_START, *flags]


def log4j() -> str:
    """Return the JVM flag that sends the log of Kafka or Artemis to standard output."""
    return f"-Dlog4j2.configurationFile={(CONF / 'log4j2.properties').as_uri()}"


def jars(artifact: str, cache: Path) -> str:
    """Return the class path of a program's jars."""
    return os.pathsep.join(str(each.path(cache)) for each in artifacts.listed(artifact))
