"""The programs behind the services: which configuration each gets, and the command that starts it.

The settings a reader may want to know are in ``conf/``; only ports, folders and users are added here. Each program is
started in its folder and gets relative paths: what spaces, backslashes and letters beyond ASCII mean in a configuration
file differs from one to the next.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from string import Template

from helpers.errors import LabError, ServiceDied
from helpers.lab.runtime import artifacts, java
from helpers.lab.runtime.processes import LOCALE, tail
from helpers.lab.services.endpoints import LOOPBACK

CONF = Path(__file__).parent.parent / "conf"
# Debian and Homebrew hide mosquitto from ordinary users, and conda from who did not activate its environment.
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/sbin")
_QUICK_START = ["-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Xshare:auto"]
_FORMAT_WITHIN = 60
_NO_HASHER = "Install it, or set LAB_MQTT_PROVIDER=embedded: the lab brings a broker."


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a shared lab lets others in: the address they know, the IP address behind it, a port, and the login."""

    address: str
    ip: str
    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where one program runs: its folder, its ports (the service's own first), its log, settings of one's choice.

    ``door`` is None, or how others come in; the certificate for it is in ``share/`` beside the services' folders.
    """

    folder: Path
    cache: Path
    ports: tuple[int, ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    door: Door | None = None

    @property
    def log(self) -> Path:
        """What the program printed."""
        return self.folder / "log.txt"

    def write(
        self, template: str, lines: Mapping[str, object], *, between: str = "=", name: str = "", first: str = ""
    ) -> str:
        """Write ``conf/template`` plus ``lines`` and the chosen settings into the folder; the last word counts.

        What a shared lab needs comes at the end, unless the text that comes ``first`` says it. Return the file's name,
        which is the template's unless another is given.
        """
        text = (CONF / template).read_text(encoding="utf-8")
        added = "".join(f"{key}{between}{value}\n" for key, value in {**lines, **self.settings}.items())
        text = f"{first}{text}\n# Added by the lab.\n{added}{'' if first else self.shared(template)}"
        (self.folder / (name or template)).write_text(text, encoding="utf-8")
        return name or template

    def shared(self, template: str) -> str:
        """Return ``conf/shared/template`` for this site; "" where nobody else is let in."""
        file = CONF / "shared" / template
        if self.door is None or not file.exists():
            return ""
        text = Template(file.read_text(encoding="utf-8"))
        return text.substitute(asdict(self.door), own=self.ports[0], second=self.ports[-1])


@dataclass(frozen=True, kw_only=True)
class Program:
    """A way to provide a service: how to prepare and start it, what it downloads, how many ports it takes."""

    name: str
    title: str
    command: Callable[[Site], list[str]]
    artifacts: str = ""
    ports: int = 1
    grace: float = 8.0


def on_path(program: str) -> str | None:
    """Return where ``program`` is, looking into this Python's environment and the sbin folders too."""
    folders = (f"{sys.prefix}/bin", f"{sys.prefix}/sbin", *_SBIN)
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(folders))


def _mosquitto(site: Site) -> list[str]:
    program = on_path("mosquitto")
    if program is None:
        raise LabError(
            "Mosquitto is not installed.",
            service="mqtt",
            remedy="Install it (Debian: `apt install mosquitto`), or unset LAB_MQTT_PROVIDER: the lab brings a broker.",
        )
    (site.folder / "data").mkdir(exist_ok=True)
    lines = {
        "persistence_location": "data/",
        # Started by root it would become the user mosquitto, who may not write here. Others stay who they are.
        "user": "root",
    }
    if not site.door:
        lines = {"listener": f"{site.ports[0]} {LOOPBACK}"} | lines
    elif hasher := on_path("mosquitto_passwd"):
        (site.folder / "users.txt").write_text(f"{site.door.user}:{site.door.password}\n", encoding="utf-8")
        subprocess.run([hasher, "-U", "users.txt"], cwd=site.folder, check=True, timeout=20, capture_output=True)
    else:
        raise LabError("Mosquitto's mosquitto_passwd is not installed.", service="mqtt", remedy=_NO_HASHER)
    return [program, "-c", site.write("mosquitto.conf", lines, between=" ", first=site.shared("mosquitto.conf"))]


