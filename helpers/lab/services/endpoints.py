"""Where a service is and how to speak to it: plain values and dicts for the clients, secrets masked when shown."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

LOOPBACK = "127.0.0.1"
REGISTRY_PATH = "/apis/ccompat/v7"
_SECRETS = ("password", "secret", "token", "user.info", "key.pem")
_MASK = "********"


class Masked(dict[str, Any]):
    """A client's configuration dict that prints ``********`` where a secret stands.

    Real values go to the client; ``conf | {...}`` stays masked, ``{**conf}`` is a plain dict.
    """

    def __repr__(self) -> str:
        secret = {key: any(word in key.lower() for word in _SECRETS) for key in self}
        return repr({key: _MASK if secret[key] and value else value for key, value in self.items()})

    __str__ = __repr__

    def __or__(self, other: dict[str, Any]) -> Masked:  # type: ignore[override]
        return Masked({**self, **other})

    def __ror__(self, other: dict[str, Any]) -> Masked:  # type: ignore[override]
        return Masked({**other, **self})

    def copy(self) -> Masked:
        """Return a copy that masks its secrets too."""
        return Masked(self)


@dataclass(frozen=True, kw_only=True)
class MqttEndpoint:
    """An MQTT broker's address. ``tls`` is None, or the keyword arguments of paho's ``client.tls_set``."""

    host: str
    port: int
    provider: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: dict[str, Any] | None = None

    @property
    def address(self) -> str:
        """The broker's address as people write it."""
        return f"{'mqtts' if self.tls is not None else 'mqtt'}://{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class KafkaEndpoint:
    """A Kafka cluster: ``conf`` is what every confluent-kafka client takes."""

    conf: Masked
    provider: str

    @property
    def address(self) -> str:
        """The bootstrap servers."""
        return str(self.conf["bootstrap.servers"])


@dataclass(frozen=True, kw_only=True)
class RegistryEndpoint:
    """A schema registry: ``conf`` is what ``SchemaRegistryClient`` takes."""

    conf: Masked
    provider: str

    @property
    def address(self) -> str:
        """The registry's URL."""
        return str(self.conf["url"])


@dataclass(frozen=True, kw_only=True)
class InfluxEndpoint:
    """An InfluxDB's address. A token (2.x, 3), or a username and password (1.x), or neither."""

    url: str
    provider: str
    database: str = "generators"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca: str | None = None

    @property
    def conf(self) -> Masked:
        """Its login and authority in the words of a registry's configuration."""
        pair = f"{self.username}:{self.password}" if self.username else None
        return Masked({"basic.auth.user.info": pair, "token": self.token, "ssl.ca.location": self.ca})

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What ``urlopen`` takes as its context: trusts the authority in the file ``ca``; None for the system's."""
        return ssl.create_default_context(cafile=self.ca) if self.ca else None

    @property
    def address(self) -> str:
        """The address as people write it."""
        return self.url


Endpoint = MqttEndpoint | KafkaEndpoint | RegistryEndpoint | InfluxEndpoint


def local(service: str, *, port: int, provider: str) -> Endpoint:
    """Return the endpoint of a service on this machine, listening on the loopback interface."""
    match service:
        case "mqtt":
            return MqttEndpoint(host=LOOPBACK, port=port, provider=provider)
        case "kafka":
            return KafkaEndpoint(conf=Masked({"bootstrap.servers": f"{LOOPBACK}:{port}"}), provider=provider)
        case "registry":
            url = f"http://{LOOPBACK}:{port}{REGISTRY_PATH}"
            # Without a timeout (seconds) the client waits for ever; with one it asks again, three times.
            return RegistryEndpoint(conf=Masked({"url": url, "timeout": 3}), provider=provider)
        case _:
            return InfluxEndpoint(url=f"http://{LOOPBACK}:{port}", provider=provider)
