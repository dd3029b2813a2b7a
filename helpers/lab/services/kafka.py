"""Kafka: one node in KRaft mode, or an external cluster; and its Connect, as a scratch service only."""

from __future__ import annotations

import gzip
import secrets
import socket
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from helpers.lab.errors import LabError
from helpers.lab.runtime.ports import LOOPBACK
from helpers.lab.runtime.program import CONF, Instance, Program, jars, jvm, log4j
from helpers.lab.services import http
from helpers.lab.services.base import Endpoint, MaskedConfig, Names, Service
from helpers.lab.services.variables import Variables, is_port

_TIMEOUT = 15.0
# Errors reach a program through its own calls; librdkafka would print them too, by the dozen.
_QUIET = {"log_level": 2}
_SASL = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
# librdkafka would go on trying.
_PERMANENT = (KafkaError._AUTHENTICATION, KafkaError._SSL)


@dataclass(frozen=True, kw_only=True)
class KafkaEndpoint(Endpoint):
    """A Kafka cluster: ``conf`` is what every confluent-kafka client takes."""

    conf: MaskedConfig

    @property
    def address(self) -> str:
        """The bootstrap servers."""
        return str(self.conf["bootstrap.servers"])


def _local(port: int, provider: str) -> KafkaEndpoint:
    return KafkaEndpoint(conf=MaskedConfig({"bootstrap.servers": f"{LOOPBACK}:{port}", **_QUIET}), provider=provider)


def _external(variables: Variables) -> KafkaEndpoint:
    servers = variables["BOOTSTRAP_SERVERS"]
    if not all(is_port(each.strip().rpartition(":")[2]) for each in servers.split(",")):
        raise variables.error("BOOTSTRAP_SERVERS", f"{servers!r} lacks a port", "Write it as host:port,host:port.")
    tls, ca = variables.tls()
    login = variables.login()
    mechanism = (variables.get("SASL") or "PLAIN").upper()
    if mechanism not in _SASL:
        raise variables.error("SASL", f"{mechanism!r} is not supported", f"Use one of {', '.join(_SASL)}.")
    if variables.get("SASL") and not login:
        raise variables.error("SASL", "it needs a username and a password", "Set all three, or none of them.")
    conf = MaskedConfig({"bootstrap.servers": servers, **_QUIET})
    if tls or login:
        conf["security.protocol"] = ("SASL_" if login else "") + ("SSL" if tls else "PLAINTEXT")
    if ca:
        conf["ssl.ca.location"] = ca
    if login:
        conf |= {"sasl.mechanism": mechanism, "sasl.username": login[0], "sasl.password": login[1]}
    return KafkaEndpoint(conf=conf, provider="given")


def _command(instance: Instance) -> list[str]:
    port, controller = instance.ports
    lines = {
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "log.dirs": "data",
    }
    conf = instance.write("kafka.properties", lines)
    if not (instance.folder / "data" / "meta.properties").exists():
        _format(instance)
    return [*jvm("-Xmx512m", log4j()), "-cp", jars("kafka", instance.cache), "kafka.Kafka", conf]


def _format(instance: Instance) -> None:
    """Do what ``kafka.tools.StorageTool format`` does, without starting a JVM for it; a test compares the two."""
    data = instance.folder / "data"
    data.mkdir(exist_ok=True)
    # The levels of Kafka's features, as Kafka 4.3 writes them for a new cluster.
    (data / "bootstrap.checkpoint").write_bytes(gzip.decompress((CONF / "kafka.checkpoint.gz").read_bytes()))
    chosen = {"node.id": 1, "cluster.id": secrets.token_urlsafe(16), **instance.settings}
    ids = {key: chosen[key] for key in ("node.id", "cluster.id")}
    lines = {"version": 1, **ids, "directory.id": secrets.token_urlsafe(16)}
    (data / "meta.properties").write_text("".join(f"{key}={each}\n" for key, each in lines.items()), encoding="utf-8")


def _connect(instance: Instance) -> list[str]:
    # Two workers that know nothing of each other are not one group, and share no topics.
    lines = {f"{each}.storage.topic": f"{instance.folder.name}-{each}" for each in ("config", "offset", "status")}
    lines |= {"group.id": instance.folder.name, "listeners": f"http://{LOOPBACK}:{instance.ports[0]}"}
    command = [*jvm("-Xmx256m", log4j()), "-cp", jars("connect", instance.cache)]
    return [*command, "org.apache.kafka.connect.cli.ConnectDistributed", instance.write("connect.properties", lines)]


