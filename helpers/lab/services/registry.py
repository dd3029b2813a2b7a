"""The schema registry: Apicurio Registry through its Confluent-compatible API, or an external registry."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from helpers.lab.errors import LabError
from helpers.lab.runtime import artifacts
from helpers.lab.runtime.ports import LOOPBACK
from helpers.lab.runtime.program import Instance, Program, jvm
from helpers.lab.services import http
from helpers.lab.services.base import Endpoint, MaskedConfig, Names, Service
from helpers.lab.services.variables import Variables

PATH = "/apis/ccompat/v7"


@dataclass(frozen=True, kw_only=True)
class RegistryEndpoint(Endpoint):
    """A schema registry: ``conf`` is what ``SchemaRegistryClient`` takes."""

    conf: MaskedConfig

    @property
    def address(self) -> str:
        """The registry's URL."""
        return str(self.conf["url"])


def _local(port: int, provider: str) -> RegistryEndpoint:
    # Without a timeout (seconds) the client waits for ever; with one it retries three times.
    conf = MaskedConfig({"url": f"http://{LOOPBACK}:{port}{PATH}", "timeout": 3})
    return RegistryEndpoint(conf=conf, provider=provider)


def _external(variables: Variables) -> RegistryEndpoint:
    conf = MaskedConfig({"url": variables.url(), "timeout": 10})
    if login := variables.login():
        conf["basic.auth.user.info"] = ":".join(login)
    if ca := variables.authority():
        conf["ssl.ca.location"] = ca
    return RegistryEndpoint(conf=conf, provider="given")


def _command(instance: Instance) -> list[str]:
    port, management = instance.ports
    (archive,) = artifacts.listed("apicurio")
    lines = {
        "quarkus.http.host": LOOPBACK,
        "quarkus.http.port": port,
        # It cannot be switched off, and would listen on every interface.
        "quarkus.management.host": LOOPBACK,
        "quarkus.management.port": management,
        "apicurio.datasource.url": "jdbc:h2:file:./data/registry",
    }
    conf = instance.write("apicurio.properties", lines)
    run = artifacts.unpacked(archive, instance.cache) / "quarkus-run.jar"
    return [*jvm("-Xmx256m", "-XX:TieredStopAtLevel=1"), f"-Dquarkus.config.locations={conf}", "-jar", str(run)]


def _probe(endpoint: RegistryEndpoint, timeout: float) -> str:
    return http.probe(f"{endpoint.address}/subjects", endpoint.conf, timeout)


def _smoke_test(endpoint: RegistryEndpoint, name: str) -> str:
    """Register a schema, read it back by its id, delete it."""
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

    client = SchemaRegistryClient(dict(endpoint.conf))
    subject = f"{name}-value"
    text = '{"title": "Hello", "type": "object", "properties": {"hello": {"type": "string"}}}'
    number = client.register_schema(subject, Schema(text, "JSON"))
    try:
        back = client.get_schema(number).schema_str
    finally:
        client.delete_subject(subject)
        client.delete_subject(subject, permanent=True)
    if back is None or "Hello" not in back:
        raise LabError(f"The registry returned {back!r} for the schema just registered.")
    return "registered and read back"


def _reset(endpoint: RegistryEndpoint, names: Names) -> Counter[str]:
    """Delete subjects with all their versions."""
    from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError

    client = SchemaRegistryClient(dict(endpoint.conf))
    try:
        subjects = [name for name in client.get_subjects() if names.owned(name)]
        for subject, permanent in [(each, step) for each in subjects for step in (False, True)]:
            try:
                client.delete_subject(subject, permanent=permanent)
            except SchemaRegistryError as error:
                if error.http_status_code != 404:  # noqa: PLR2004 - not found: another program has deleted it
                    raise
    except SchemaRegistryError as error:
        raise LabError(f"The schema registry did not delete a subject: {error}.") from error
    return Counter(subjects=len(subjects))


REGISTRY = Service(
    name="registry",
    title="Schema registry",
    ports=(8081, 8181),
    shared_port=8443,
    proxied=True,
    variables=("URL", "USERNAME", "PASSWORD", "CA", "PROVIDER"),
    embedded=Program(name="apicurio", title="Apicurio Registry", command=_command, artifacts="apicurio"),
    local=_local,
    external=_external,
    shared=lambda host, port: {"URL": f"https://{host}:{port}{PATH}"},
    probe=_probe,
    smoke_test=_smoke_test,
    reset=_reset,
)
