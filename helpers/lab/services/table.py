"""The table of services: what the lab runs, on which port, and in which ways each can be provided."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass

from helpers.lab.services.programs import on_path
from helpers.lab.settings import Settings
from helpers.paths import ROOT

_COMPOSE_WITHIN = 5


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service. ``native`` and ``embedded`` name programs; ``spare`` is the first port for its second listener."""

    name: str
    title: str
    port: int
    deadline: float = 60.0
    native: str = ""
    embedded: str = ""
    spare: int = 0

    @property
    def ways(self) -> list[str]:
        """The programs that provide it on this machine."""
        return [program for program in (self.native, self.embedded) if program]


SERVICES = {
    each.name: each
    for each in (
        Service(name="mqtt", title="MQTT broker", port=1883, native="mosquitto", embedded="artemis"),
        Service(name="kafka", title="Kafka", port=9092, embedded="kafka", spare=9093),
        Service(name="registry", title="Schema registry", port=8081, embedded="apicurio", spare=8181),
        Service(name="influxdb", title="InfluxDB", port=8086, native="influxd", spare=8088),
    )
}


def provider(service: Service, settings: Settings, *, composed: Collection[str]) -> str:
    """Return how ``service`` is provided: ``given``, ``compose``, ``none``, or a program's name. First match wins."""
    forced = settings.providers.get(service.name, "")
    if service.name in settings.given:
        return "given"
    if forced == "compose" or (not forced and service.name in composed):
        return "compose"
    if forced == "native" or (not forced and service.native and on_path(service.native)):
        return service.native
    return "none" if forced == "none" else service.embedded or "none"


def composed() -> dict[str, int]:
    """Return which of this project's Docker Compose services run, and on which ports; none where there is no Docker."""
    if shutil.which("docker") is None:
        return {}
    command = ["docker", "compose", "--file", str(ROOT / "docker-compose.yml"), "ps", "--format", "json"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_COMPOSE_WITHIN, check=True)
        # One JSON object a line, or one list, depending on Compose's version.
        lines = answer.stdout.strip().splitlines()
        rows = json.loads(answer.stdout) if answer.stdout.startswith("[") else [json.loads(line) for line in lines]
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    found = {}
    for row in rows:
        published = [each["PublishedPort"] for each in row.get("Publishers") or () if each["PublishedPort"]]
        if row.get("State") == "running" and published:
            found[row["Service"]] = published[0]
    return found
