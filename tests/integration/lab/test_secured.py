"""Scratch brokers with locks: each lets in whom it should, and refuses the others in a way that clients notice."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psutil
import pytest
import trustme
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from paho.mqtt.enums import CallbackAPIVersion

from helpers import lab
from helpers.errors import ConfigurationError
from helpers.lab.errors import LabError
from helpers.lab.scratch.secured import Secured
from tests.waiting import PATIENCE, wait_until

# The wait for a place does not count as time of a test.
pytestmark = [pytest.mark.timeout(300, func_only=True)]

READ, WRITE = AclOperation.READ, AclOperation.WRITE
AUTHENTICATION, SSL = KafkaError._AUTHENTICATION, KafkaError._SSL
DOWN = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT}


@pytest.fixture(scope="module")
def secured(mqtt_provider: str, _one_cluster: None) -> Iterator[Secured]:
    provider = {"native": "mosquitto", "embedded": "artemis"}[mqtt_provider]
    with lab.secured(provider=provider) as started:
        yield started
        pids, folder = [each.pid for each in started._all], started.ca.parent
    wait_until(lambda: not any(map(psutil.pid_exists, pids)), "all of them are gone")
    assert not folder.exists()


@pytest.fixture
def admin(secured: Secured) -> AdminClient:
    return AdminClient({**secured.kafka, "log_level": 0})


@pytest.fixture
def topic(admin: AdminClient, unique: Callable[[str], str]) -> str:
    name = unique("locks")
    admin.create_topics([NewTopic(name, num_partitions=1)])[name].result(PATIENCE)
    return name


@pytest.fixture
def impostor(tmp_path: Path) -> Path:
    """The certificate of another authority."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "impostor.pem")
    return tmp_path / "impostor.pem"


def bridge(secured: Secured) -> dict[str, Any]:
    """The settings of the user bridge, whom Kafka knows and who may do nothing."""
    password = secured.passwords["BRIDGE_PASSWORD"]
    return {**secured.kafka, "sasl.username": "bridge", "sasl.password": password, "log_level": 0}


def allow(admin: AdminClient, user: str, kind: ResourceType, name: str, operation: AclOperation) -> None:
    literal, allowed = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
    acl = AclBinding(kind, name, literal, f"User:{user}", "*", operation, allowed)
    admin.create_acls([acl])[acl].result(PATIENCE)


def take_away(admin: AdminClient, user: str) -> None:
    everything = (ResourceType.ANY, None, ResourcePatternType.ANY, f"User:{user}", None)
    acls = AclBindingFilter(*everything, AclOperation.ANY, AclPermissionType.ANY)
    admin.delete_acls([acls])[acls].result(PATIENCE)


def report(producer: Producer, topic: str) -> int | None:
    """Produce a record; return the code of the error in its report, None if it was stored."""
    reports: list[KafkaError | None] = []
    try:
        producer.produce(topic, b"hello", on_delivery=lambda error, _: reports.append(error))
    except KafkaException as error:  # a client that was refused refuses by itself for a while
        reports.append(error.args[0])
    wait_until(lambda: producer.poll(0.1) is not None and reports, "the delivery report")
    return reports[0].code() if reports[0] else None


def raised(request: Callable[[], Any]) -> int:
    with pytest.raises(KafkaException) as caught:
        request()
    return int(caught.value.args[0].code())


def no_ca(conf: dict[str, Any], _: Path) -> dict[str, Any]:
    return {key: value for key, value in conf.items() if key != "ssl.ca.location"}


def other_host(conf: dict[str, Any], _: Path) -> dict[str, Any]:
    port = conf["bootstrap.servers"].rpartition(":")[2]
    return conf | {"bootstrap.servers": f"localhost:{port}", "broker.address.family": "v4"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda conf, _: conf | {"sasl.password": "guessed"}, {AUTHENTICATION}),
        (lambda conf, _: conf | {"sasl.username": "mallory"}, {AUTHENTICATION}),
        (lambda conf, _: conf | {"sasl.mechanism": "SCRAM-SHA-512"}, {AUTHENTICATION}),
        (no_ca, {SSL}),
        (lambda conf, impostor: conf | {"ssl.ca.location": str(impostor)}, {SSL}),
        (other_host, {SSL}),
        (lambda conf, _: conf | {"security.protocol": "SASL_PLAINTEXT"}, DOWN),
    ],
    ids=["password", "user", "mechanism", "no CA", "another CA", "host name", "no TLS"],
)
def test_kafka_refuses_a_login_in_the_error_callback_only(
    secured: Secured, impostor: Path, change: Callable[[dict[str, Any], Path], dict[str, Any]], expected: set[int]
) -> None:
    seen: set[int] = set()
    conf = change(bridge(secured), impostor)
    reports: list[KafkaError] = []
    producer = Producer({**conf, "error_cb": lambda error: seen.add(error.code()), "message.timeout.ms": 1000})
    producer.produce("anything", b"hello", on_delivery=lambda error, _: reports.append(error))
    wait_until(lambda: producer.poll(0.1) is not None and seen & expected and reports, f"{expected} of {seen}")
    assert reports[0].code() == KafkaError._MSG_TIMED_OUT  # it says when, not why


