"""TLS and passwords on both sides: the bridge proves who it is, and looks whom it talks to."""

from __future__ import annotations

import getpass
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from helpers import lab
from helpers.bridge import Bridge, BridgeError, backward
from helpers.lab.runtime import ports
from helpers.lab.runtime.program import on_path
from tests.integration.bridge.support import Bench, wait_until
from tests.integration.bridge.test_commands import config


@dataclass
class Address:
    host: str
    port: int
    username: str | None
    password: str | None
    tls: dict[str, Any] | None


def certificate(folder: Path) -> None:
    """Make an authority and a certificate for localhost that it vouches for."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Address]:
    mosquitto, passwords = on_path("mosquitto"), on_path("mosquitto_passwd")
    if not mosquitto or not passwords:
        pytest.skip("Mosquitto is not installed")
    certificate(tmp_path)
    subprocess.run([str(passwords), "-c", "-b", str(tmp_path / "users"), "bridge", "secret"], check=True)
    port = ports.any_free()
    lines = [
        f"listener {port} 127.0.0.1",
        f"certfile {tmp_path / 'cert.pem'}",
        f"keyfile {tmp_path / 'key.pem'}",
        f"password_file {tmp_path / 'users'}",
        f"user {getpass.getuser()}",
    ]
    (tmp_path / "mosquitto.conf").write_text("\n".join(lines))
    process = subprocess.Popen([str(mosquitto), "-c", str(tmp_path / "mosquitto.conf")])

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, "Mosquitto listens")
        yield Address("localhost", port, "bridge", "secret", {"ca_certs": str(tmp_path / "ca.pem")})
    finally:
        process.terminate()
        process.wait()


def test_a_secured_broker_is_carried_from(bench: Bench, secured: Address) -> None:
    devices = bench.devices(count=3, address=secured)
    with Bridge(bench.config(mqtt=secured)) as bridge:
        devices.one("G-000", b"x" * 300_000)  # more than one TLS record
        devices.publish(3000)
        devices.settle()
        wait_until(lambda: bridge.snapshot().counts.acked == 3001, "all are acknowledged")
    with Bridge(bench.config(mqtt=secured)) as bridge:
        pass
    assert bridge.snapshot().counts.received == 0, "the PUBACKs arrived before the end"
    devices.close()
    outcome = bench.outcome(devices)
    assert (outcome.missing, outcome.duplicates, outcome.out_of_order) == ([], 0, [])


def test_a_wrong_password_ends_the_bridge(bench: Bench, secured: Address) -> None:
    bridge = Bridge(bench.config(mqtt=replace(secured, password="wrong")))
    with pytest.raises(BridgeError, match="refused"):
        bridge.__enter__()


def test_a_broker_nobody_vouches_for_is_not_talked_to(bench: Bench, secured: Address) -> None:
    bridge = Bridge(bench.config(mqtt=replace(secured, tls={})))
    with pytest.raises(BridgeError, match="certificate of localhost"):
        bridge.__enter__()


@pytest.fixture(scope="module")
def sasl() -> Iterator[tuple[Any, dict[str, Any]]]:
    """A Kafka with one more listener, which asks for a name and a password; the second value is the way to that."""
    main, controller, asking = (ports.any_free() for _ in range(3))
    addresses = f"PLAINTEXT://127.0.0.1:{main},ASKING://127.0.0.1:{asking}"
    login = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_bridge="secret";'
    broker = lab.scratch(
        "kafka",
        **{
            "listeners": f"{addresses},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": addresses,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,ASKING:SASL_PLAINTEXT",
            "listener.name.asking.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.asking.plain.sasl.jaas.config": login,
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        chosen = iter((main, controller))
        patch.setattr(ports, "any_free", lambda: next(chosen))
        broker.start()
    way = {"bootstrap.servers": f"127.0.0.1:{asking}", "security.protocol": "SASL_PLAINTEXT"}
    yield broker, way | {"sasl.mechanism": "PLAIN", "sasl.username": "bridge", "sasl.password": "secret"}
    broker.close()


def test_a_kafka_that_asks_for_a_password_gets_it(bench: Bench, sasl: tuple[Any, dict[str, Any]]) -> None:
    broker, way = sasl
    bench = Bench(bench.mqtt, broker, bench.name).make_topics()
    devices = bench.devices(count=1)
    with Bridge(bench.config(kafka=way)) as bridge:
        devices.publish(10)
        wait_until(lambda: bridge.snapshot().counts.acked == 10, "all are acknowledged")
    devices.close()


def test_a_wrong_password_for_kafka_ends_the_bridge(bench: Bench, sasl: tuple[Any, dict[str, Any]]) -> None:
    bridge = Bridge(bench.config(kafka={**sasl[1], "sasl.password": "wrong"}))
    with pytest.raises(BridgeError, match="Kafka refused the bridge"):
        bridge.__enter__()


@pytest.mark.parametrize("heard_by", ["the first question", "the consumer"])
def test_a_wrong_password_for_kafka_ends_the_bridge_back(
    bench: Bench, sasl: tuple[Any, dict[str, Any]], heard_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if heard_by == "the consumer":  # as if the password had been changed a moment later
        monkeypatch.setattr(backward, "check_topics", lambda *_: 1_000_000)
    bridge = Bridge(config(bench, kafka={**sasl[1], "sasl.password": "wrong"}))
    with pytest.raises(BridgeError, match="Kafka refused the bridge"), bridge:
        wait_until(lambda: bridge.error is not None, "the bridge ends")
