"""What the environment says: where the lab lives, whose names it uses, and which services are given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_cache_path

from helpers import topics
from helpers.errors import ConfigurationError
from helpers.lab.services.endpoints import Endpoint
from helpers.lab.services.variables import READERS, Variables
from helpers.lab.shared import handout
from helpers.lessons import LESSONS
from helpers.paths import ROOT

JOINED = "joined.env"


def home(env: Mapping[str, str]) -> Path:
    """Return the folder in which the lab keeps its state."""
    return Path(env.get("LAB_HOME") or ROOT / ".lab").absolute()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One lab. ``ns`` goes in front of every name; ``given`` holds the services somebody else runs.

    ``joined`` says that ``lab join`` gave them. ``any_port`` takes free ports instead of the well-known ones,
    ``providers`` forces a way to provide a service.
    """

    home: Path
    cache: Path
    ns: str = ""
    any_port: bool = False
    providers: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Endpoint] = field(default_factory=dict)
    joined: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read ``LAB_*`` variables, and below them what ``lab join`` stored.

        Raises:
            ConfigurationError: A variable is unknown or malformed, or contradicts another.
        """
        env = os.environ if environ is None else environ
        if joined := (file := home(env) / JOINED).is_file():
            stored, _ = handout.read(file, remedy="`lab leave`, then join again.")
            env = {**stored, **{key: value for key, value in env.items() if value}}
        variables = {service: Variables(service, env) for service in READERS}
        given = {service: read(variables[service]) for service, read in READERS.items() if variables[service].given}
        try:
            ns = topics.namespace(env.get("LAB_NAMESPACE", ""))
        except topics.TopicError as error:
            raise ConfigurationError("LAB_NAMESPACE", error.cause, remedy=error.remedy) from error
        if ns[:-1] in {word for lesson in LESSONS.values() for word in lesson.owns}:
            remedy = "Take another one: in front of a name it would look like that lesson's."
            raise ConfigurationError("LAB_NAMESPACE", f"{ns[:-1]} is a word that a lesson uses", remedy=remedy)
        if given and not ns:
            raise ConfigurationError(
                "LAB_NAMESPACE",
                f"it is missing. Others may use the services that are given ({', '.join(given)})",
                remedy="Set it to a word of your own, for example ana. It goes in front of every name that the lessons "
                "make, and `lab reset` deletes nothing else.",
            )
        if env.get("LAB_PORTS", "") not in {"", "any"}:
            raise ConfigurationError(
                "LAB_PORTS", "only one value means something", remedy="Set it to any, or unset it."
            )
        return cls(
            home=home(env),
            cache=Path(env.get("LAB_CACHE") or user_cache_path("mqtt-and-kafka-lessons", appauthor=False)).absolute(),
            ns=ns,
            any_port=env.get("LAB_PORTS") == "any",
            providers={service: choice for service, each in variables.items() if (choice := each.provider())},
            given=given,
            joined=joined and bool(given),
        )
