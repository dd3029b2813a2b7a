"""docker-compose.yml as the tests use it: unchanged, under a project name and on ports that nobody else has."""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from helpers.lab.runtime import ports
from helpers.paths import ROOT

FILE = ROOT / "docker-compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]
DOCKERFILE = (ROOT / SERVICES["jupyter"]["build"]["dockerfile"]).read_text(encoding="utf-8")
IMAGES = {
    *(each["image"] for each in SERVICES.values() if "image" in each),
    *re.findall(r"^FROM (\S+)$", DOCKERFILE, re.MULTILINE),
}
# Each is in the file, before its default: ${MQTT_PORT:-1883}.
PORTS = {
    "mqtt": "MQTT_PORT",
    "kafka": "KAFKA_PORT",
    "registry": "REGISTRY_PORT",
    "influxdb": "INFLUXDB_PORT",
    "kafka-1": "KAFKA_1_PORT",
    "kafka-2": "KAFKA_2_PORT",
    "kafka-3": "KAFKA_3_PORT",
    "jupyter": "JUPYTER_PORT",
    "emqx": "EMQX_PORT",
    "dashboard": "EMQX_DASHBOARD_PORT",
    "influxdb2": "INFLUXDB2_PORT",
    "influxdb3": "INFLUXDB3_PORT",
}


class Stack:
    """One project: ``env`` is for programs that shall find it, ``port`` maps services to ports of 127.0.0.1."""

    def __init__(self, engine: Mapping[str, str]) -> None:
        self.port = {name: ports.any_free() for name in PORTS}
        self.files = [FILE]
        self.project = f"test-{uuid.uuid4().hex[:8]}"
        self.env = {
            **os.environ,
            **engine,
            **{variable: str(self.port[name]) for name, variable in PORTS.items()},
            "COMPOSE_PROJECT_NAME": self.project,
        }

    def compose(self, *arguments: str, stdin: str = "", timeout: float = 240) -> str:
        """Run ``docker compose`` and return what it printed. Raises RuntimeError with all of it if that fails."""
        files = [word for file in self.files for word in ("--file", str(file))]
        return self.docker("compose", "--ansi", "never", *files, *arguments, stdin=stdin, timeout=timeout)

    def docker(self, *arguments: str, stdin: str = "", timeout: float = 60) -> str:
        """Run ``docker`` and return what it printed."""
        answer = subprocess.run(
            ["docker", *arguments],
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if answer.returncode:
            said = f"docker {' '.join(arguments)} ({answer.returncode}):\n{answer.stdout}\n{answer.stderr}"
            raise RuntimeError(said)
        return answer.stdout

    def up(self, *services: str, profiles: Sequence[str] = ()) -> None:
        """Bring services up, all that have no profile if none are named, and wait until they are healthy."""
        chosen = [word for profile in profiles for word in ("--profile", profile)]
        try:
            self.compose(*chosen, "up", "--wait", "--wait-timeout", "180", "--quiet-pull", *services)
        except RuntimeError as error:
            logs = self.compose("--profile", "*", "logs", "--no-color", "--tail", "12")
            raise RuntimeError(f"{error}\n{logs}") from error

    def down(self, *, wipe: bool = False) -> None:
        """Remove the containers, and with ``wipe`` their volumes too."""
        self.compose("--profile", "*", "down", "--timeout", "20", *(["--volumes"] if wipe else []))

    def container(self, service: str) -> str:
        """Return a service's container."""
        return self.compose("ps", "--quiet", service).strip()

    def beside(self, service: str, *command: str, stdin: str = "") -> str:
        """Run a command in a second container of a service's image, in the same network."""
        return self.compose("run", "--rm", "--no-deps", "-T", service, *command, stdin=stdin)