def test_kafka_asks_for_a_client_certificate_and_takes_the_name_from_it(
    secured: Secured, admin: AdminClient, topic: str
) -> None:
    seen: set[int] = set()
    nobody = {**secured.kafka_mtls, "log_level": 0, "error_cb": lambda error: seen.add(error.code())}
    producer = Producer({**nobody, "message.timeout.ms": 1000})
    producer.produce(topic, b"hello")
    wait_until(lambda: producer.poll(0.1) is not None and seen & (DOWN | {SSL}), "a refusal")

    allow(admin, "gen-001", ResourceType.TOPIC, topic, WRITE)
    known = {**secured.kafka_mtls, **secured.certificate("gen-001"), "log_level": 0}
    wait_until(lambda: report(Producer(known), topic) is None, "the right has arrived")
    assert report(Producer({**known, **secured.certificate("gen-002")}), topic) == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_kafka_takes_an_unsigned_token_from_anyone(secured: Secured, topic: str) -> None:
    """The listener is a bad example: librdkafka makes a token with any name."""
    flag = "enable.sasl.oauthbearer.unsecure.jwt"  # codespell:ignore unsecure
    unsigned = {**secured.kafka_oauth, flag: True, "log_level": 0}
    names = {"admin": None, "mallory": KafkaError.TOPIC_AUTHORIZATION_FAILED}
    for name, expected in names.items():
        assert report(Producer({**unsigned, "sasl.oauthbearer.config": f"principal={name}"}), topic) == expected


def test_kafka_allows_what_an_acl_allows_and_refuses_it_to_a_running_producer_when_the_acl_is_gone(
    secured: Secured, admin: AdminClient, topic: str
) -> None:
    refused, allowed = KafkaError.TOPIC_AUTHORIZATION_FAILED, None
    producer = Producer(bridge(secured))
    assert report(producer, topic) == refused
    assert report(producer, "no-such-topic") == refused

    allow(admin, "bridge", ResourceType.TOPIC, topic, WRITE)
    wait_until(lambda: report(producer, topic) is allowed, "the right has arrived")
    take_away(admin, "bridge")
    wait_until(lambda: report(producer, topic) == refused, "the right is gone")


