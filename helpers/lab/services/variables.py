"""Services that somebody else runs: what the ``LAB_MQTT_*`` variables and their like say, and what they must not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from helpers.errors import ConfigurationError
from helpers.lab.services.endpoints import (
    Endpoint,
    InfluxEndpoint,
    KafkaEndpoint,
    Masked,
    MqttEndpoint,
    RegistryEndpoint,
)

# What may follow LAB_MQTT_ and so on; the first gives the service, and the others mean nothing without it.
_KNOWN = {
    "mqtt": ("HOST", "PORT", "USERNAME", "PASSWORD", "TLS", "CA", "PROVIDER"),
    "kafka": ("BOOTSTRAP_SERVERS", "USERNAME", "PASSWORD", "SASL", "TLS", "CA", "PROVIDER"),
    "registry": ("URL", "USERNAME", "PASSWORD", "CA", "PROVIDER"),
    "influxdb": ("URL", "USERNAME", "PASSWORD", "TOKEN", "DATABASE", "CA", "PROVIDER"),
}
_PROVIDERS = {
    "mqtt": ("given", "compose", "native", "embedded"),
    "kafka": ("given", "compose", "embedded"),
    "registry": ("given", "compose", "embedded"),
    "influxdb": ("given", "compose", "native", "none"),
}
_SASL = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_FLAGS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)


class Variables:
    """The variables of one service by what follows ``LAB_MQTT_``; an empty one counts as not set."""

    def __init__(self, service: str, env: Mapping[str, str]) -> None:
        self._service = service
        self._prefix = prefix = f"LAB_{service.upper()}_"
        self._set = {key.removeprefix(prefix): value for key, value in env.items() if key.startswith(prefix) and value}
        known = _KNOWN[service]
        for name in sorted(self._set):
            if name not in known:
                raise self.error(name, "there is no such setting", f"Use {prefix} and one of {', '.join(known)}.")
        self.given = known[0] in self._set
        if not self.given and (lonely := sorted(set(self._set) - {"PROVIDER"})):
            needed = f"{prefix}{known[0]}"
            raise self.error(lonely[0], f"it means nothing without {needed}", "Set both, or neither.")

    def __getitem__(self, name: str) -> str:
        return self._set[name]

    def get(self, name: str) -> str | None:
        """Return what was set, or None."""
        return self._set.get(name)

    def error(self, name: str, cause: str, remedy: str) -> ConfigurationError:
        """Make an error that names the whole variable."""
        return ConfigurationError(f"{self._prefix}{name}", cause, remedy=remedy)

    def provider(self) -> str | None:
        """Return the way to provide the service that is asked for, if one is."""
        choice, allowed = self.get("PROVIDER"), _PROVIDERS[self._service]
        if choice and choice not in allowed:
            raise self.error("PROVIDER", f"{choice!r} is no provider", f"Use one of {', '.join(allowed)}.")
        if choice and (choice == "given") != self.given:
            needed = f"{self._prefix}{_KNOWN[self._service][0]}"
            raise self.error(
                "PROVIDER",
                f"{choice!r} contradicts {needed}, which is {'set' if self.given else 'not set'}",
                f"A given service needs {needed}; any other must not have it.",
            )
        return choice

    def pair(self) -> tuple[str, str] | None:
        """Return username and password, or None."""
        user, password = self.get("USERNAME"), self.get("PASSWORD")
        if bool(user) != bool(password):
            missing = "PASSWORD" if user else "USERNAME"
            raise self.error(missing, "it is missing", "Set username and password together, or neither.")
        return (user, password) if user and password else None

    def tls(self) -> tuple[bool, str | None]:
        """Return whether to use TLS, and the file with the authorities to trust (None: the system's)."""
        said, ca = self.get("TLS"), self.get("CA")
        if said and said.lower() not in _FLAGS:
            raise self.error("TLS", f"{said!r} is neither yes nor no", "Use 1 or 0.")
        wanted = _FLAGS[said.lower()] if said else ca is not None
        if ca and not wanted:
            raise self.error("CA", "it contradicts TLS being off", f"Unset it, or set {self._prefix}TLS=1.")
        if ca and not Path(ca).is_file():
            raise self.error("CA", f"there is no file {ca}", "Give the path of a PEM file.")
        return wanted, ca

    def port(self, default: int) -> int:
        """Return the port."""
        value = self.get("PORT") or str(default)
        if not _is_port(value):
            raise self.error("PORT", f"{value!r} is no port", "Use a number from 1 to 65535.")
        return int(value)

    def url(self) -> str:
        """Return the URL."""
        # What is wrong with it is said without repeating it: a URL may hold a password.
        try:
            url = urlsplit(self["URL"])
            sound = url.scheme in {"http", "https"} and url.hostname and url.port != 0 and " " not in self["URL"]
        except ValueError:  # half an IPv6 address, or a port that is no number
            sound = False
        if not sound:
            raise self.error("URL", "it is no URL", "Write it as https://host or http://host:port.")
        if url.username is not None or url.password is not None:
            raise self.error(
                "URL",
                "it holds a name or a password",
                f"Put them into {self._prefix}USERNAME and {self._prefix}PASSWORD.",
            )
        return self["URL"].rstrip("/")

    def authority(self) -> str | None:
        """Return the file with the authorities to trust for the URL (None: the system's)."""
        _, ca = self.tls()
        if ca and not self.url().startswith("https:"):
            raise self.error("CA", "it contradicts a URL that begins with http:", "Unset it, or use https:.")
        return ca


def _is_port(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) < 65536  # noqa: PLR2004


def _mqtt(given: Variables) -> MqttEndpoint:
    tls, ca = given.tls()
    user, password = given.pair() or (None, None)
    return MqttEndpoint(
        host=given["HOST"],
        port=given.port(8883 if tls else 1883),
        provider="given",
        username=user,
        password=password,
        tls=({"ca_certs": ca} if ca else {}) if tls else None,
    )


def _kafka(given: Variables) -> KafkaEndpoint:
    servers = given["BOOTSTRAP_SERVERS"]
    if not all(_is_port(each.strip().rpartition(":")[2]) for each in servers.split(",")):
        raise given.error("BOOTSTRAP_SERVERS", f"{servers!r} lacks a port", "Write it as host:port,host:port.")
    tls, ca = given.tls()
    sasl = given.pair()
    mechanism = (given.get("SASL") or "PLAIN").upper()
    if mechanism not in _SASL:
        raise given.error("SASL", f"{mechanism!r} is unknown", f"Use one of {', '.join(_SASL)}.")
    if given.get("SASL") and not sasl:
        raise given.error("SASL", "it means nothing without a username and a password", "Set all three, or none.")
    conf = Masked({"bootstrap.servers": servers})
    if tls or sasl:
        conf["security.protocol"] = ("SASL_" if sasl else "") + ("SSL" if tls else "PLAINTEXT")
    if ca:
        conf["ssl.ca.location"] = ca
    if sasl:
        conf |= {"sasl.mechanism": mechanism, "sasl.username": sasl[0], "sasl.password": sasl[1]}
    return KafkaEndpoint(conf=conf, provider="given")


def _registry(given: Variables) -> RegistryEndpoint:
    conf = Masked({"url": given.url(), "timeout": 10})  # seconds; without it the client waits for ever
    if pair := given.pair():
        conf["basic.auth.user.info"] = ":".join(pair)
    if ca := given.authority():
        conf["ssl.ca.location"] = ca
    return RegistryEndpoint(conf=conf, provider="given")


def _influxdb(given: Variables) -> InfluxEndpoint:
    user, password = given.pair() or (None, None)
    if user and given.get("TOKEN"):
        raise given.error("TOKEN", "it contradicts a username and a password", "Set one or the other.")
    return InfluxEndpoint(
        url=given.url(),
        provider="given",
        database=given.get("DATABASE") or "generators",
        username=user,
        password=password,
        token=given.get("TOKEN"),
        ca=given.authority(),
    )


READERS: Mapping[str, Callable[[Variables], Endpoint]] = {
    "mqtt": _mqtt,
    "kafka": _kafka,
    "registry": _registry,
    "influxdb": _influxdb,
}