def _probe(endpoint: KafkaEndpoint, timeout: float) -> str:
    # librdkafka retries a closed port until the timeout and does not say why: try the ports first.
    problems = [closed(each, timeout) for each in endpoint.address.split(",")]
    if all(problems):
        return problems[0]
    errors: list[KafkaError] = []
    quiet: dict[str, Any] = {"log_level": 0, "error_cb": errors.append}
    try:
        admin = AdminClient({**endpoint.conf, **quiet})
    except KafkaException as error:  # a setting that is not valid, such as a certificate file that cannot be read
        return _reason(error)
    deadline = time.monotonic() + timeout
    while True:
        try:
            return "" if admin.list_topics(timeout=min(1.0, timeout)).brokers else "no broker in the metadata"
        except KafkaException as error:
            admin.poll(0)
            # A wrong password or certificate arrives in the callback; the exception only says that time ran out.
            permanent = [each for each in errors if each.code() in _PERMANENT]
            if permanent or time.monotonic() > deadline:
                return str((permanent or errors or [error.args[0]])[0].str())


def closed(server: str, timeout: float) -> str:
    """Return "" if ``server`` (``host:port``) accepts connections, else why not."""
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host.strip("[] "), int(port)), timeout=timeout).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _reason(error: KafkaException) -> str:
    return str(error.args[0].str())


def _smoke_test(endpoint: KafkaEndpoint, name: str) -> str:
    """Create a topic, produce a record, consume it, delete the topic."""
    admin = AdminClient({**endpoint.conf, "log_level": 0})
    admin.create_topics([NewTopic(name, num_partitions=1)])[name].result(_TIMEOUT)
    try:
        failures: list[str] = []
        producer = Producer(dict(endpoint.conf))
        producer.produce(name, b"hello", on_delivery=lambda error, _: failures.append(str(error)) if error else None)
        if producer.flush(_TIMEOUT) or failures:
            reason = ", ".join(failures) or "no delivery report"
            raise LabError(f"Kafka did not accept a record: {reason}.")
        with Consumer({**endpoint.conf, "group.id": name, "enable.auto.commit": False}) as consumer:
            consumer.assign([TopicPartition(name, 0, 0)])
            message = consumer.poll(_TIMEOUT)
        if problem := "none came" if message is None else message.error():
            raise LabError(f"A record produced to Kafka could not be consumed: {problem}.")
    finally:
        admin.delete_topics([name])[name].exception(_TIMEOUT)
    return "produced and consumed"


def _reset(endpoint: KafkaEndpoint, names: Names) -> Counter[str]:
    """Delete topics and consumer groups with their offsets."""
    admin = AdminClient({**endpoint.conf, "log_level": 0})
    try:
        listed = admin.list_consumer_groups(request_timeout=_TIMEOUT).result(2 * _TIMEOUT)
        topics = [name for name in admin.list_topics(timeout=_TIMEOUT).topics if names.owned(name)]
    except KafkaException as error:
        cause = f"Kafka did not list its topics and consumer groups: {_reason(error)}."
        raise LabError(cause, remedy="`lab doctor` tests Kafka.") from error
    groups = [each.group_id for each in listed.valid if names.owned(each.group_id)]
    if groups:
        _settle(admin.delete_consumer_groups(groups, request_timeout=_TIMEOUT), KafkaError.GROUP_ID_NOT_FOUND)
    if topics:
        _settle(admin.delete_topics(topics, operation_timeout=_TIMEOUT), KafkaError.UNKNOWN_TOPIC_OR_PART)
        deadline = time.monotonic() + _TIMEOUT
        while set(topics) & set(admin.list_topics(timeout=_TIMEOUT).topics) and time.monotonic() < deadline:
            time.sleep(0.05)
    return Counter(topics=len(topics), groups=len(groups))


def _settle(deletions: dict[str, Any], missing: int) -> None:
    """Wait until all are deleted; those that were ``missing`` already are fine."""
    for name, deletion in deletions.items():
        error = deletion.exception(_TIMEOUT)
        if error and error.args[0].code() != missing:
            full = error.args[0].code() == KafkaError.NON_EMPTY_GROUP
            remedy = "Close its consumers: restart the kernel of the notebook that runs them." if full else ""
            raise LabError(f"Kafka did not delete {name}: {_reason(error)}", remedy=remedy)


KAFKA = Service(
    name="kafka",
    title="Kafka",
    ports=(9092, 9093),
    shared_port=9094,
    variables=("BOOTSTRAP_SERVERS", "USERNAME", "PASSWORD", "SASL", "TLS", "CA", "PROVIDER"),
    embedded=Program(name="kafka", title="Apache Kafka", command=_command, artifacts="kafka"),
    local=_local,
    external=_external,
    shared=lambda host, port: {"BOOTSTRAP_SERVERS": f"{host}:{port}"},
    probe=_probe,
    smoke_test=_smoke_test,
    reset=_reset,
)

# Its address is that of its HTTP interface. The configuration must name the bootstrap servers of a Kafka.
CONNECT = replace(
    KAFKA,
    name="connect",
    title="Kafka Connect",
    ports=(8083,),
    embedded=Program(name="connect", title="Kafka Connect", command=_connect, artifacts="connect"),
    probe=lambda endpoint, timeout: http.probe(f"http://{endpoint.address}/connectors", {}, timeout),
)