def test_kafka_refuses_reading_groups_and_topics_that_no_acl_allows(
    secured: Secured, admin: AdminClient, topic: str, unique: Callable[[str], str]
) -> None:
    def first_error(group: str) -> int | None:
        """The first error that a consumer sees, None for a record."""
        consumer = Consumer({**bridge(secured), "group.id": group, "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        found: list[Any] = []
        try:
            wait_until(lambda: found.append(consumer.poll(0.2)) or found[-1] is not None, "a record or an error")
        finally:
            consumer.close()
        return found[-1].error().code() if found[-1].error() else None

    assert report(Producer({**secured.kafka}), topic) is None
    group, limited = unique("group"), AdminClient(bridge(secured))
    allow(admin, "bridge", ResourceType.GROUP, group, READ)
    wait_until(lambda: first_error(group) == KafkaError.TOPIC_AUTHORIZATION_FAILED, "only the topic is refused")
    take_away(admin, "bridge")
    allow(admin, "bridge", ResourceType.TOPIC, topic, READ)
    wait_until(lambda: first_error(group) == KafkaError.GROUP_AUTHORIZATION_FAILED, "only the group is refused")
    allow(admin, "bridge", ResourceType.GROUP, group, READ)
    wait_until(lambda: first_error(group) is None, "it may read")

    mine = unique("mine")
    created = limited.create_topics([NewTopic(mine, num_partitions=1)])[mine]
    assert raised(lambda: created.result(PATIENCE)) in {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
    assert list_acls(limited) == []
    assert len(list_acls(admin)) == 2
    take_away(admin, "bridge")


def list_acls(client: AdminClient) -> list[AclBinding]:
    everything = (ResourceType.ANY, None, ResourcePatternType.ANY, "User:bridge", None)
    return list(
        client.describe_acls(AclBindingFilter(*everything, AclOperation.ANY, AclPermissionType.ANY)).result(PATIENCE)
    )


def test_a_scram_user_of_kafka_notices_another_password_only_when_it_connects(
    secured: Secured, admin: AdminClient, topic: str, unique: Callable[[str], str]
) -> None:
    user, sha512 = unique("analyst"), ScramMechanism.SCRAM_SHA_512

    def password(word: bytes) -> None:
        change = UserScramCredentialUpsertion(user, ScramCredentialInfo(sha512, 4096), word)
        admin.alter_user_scram_credentials([change])[user].result(PATIENCE)

    password(b"first")
    login = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": user, "sasl.password": "first", "log_level": 0}
    allow(admin, user, ResourceType.TOPIC, topic, WRITE)
    running = Producer({**secured.kafka, **login})
    wait_until(lambda: report(running, topic) is None, "it may write")
    password(b"second")
    assert report(running, topic) is None
    seen: set[int] = set()
    late = Producer({**secured.kafka, **login, "error_cb": lambda error: seen.add(error.code())})
    late.produce(topic, b"hello")
    wait_until(lambda: late.poll(0.1) is not None and AUTHENTICATION in seen, "the old password is refused")


def test_the_registry_asks_for_tls_and_a_password(
    secured: Secured, impostor: Path, unique: Callable[[str], str]
) -> None:
    for login in ({}, {"basic.auth.user.info": "registry:guessed"}):
        stranger = {key: value for key, value in secured.registry.items() if key != "basic.auth.user.info"} | login
        with pytest.raises(SchemaRegistryError) as refused:
            SchemaRegistryClient(stranger).get_subjects()
        assert refused.value.http_status_code == 401
    with pytest.raises(Exception, match=r"certificate verify failed"):
        SchemaRegistryClient({**secured.registry, "ssl.ca.location": str(impostor), "max.retries": 0}).get_subjects()
    client, subject = SchemaRegistryClient(dict(secured.registry)), unique("locks")
    client.register_schema(subject, Schema('{"type": "object", "properties": {"fuel": {"type": "number"}}}', "JSON"))
    assert subject in client.get_subjects()


class Device:
    """An MQTT client that keeps what it is told: ``answers`` of the broker, and ``received``."""

    def __init__(self, secured: Secured, user: str, *, version: int = paho.MQTTv5, **changes: Any) -> None:
        self.answers: queue.Queue[tuple[str, int]] = queue.Queue()
        self.received: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.client = client = paho.Client(CallbackAPIVersion.VERSION2, protocol=version)
        word = secured.passwords[f"{user.upper().replace('-', '_')}_PASSWORD"]
        address = changes.get("address", secured.mqtt)
        if "files" not in changes:
            client.username_pw_set(user, changes.get("password", word))
        client.tls_set(str(changes.get("ca", secured.ca)), **changes.get("files", {}))
        client.on_connect = lambda _c, _d, _f, reason, _p: self.answers.put(("connect", reason.value))
        client.on_publish = lambda _c, _d, _m, reason, _p: self.answers.put(("publish", reason.value))
        client.on_subscribe = lambda _c, _d, _m, reasons, _p: self.answers.put(("subscribe", reasons[0].value))
        client.on_disconnect = lambda _c, _d, _f, reason, _p: self.answers.put(("disconnect", reason.value))
        client.on_message = lambda _c, _d, message: self.received.put((message.topic, message.payload))
        client.connect(changes.get("host", address.host), address.port)
        client.loop_start()

    def answer(self) -> tuple[str, int]:
        return self.answers.get(timeout=PATIENCE)

    def publish(self, topic: str, payload: bytes = b"hello") -> tuple[str, int]:
        self.client.publish(topic, payload, qos=1)
        return self.answer()

    def subscribe(self, topic_filter: str) -> tuple[str, int]:
        self.client.subscribe(topic_filter, 1)
        return self.answer()


@contextmanager
def device(secured: Secured, user: str, **changes: Any) -> Iterator[Device]:
    made = Device(secured, user, **changes)
    try:
        if made.answer() != ("connect", 0):
            raise AssertionError(f"{user} was not let in")
        yield made
    finally:
        made.client.disconnect()
        made.client.loop_stop()


def test_mqtt_refuses_a_wrong_password_another_authority_and_another_name(secured: Secured, impostor: Path) -> None:
    stranger = Device(secured, "G-001", password="guessed")
    try:
        assert stranger.answer() in {("connect", 134), ("connect", 135)}
    finally:
        stranger.client.loop_stop()
    for changes, reason in (({"ca": impostor}, "certificate verify failed"), ({"host": "localhost"}, "mismatch")):
        with pytest.raises(OSError, match=reason):
            Device(secured, "G-001", **changes)


# Mosquitto 2.0.11 closes a TLS connection some time after it refused a message: what comes next takes a new one.
def test_mqtt_5_tells_a_device_what_it_may_not_do(secured: Secured) -> None:
    with device(secured, "admin") as admin:
        assert admin.subscribe("fleet/#")[0] == "subscribe"
        with device(secured, "G-001") as own:
            assert own.publish("fleet/G-001/readings", b"mine") == ("publish", 0)
            assert own.publish("fleet/G-002/readings", b"not mine") == ("publish", 135)
        with device(secured, "G-001") as own:
            assert own.publish("fleet/G-001/readings", b"mine too") == ("publish", 0)
        arrived = [admin.received.get(timeout=PATIENCE) for _ in range(2)]
        assert arrived == [("fleet/G-001/readings", b"mine"), ("fleet/G-001/readings", b"mine too")]


def test_a_device_receives_only_what_is_meant_for_it(secured: Secured) -> None:
    with device(secured, "admin") as admin, device(secured, "G-001") as own:
        refused = {"mosquitto": 1, "artemis": 135}[secured.mqtt.provider]  # Mosquitto grants it, and delivers nothing
        assert own.subscribe("fleet/G-002/commands") == ("subscribe", refused)
        assert own.subscribe("fleet/G-001/commands") == ("subscribe", 1)
        for topic, payload in (("fleet/G-002/commands", b"theirs"), ("fleet/G-001/commands", b"ours")):
            assert admin.publish(topic, payload)[0] == "publish"
        assert own.received.get(timeout=PATIENCE) == ("fleet/G-001/commands", b"ours")


def test_mqtt_3_hides_it(secured: Secured) -> None:
    with device(secured, "admin") as admin:
        assert admin.subscribe("fleet/#")[0] == "subscribe"
        with device(secured, "G-001", version=paho.MQTTv311) as old:
            assert old.publish("fleet/G-001/readings", b"mine") == ("publish", 0)
            answer = old.publish("fleet/G-002/readings", b"not mine")
        # Mosquitto answers as if it were stored; Artemis closes the connection.
        assert answer[0] == {"mosquitto": "publish", "artemis": "disconnect"}[secured.mqtt.provider]
        assert answer[0] == "disconnect" or answer[1] == 0
        with device(secured, "G-001", version=paho.MQTTv311) as old:
            assert old.publish("fleet/G-001/readings", b"mine too") == ("publish", 0)
        arrived = [admin.received.get(timeout=PATIENCE) for _ in range(2)]
        assert arrived == [("fleet/G-001/readings", b"mine"), ("fleet/G-001/readings", b"mine too")]


def test_mqtt_takes_the_user_from_a_client_certificate(secured: Secured) -> None:
    settings = secured.certificate("G-001")
    files = {"certfile": settings["ssl.certificate.location"], "keyfile": settings["ssl.key.location"]}
    with device(secured, "G-001", address=secured.mqtt_mtls, files=files) as own:
        assert own.publish("fleet/G-001/readings") != ("publish", 135)
        assert own.publish("fleet/G-002/readings") == ("publish", 135)
    stranger = Device(secured, "G-001", address=secured.mqtt_mtls, files={})
    try:
        assert stranger.answer() == ("disconnect", 128)
    finally:
        stranger.client.loop_stop()


def test_the_rights_of_a_device_can_be_changed(secured: Secured) -> None:
    def refused(*topics: str) -> list[bool]:
        answers = []
        for topic in topics:
            with device(secured, "G-003") as own:
                answers.append(own.publish(topic))
        return [each == ("publish", 135) for each in answers]

    own, neighbour, address = "fleet/G-003/readings", "fleet/G-001/readings", secured.mqtt.address
    assert refused(own, neighbour) == [False, True]
    secured.permit("G-003")
    assert refused(own, neighbour) == [True, True]
    secured.permit("G-003", publish=["fleet/+/readings"], subscribe="#")
    assert refused(own, neighbour, "fleet/G-003/status") == [False, False, True]
    with device(secured, "G-003") as wide:
        assert wide.subscribe("#") == ("subscribe", 1)
    assert secured.mqtt.address == address


def test_a_mistake_is_named(secured: Secured) -> None:
    with pytest.raises(LabError, match="no user 'G-009'"):
        secured.permit("G-009")
    with pytest.raises(ConfigurationError, match="does not provide mqtt"):
        lab.secured(provider="kafka")


def test_passwords_are_not_shown(secured: Secured) -> None:
    words = [*secured.passwords.values()]
    shown = f"{secured!r}{secured._repr_html_()}{secured.passwords}{secured.kafka}{secured.registry}{secured.mqtt}"
    assert len(set(words)) == len(words)
    assert not [word for word in words if word in shown]
