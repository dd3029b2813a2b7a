"""What all services have in common: an endpoint, the programs that provide it, and what the lab asks of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from helpers.lab.runtime.program import Program
from helpers.lab.services.variables import Variables

_SECRETS = ("password", "secret", "token", "user.info", "key.pem")
_MASK = "********"


class MaskedConfig(dict[str, Any]):
    """A client's configuration dict that prints ``********`` in place of a secret.

    The client gets the real values; ``conf | {...}`` stays masked, ``{**conf}`` is a plain dict.
    """

    def __repr__(self) -> str:
        secret = {key: any(word in key.lower() for word in _SECRETS) for key in self}
        return repr({key: _MASK if secret[key] and value else value for key, value in self.items()})

    __str__ = __repr__

    def __or__(self, other: dict[str, Any]) -> MaskedConfig:  # type: ignore[override]
        return MaskedConfig({**self, **other})

    def __ror__(self, other: dict[str, Any]) -> MaskedConfig:  # type: ignore[override]
        return MaskedConfig({**other, **self})

    def copy(self) -> MaskedConfig:
        """Return a copy that masks its secrets too."""
        return MaskedConfig(self)


@dataclass(frozen=True, kw_only=True)
class Endpoint(ABC):
    """Where a service is and how to connect to it: plain values and dicts for the clients, secrets masked."""

    provider: str

    @property
    @abstractmethod
    def address(self) -> str:
        """The address as people write it."""


E = TypeVar("E", bound=Endpoint)


@dataclass(frozen=True, kw_only=True)
class Names:
    """What a reset may delete: names that are ``owned``, looked for under ``filters`` (MQTT), and ``sessions``.

    ``sessions`` are MQTT client ids.
    """

    owned: Callable[[str], bool]
    filters: Sequence[str] = ()
    sessions: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Service(Generic[E]):
    """One service: its usual ports, the programs that provide it, and functions that use it through its endpoint.

    Args:
        name: Its name in commands, in ``LAB_NAME_*`` variables, and as a folder.
        ports: Where its programs usually listen, the service's own port first.
        shared_port: Where a shared lab usually accepts other machines.
        required: Whether every lesson needs it.
        proxied: In a shared lab, other machines reach it through the TLS proxy: its program has one listener only.
        deadline: Seconds within which it must be ready after its start.
        variables: What may follow ``LAB_NAME_``. The first one gives the address of an external service.
        native: The program that provides it where it is installed.
        embedded: The program that the lab downloads.
        local: Makes the endpoint of an instance on this machine, from its port and its provider.
        external: Makes the endpoint of an external service from its variables.
        shared: Returns the variables for an external service, without the login, from host and port.
        probe: Sends one request, with a timeout in seconds. Returns "" when the service is ready, else the problem.
        smoke_test: Sends something through the service and back, under the name given. Returns what was seen.
        reset: Deletes what the names allow. Returns how many of each kind.
    """

    name: str
    title: str
    ports: tuple[int, ...]
    shared_port: int
    required: bool = True
    proxied: bool = False
    deadline: float = 60.0
    variables: tuple[str, ...]
    native: Program | None = None
    embedded: Program | None = None
    local: Callable[[int, str], E]
    external: Callable[[Variables], E]
    shared: Callable[[str, int], dict[str, str]]
    probe: Callable[[E, float], str]
    smoke_test: Callable[[E, str], str]
    reset: Callable[[E, Names], Counter[str]]

    @property
    def prefix(self) -> str:
        """What its variables begin with."""
        return f"LAB_{self.name.upper()}_"

    @property
    def programs(self) -> list[Program]:
        """The programs that can provide it on this machine."""
        return [program for program in (self.native, self.embedded) if program]

    @property
    def providers(self) -> list[str]:
        """What ``LAB_NAME_PROVIDER`` may be."""
        own = {"native": self.native, "embedded": self.embedded, "none": not self.required}
        return ["given", "compose", *(name for name, possible in own.items() if possible)]

    def problem(self, endpoint: E, *, timeout: float = 2.0) -> str:
        """Send the probe. Return "" when the service is ready, else what is wrong, in a few words."""
        try:
            return self.probe(endpoint, timeout)
        except (OSError, UnicodeError) as error:  # an impossible host name is a UnicodeError
            return getattr(error, "strerror", None) or str(error) or type(error).__name__
