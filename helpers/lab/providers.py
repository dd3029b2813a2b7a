"""Who provides each service: an external address, Docker Compose, or a program of this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Collection

from helpers.lab.runtime.program import on_path
from helpers.lab.services.base import E, Service
from helpers.lab.settings import Settings
from helpers.paths import ROOT

_COMPOSE_TIMEOUT = 5


def provider(service: Service[E], settings: Settings, *, composed: Collection[str]) -> str:
    """Return who provides ``service``: ``given``, ``compose``, ``none``, or a program's name. First match wins.

    ``composed`` are the services that Docker Compose runs.
    """
    forced = settings.providers.get(service.name, "")
    if service.name in settings.external:
        return "given"
    if forced == "compose" or (not forced and service.name in composed):
        return "compose"
    if service.native and (forced == "native" or (not forced and on_path(service.native.name))):
        return service.native.name
    return service.embedded.name if service.embedded and forced != "none" else "none"


def composed() -> dict[str, int]:
    """Return the ports of this project's Docker Compose services that run; empty without Docker."""
    if shutil.which("docker") is None:
        return {}
    command = ["docker", "compose", "--file", str(ROOT / "docker-compose.yml"), "ps", "--format", "json"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_COMPOSE_TIMEOUT, check=True)
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