def _artemis(site: Site) -> list[str]:
    (site.folder / "etc").mkdir(exist_ok=True)
    lines = {
        "acceptorConfigurations.mqtt.params.host": LOOPBACK,
        "acceptorConfigurations.mqtt.params.port": site.ports[0],
        "journalDirectory": "data/journal",
        "bindingsDirectory": "data/bindings",
        "pagingDirectory": "data/paging",
        "largeMessagesDirectory": "data/large",
    }
    site.write("artemis.properties", lines, name="etc/broker.properties")
    main = "org.apache.activemq.artemis.core.server.embedded.Main"
    login = []
    if site.door:
        files = {"users": f"{site.door.user}={site.door.password}", "roles": f"everybody={site.door.user}"}
        for name, text in files.items():
            (site.folder / f"{name}.properties").write_text(text, encoding="utf-8")
        (site.folder / "login.config").write_text(site.shared("login.config"), encoding="utf-8")
        login = ["-Djava.security.auth.login.config=login.config"]
    return [*_jvm("-Xmx256m", *_logging(), *login), "-cp", _jars("artemis", site.cache), main, "."]


def _kafka(site: Site) -> list[str]:
    port, controller = site.ports
    lines = {
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "log.dirs": "data",
    }
    conf = site.write("kafka.properties", lines)
    jars = _jars("kafka", site.cache)
    if not (site.folder / "data" / "meta.properties").exists():
        _format(jars, conf, site)
    return [*_jvm("-Xmx512m", *_logging()), "-cp", jars, "kafka.Kafka", conf]


def _format(jars: str, conf: str, site: Site) -> None:
    cluster = uuid.uuid4().hex[:22]
    tool = [*_jvm("-Xmx128m", "-XX:TieredStopAtLevel=1"), "-cp", jars, "kafka.tools.StorageTool"]
    with site.log.open("ab") as log:
        answer = subprocess.run(
            [*tool, "format", "-t", cluster, "-c", conf],
            cwd=site.folder,
            env={**os.environ, **LOCALE},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=_FORMAT_WITHIN,
            check=False,
        )
    if answer.returncode:
        raise ServiceDied("Kafka", exit_code=answer.returncode, log=site.log, log_tail=tail(site.log))


def _apicurio(site: Site) -> list[str]:
    port, management = site.ports
    (archive,) = artifacts.listed("apicurio")
    lines = {
        "quarkus.http.host": LOOPBACK,
        "quarkus.http.port": port,
        # It cannot be switched off, and would listen on every interface.
        "quarkus.management.host": LOOPBACK,
        "quarkus.management.port": management,
        "apicurio.datasource.url": "jdbc:h2:file:./data/registry",
    }
    conf = site.write("apicurio.properties", lines)
    run = artifacts.unpacked(archive, site.cache) / "quarkus-run.jar"
    return [*_jvm("-Xmx256m", "-XX:TieredStopAtLevel=1"), f"-Dquarkus.config.locations={conf}", "-jar", str(run)]


def _influxd(site: Site) -> list[str]:
    program = on_path("influxd")
    if program is None:
        raise LabError(
            "InfluxDB is not installed.",
            service="influxdb",
            remedy="Install influxd (Debian: `apt install influxdb`), or set LAB_INFLUXDB_URL.",
        )
    port, backup = site.ports
    text = (CONF / "influxdb.conf").read_text(encoding="utf-8")
    text = text.replace("[http]\n", f'[http]\n  bind-address = "{LOOPBACK}:{port}"\n')
    text = text.replace("[data]\n", '[data]\n  dir = "data/data"\n  wal-dir = "data/wal"\n')
    text = f'bind-address = "{LOOPBACK}:{backup}"\n{text}\n[meta]\n  dir = "data/meta"\n'
    (site.folder / "influxdb.conf").write_text(text, encoding="utf-8")
    return [program, "-config", "influxdb.conf"]


PROGRAMS = {
    "mosquitto": Program(name="mosquitto", title="Eclipse Mosquitto", command=_mosquitto),
    "artemis": Program(name="artemis", title="Apache Artemis", command=_artemis, artifacts="artemis"),
    "kafka": Program(name="kafka", title="Apache Kafka", command=_kafka, artifacts="kafka", ports=2),
    "apicurio": Program(name="apicurio", title="Apicurio Registry", command=_apicurio, artifacts="apicurio", ports=2),
    "influxd": Program(name="influxd", title="InfluxDB", command=_influxd, ports=2),
}


def _jvm(*flags: str) -> list[str]:
    return [str(java.find()), *_QUICK_START, *flags]


def _logging() -> list[str]:
    return [f"-Dlog4j2.configurationFile={(CONF / 'log4j2.properties').as_uri()}"]


def _jars(service: str, cache: Path) -> str:
    return os.pathsep.join(str(each.path(cache)) for each in artifacts.listed(service))
