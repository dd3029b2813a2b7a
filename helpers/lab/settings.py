"""What the environment says: where the lab lives, whose names it uses, and which services are given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_cache_path

from helpers import topics
from helpers.errors import ConfigurationError
from helpers.lab.endpoints import Endpoint, InfluxEndpoint, KafkaEndpoint, Masked, MqttEndpoint, RegistryEndpoint
from helpers.paths import ROOT

_PROVIDERS = {
    "mqtt": ("given", "compose", "native", "embedded"),
    "kafka": ("given", "compose", "embedded"),
    "registry": ("given", "compose", "embedded"),
    "influxdb": ("given", "compose", "native", "none"),
}
_SASL = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One lab. ``ns`` goes in front of every name; ``given`` holds the services somebody else runs.

    ``any_port`` takes free ports instead of the well-known ones, ``providers`` forces a way to provide a service.
    """

    home: Path
    cache: Path
    ns: str = ""
    any_port: bool = False
    providers: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Endpoint] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read ``LAB_*`` variables.

        Raises:
            ConfigurationError: A variable is malformed, or contradicts another.
        """
        env = os.environ if environ is None else environ
        given = {name: endpoint for name, read in _READERS.items() if (endpoint := read(env)) is not None}
        try:
            ns = topics.namespace(env.get("LAB_NAMESPACE", ""))
        except topics.TopicError as error:
            raise ConfigurationError("LAB_NAMESPACE", error.cause, remedy=error.remedy) from error
        if given and not ns:
            raise ConfigurationError(
                "LAB_NAMESPACE",
                f"the {' and the '.join(sorted(given))} service is given, so others may use it too",
                remedy="Set LAB_NAMESPACE to a word of your own (for example ana): it goes in front of every name that "
                "the lessons make, and `lab reset` deletes nothing else.",
            )
        return cls(
            home=Path(env.get("LAB_HOME") or ROOT / ".lab").absolute(),
            cache=Path(env.get("LAB_CACHE") or user_cache_path("mqtt-and-kafka-lessons", appauthor=False)).absolute(),
            ns=ns,
            any_port=env.get("LAB_PORTS", "") == "any",
            providers=_forced(env, given),
            given=given,
        )


def _forced(env: Mapping[str, str], given: Mapping[str, Endpoint]) -> dict[str, str]:
    forced = {}
    for service, allowed in _PROVIDERS.items():
        variable = f"LAB_{service.upper()}_PROVIDER"
        choice = env.get(variable)
        if not choice:
            continue
        if choice not in allowed:
            raise ConfigurationError(
                variable, f"{choice!r} is no provider", remedy=f"Use one of: {', '.join(allowed)}."
            )
        if (choice == "given") != (service in given):
            raise ConfigurationError(
                variable,
                f"{choice!r} contradicts the other LAB_{service.upper()}_ variables",
                remedy=f"Set the address too for a given service; unset LAB_{service.upper()}_* for any other.",
            )
        forced[service] = choice
    return forced


def _mqtt(env: Mapping[str, str]) -> MqttEndpoint | None:
    host = env.get("LAB_MQTT_HOST")
    if not host:
        _lonely(env, "LAB_MQTT_", "LAB_MQTT_HOST")
        return None
    ca = _file(env, "LAB_MQTT_CA")
    tls = _flag(env, "LAB_MQTT_TLS") or ca is not None
    _pair(env, "LAB_MQTT_USERNAME", "LAB_MQTT_PASSWORD")
    return MqttEndpoint(
        host=host,
        port=_port(env, "LAB_MQTT_PORT", 8883 if tls else 1883),
        provider="given",
        username=env.get("LAB_MQTT_USERNAME"),
        password=env.get("LAB_MQTT_PASSWORD"),
        tls=({"ca_certs": ca} if ca else {}) if tls else None,
    )


def _kafka(env: Mapping[str, str]) -> KafkaEndpoint | None:
    servers = env.get("LAB_KAFKA_BOOTSTRAP_SERVERS")
    if not servers:
        _lonely(env, "LAB_KAFKA_", "LAB_KAFKA_BOOTSTRAP_SERVERS")
        return None
    ca = _file(env, "LAB_KAFKA_CA")
    tls = _flag(env, "LAB_KAFKA_TLS") or ca is not None
    sasl = _pair(env, "LAB_KAFKA_USERNAME", "LAB_KAFKA_PASSWORD")
    conf = Masked({"bootstrap.servers": servers})
    if tls or sasl:
        conf["security.protocol"] = ("SASL_" if sasl else "") + ("SSL" if tls else "PLAINTEXT")
    if ca:
        conf["ssl.ca.location"] = ca
    if sasl:
        mechanism = env.get("LAB_KAFKA_SASL", "PLAIN").upper()
        if mechanism not in _SASL:
            raise ConfigurationError(
                "LAB_KAFKA_SASL", f"{mechanism!r} is unknown", remedy=f"Use one of: {', '.join(_SASL)}."
            )
        conf |= {"sasl.mechanism": mechanism, "sasl.username": sasl[0], "sasl.password": sasl[1]}
    return KafkaEndpoint(conf=Masked(conf), provider="given")


def _registry(env: Mapping[str, str]) -> RegistryEndpoint | None:
    url = env.get("LAB_REGISTRY_URL")
    if not url:
        _lonely(env, "LAB_REGISTRY_", "LAB_REGISTRY_URL")
        return None
    conf = Masked({"url": _url("LAB_REGISTRY_URL", url)})
    if pair := _pair(env, "LAB_REGISTRY_USERNAME", "LAB_REGISTRY_PASSWORD"):
        conf["basic.auth.user.info"] = ":".join(pair)
    if ca := _file(env, "LAB_REGISTRY_CA"):
        conf["ssl.ca.location"] = ca
    return RegistryEndpoint(conf=conf, provider="given")


def _influxdb(env: Mapping[str, str]) -> InfluxEndpoint | None:
    url = env.get("LAB_INFLUXDB_URL")
    if not url:
        _lonely(env, "LAB_INFLUXDB_", "LAB_INFLUXDB_URL")
        return None
    pair = _pair(env, "LAB_INFLUXDB_USERNAME", "LAB_INFLUXDB_PASSWORD")
    return InfluxEndpoint(
        url=_url("LAB_INFLUXDB_URL", url),
        provider="given",
        database=env.get("LAB_INFLUXDB_DATABASE", "generators"),
        username=pair[0] if pair else None,
        password=pair[1] if pair else None,
        token=env.get("LAB_INFLUXDB_TOKEN"),
    )


_READERS = {"mqtt": _mqtt, "kafka": _kafka, "registry": _registry, "influxdb": _influxdb}


def _lonely(env: Mapping[str, str], prefix: str, needed: str) -> None:
    for variable in sorted(env):
        if variable.startswith(prefix) and variable != f"{prefix}PROVIDER" and env[variable]:
            raise ConfigurationError(
                variable, f"it means nothing without {needed}", remedy=f"Set {needed}, or unset {variable}."
            )


def _pair(env: Mapping[str, str], user: str, password: str) -> tuple[str, str] | None:
    if bool(env.get(user)) != bool(env.get(password)):
        missing = password if env.get(user) else user
        raise ConfigurationError(missing, "it is missing", remedy=f"Set {user} and {password} together, or neither.")
    return (env[user], env[password]) if env.get(user) else None


def _flag(env: Mapping[str, str], variable: str) -> bool:
    value = env.get(variable, "").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"", "0", "false", "no", "off"}:
        return False
    raise ConfigurationError(variable, f"{value!r} is neither yes nor no", remedy="Use 1 or 0.")


def _file(env: Mapping[str, str], variable: str) -> str | None:
    value = env.get(variable)
    if value and not Path(value).is_file():
        raise ConfigurationError(variable, f"there is no file {value}", remedy="Give the path of a PEM file.")
    return value or None


def _port(env: Mapping[str, str], variable: str, default: int) -> int:
    value = env.get(variable, str(default))
    if not value.isdigit() or not 0 < int(value) < 65536:  # noqa: PLR2004
        raise ConfigurationError(variable, f"{value!r} is no port", remedy="Use a number from 1 to 65535.")
    return int(value)


def _url(variable: str, value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ConfigurationError(variable, f"{value!r} is no URL", remedy="Begin it with http:// or https://.")
    return value.rstrip("/")
