"""Scratch brokers with locks: Kafka, an MQTT broker and a schema registry with TLS, passwords and rights."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import trustme
from cryptography.hazmat.primitives import serialization as pem

from helpers.lab.errors import LabError
from helpers.lab.progress import html_table
from helpers.lab.runtime import ports
from helpers.lab.runtime.ports import LOOPBACK
from helpers.lab.runtime.program import Program
from helpers.lab.scratch.adapt import adapted, settings_in
from helpers.lab.scratch.broker import Scratch, Startable, scratch
from helpers.lab.scratch.cluster import connect, start_all
from helpers.lab.scratch.rights import Rights, configuration
from helpers.lab.services.base import MaskedConfig
from helpers.lab.services.kafka import KAFKA, KafkaEndpoint
from helpers.lab.services.mqtt import MQTT, MqttEndpoint
from helpers.lab.services.registry import PATH, REGISTRY, RegistryEndpoint
from helpers.lab.settings import Settings

DEVICES = ("G-001", "G-002", "G-003")
# Those whom a broker knows from the start, and some that a lesson makes in Kafka.
_USERS = ("admin", "broker", "bridge", "registry", *DEVICES, "planner", "analyst", "truck-1", "truck-2")


class Secured(Startable):
    """Kafka, an MQTT broker and a schema registry for this Python alone; each asks who you are.

    Use it as a context manager, or call :meth:`start` and :meth:`close`. Once it is started, ``kafka``, ``mqtt`` and
    ``registry`` are what an administrator's clients need, as in ``here``; ``kafka_mtls`` and ``mqtt_mtls`` what those
    with a certificate need, and ``kafka_oauth`` those with a token. ``passwords`` are those of all users, as
    environment variables.
    """

    def __init__(self, settings: Settings, provider: str | None) -> None:
        self._words = {user: secrets.token_urlsafe(12) for user in _USERS}
        self.passwords = MaskedConfig(
            {f"{user.upper().replace('-', '_')}_PASSWORD": word for user, word in self._words.items()}
        )
        self._rights: dict[str, Rights] = {"admin": (["#"], ["#"]), "bridge": ([], ["fleet/#"])}
        self._rights |= {each: ([f"fleet/{each}/#"], [f"fleet/{each}/#"]) for each in DEVICES}
        self._authority = trustme.CA(organization_name="MQTT and Kafka lessons")
        self._pems = {"ca.pem": self._authority.cert_pem.bytes().decode(), "server.pem": self._server_pem()}
        sasl, mtls, oauth, controller, behind, admin, gate, mqtt, self._second = (ports.any_free() for _ in range(9))

        run = [sys.executable, "-m", "helpers.lab.services.gate"]
        login = {"user": "registry", "password": self._words["registry"]}
        proxied = json.dumps({"ip": LOOPBACK, **login, "listeners": {gate: f"http://{LOOPBACK}:{behind}"}})
        proxy = Program(name="gate", title="TLS proxy", command=lambda _: run)
        proxy = adapted(proxy, lambda: {**self._pems, "gate.json": proxied})
        https = replace(REGISTRY, title="TLS proxy", local=self._https, probe=connect)
        self._gate = Scratch(https, proxy, settings, {}, listen=(gate,))
        self._registry = Scratch(REGISTRY, REGISTRY.programs[0], settings, {}, listen=(behind, admin))

        self._mtls, self._oauth = f"{LOOPBACK}:{mtls}", f"{LOOPBACK}:{oauth}"
        listeners = {"port": sasl, "mtls": mtls, "oauth": oauth, "controller": controller}
        lines = settings_in("secured/kafka.properties", **listeners, **self._words)
        kafka = adapted(KAFKA.programs[0], lambda: self._pems, "-Xmx192m")
        self._kafka = Scratch(replace(KAFKA, local=self._sasl_ssl), kafka, settings, lines, listen=(sasl, controller))

        self._mqtt_lines: dict[str, str] = {}
        name = scratch("mqtt", provider=provider).provider
        flags = ["-Djava.security.auth.login.config=login.config"] if name == "artemis" else []
        broker = adapted(next(each for each in MQTT.programs if each.name == name), self._mqtt_files, *flags)
        self._mqtt = Scratch(replace(MQTT, local=self._mqtts), broker, settings, self._mqtt_lines, listen=(mqtt,))
        self._all = [self._kafka, self._mqtt, self._registry, self._gate]

    def __repr__(self) -> str:
        return f"Kafka {self._kafka.address}, MQTT {self._mqtt.address}, registry {self._gate.address}: all with locks"

    def _repr_html_(self) -> str:
        rows = [
            ("Kafka", self._kafka.address, "TLS, password (PLAIN or SCRAM-SHA-512), rights"),
            ("Kafka", self._mtls, "TLS, client certificate, rights"),
            ("Kafka", self._oauth, "TLS, token (unsigned), rights"),
            (f"MQTT ({self._mqtt.provider})", self._mqtt.address, "TLS, password, rights"),
            (f"MQTT ({self._mqtt.provider})", f"mqtts://{LOOPBACK}:{self._second}", "TLS, client certificate, rights"),
            ("Schema registry", self._gate.address, "TLS, password"),
        ]
        return html_table(("service", "address", "it asks for"), rows)

    def start(self) -> Self:
        """Start everything side by side, or what does not run. Returns once all are ready.

        Raises:
            LabError: One of them does not start.
        """
        start_all([self._gate], close=True)  # the certificates are in its folder
        start_all(self._all, close=True)
        self.kafka, self.mqtt, self.registry = self._kafka.kafka, self._mqtt.mqtt, self._gate.registry
        self.kafka_mtls = MaskedConfig({"bootstrap.servers": self._mtls, "security.protocol": "SSL", **self._trust()})
        tokens = {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}
        self.kafka_oauth = self.kafka_mtls | {"bootstrap.servers": self._oauth, **tokens}
        self.mqtt_mtls = replace(self.mqtt, port=self._second, username=None, password=None)
        return self

    def close(self) -> None:
        """End everything and delete its data and certificates."""
        for each in self._all:
            each.close()

    @property
    def ca(self) -> Path:
        """The certificate of the authority that signed all others."""
        return self._gate.log.with_name("ca.pem")

    def certificate(self, name: str) -> dict[str, str]:
        """Issue a client certificate to ``name``. Return the settings that give it and its key to a Kafka client."""
        # Java refuses a certificate whose list of other names is empty.
        issued = self._authority.issue_cert("client.invalid", common_name=name)
        certificate, key = self.ca.with_name(f"{name}.pem"), self.ca.with_name(f"{name}-key.pem")
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        return {"ssl.certificate.location": str(certificate), "ssl.key.location": str(key)}

    def permit(self, user: str, *, publish: str | Sequence[str] = (), subscribe: str | Sequence[str] = ()) -> None:
        """Say under which topic filters an MQTT user may publish and receive from now on, instead of until now.

        The MQTT broker starts again with it, on the same port; its clients connect again.

        Raises:
            LabError: The broker has no such user.
        """
        if user not in self._rights:
            raise LabError(f"The MQTT broker has no user {user!r}.", remedy=f"Its users: {', '.join(self._rights)}.")
        listed = [[each] if isinstance(each, str) else list(each) for each in (publish, subscribe)]
        self._rights[user] = listed[0], listed[1]
        if self._mqtt.alive:
            self._mqtt.stop()
        self._mqtt.start()

    def _mqtt_files(self) -> Mapping[str, str]:
        """Put users and rights into the MQTT broker's configuration, and return the files that this needs beside it."""
        passwords = {user: self._words[user] for user in self._rights}
        lines, files = configuration(self._mqtt.provider, self._rights, passwords, self._second)
        self._mqtt_lines.clear()
        self._mqtt_lines.update(lines)
        return {**self._pems, **files}

    def _sasl_ssl(self, port: int, provider: str) -> KafkaEndpoint:
        conf = {"bootstrap.servers": f"{LOOPBACK}:{port}", "security.protocol": "SASL_SSL", **self._trust()}
        login = {"sasl.mechanism": "PLAIN", "sasl.username": "admin", "sasl.password": self._words["admin"]}
        return KafkaEndpoint(conf=MaskedConfig(conf | login), provider=provider)

    def _mqtts(self, port: int, provider: str) -> MqttEndpoint:
        tls, word = {"ca_certs": str(self.ca)}, self._words["admin"]
        return MqttEndpoint(host=LOOPBACK, port=port, provider=provider, username="admin", password=word, tls=tls)

    def _https(self, port: int, provider: str) -> RegistryEndpoint:
        login = {"basic.auth.user.info": f"registry:{self._words['registry']}"}
        conf = {"url": f"https://{LOOPBACK}:{port}{PATH}", "timeout": 3, **self._trust(), **login}
        return RegistryEndpoint(conf=MaskedConfig(conf), provider=provider)

    def _trust(self) -> dict[str, str]:
        return {"ssl.ca.location": str(self.ca)}

    def _server_pem(self) -> str:
        """Return the brokers' key, in the only format that Kafka reads, and their certificate."""
        issued = self._authority.issue_cert(LOOPBACK)
        key = pem.load_pem_private_key(issued.private_key_pem.bytes(), None)
        own = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
        return (own + b"".join(each.bytes() for each in issued.cert_chain_pems)).decode()


def secured(*, provider: str | None = None) -> Secured:
    """Make scratch brokers with locks: ``with lab.secured() as secured``. They take about 700 MB of memory.

    Args:
        provider: The MQTT broker, ``mosquitto`` or ``artemis``; by default as for a scratch broker.

    Raises:
        ConfigurationError: There is no such MQTT broker.
    """
    return Secured(Settings.from_environment(), provider)
