"""The lab's settings from environment variables: its folders, its namespace, and which services are external."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_cache_path

from helpers import topics
from helpers.errors import ConfigurationError
from helpers.lab import env_file
from helpers.lab.runtime.ports import LOOPBACK
from helpers.lab.services.base import Endpoint
from helpers.lab.services.table import SERVICES
from helpers.lab.services.variables import Variables
from helpers.lessons import LESSONS
from helpers.paths import ROOT

JOINED = "joined.env"


def home(env: Mapping[str, str]) -> Path:
    """Return the folder in which the lab keeps its state."""
    return Path(env.get("LAB_HOME") or ROOT / ".lab").absolute()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One lab. ``ns`` goes in front of every name; ``external`` holds the services that the lab does not run.

    ``joined`` says that they are those of a shared lab. ``any_port`` takes free ports instead of the well-known ones,
    ``providers`` forces the provider of a service.
    """

    home: Path
    cache: Path
    ns: str = ""
    any_port: bool = False
    providers: Mapping[str, str] = field(default_factory=dict)
    external: Mapping[str, Endpoint] = field(default_factory=dict)
    joined: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the ``LAB_*`` variables, and for those that are not set, what ``lab join`` stored.

        Raises:
            ConfigurationError: A variable is unknown or malformed, or contradicts another.
        """
        if environ is None:
            _spare_loopback()
        env = os.environ if environ is None else environ
        if joined := (file := home(env) / JOINED).is_file():
            stored, _ = env_file.read(file, remedy="`lab leave`, then join again.")
            env = {**stored, **{key: value for key, value in env.items() if value}}
        variables = {name: Variables(each.prefix, each.variables, env) for name, each in SERVICES.items()}
        external = {name: SERVICES[name].external(each) for name, each in variables.items() if each.external}
        choices = {name: each.provider(SERVICES[name].providers) for name, each in variables.items()}
        if env.get("LAB_PORTS", "") not in {"", "any"}:
            raise ConfigurationError("LAB_PORTS", "its only valid value is any", remedy="Set it to any, or unset it.")
        return cls(
            home=home(env),
            cache=Path(env.get("LAB_CACHE") or user_cache_path("mqtt-and-kafka-lessons", appauthor=False)).absolute(),
            ns=_namespace(env.get("LAB_NAMESPACE", ""), external),
            any_port=env.get("LAB_PORTS") == "any",
            providers={name: choice for name, choice in choices.items() if choice},
            external=external,
            joined=joined and bool(external),
        )


def _spare_loopback() -> None:
    """Keep requests to this machine from a proxy, in this process and in those that it starts.

    HTTP clients read these variables; only without them the proxy in the settings of macOS or Windows, which the
    variables therefore name too.
    """
    proxies = urllib.request.getproxies()
    if proxies and "*" not in (spared := proxies.get("no", "").split(",")):
        proxies["no"] = ",".join(dict.fromkeys([*filter(None, spared), LOOPBACK, "localhost"]))
        os.environ.update({f"{scheme}_proxy": each for scheme, each in proxies.items()})


def _namespace(word: str, external: Mapping[str, Endpoint]) -> str:
    try:
        ns = topics.namespace(word)
    except topics.TopicError as error:
        raise ConfigurationError("LAB_NAMESPACE", error.cause, remedy=error.remedy) from error
    if ns[:-1] in {word for lesson in LESSONS.values() for word in lesson.owns}:
        remedy = "Choose another: in front of a name it would look like that lesson's."
        raise ConfigurationError("LAB_NAMESPACE", f"{ns[:-1]} is a word that a lesson uses", remedy=remedy)
    if external and not ns:
        raise ConfigurationError(
            "LAB_NAMESPACE",
            f"it is missing, and others may use the external services ({', '.join(external)}) too",
            remedy="Set it to a word of your own, for example ana. It goes in front of every name that the lessons "
            "make, and `lab reset` deletes nothing else.",
        )
    return ns
