"""A probe says "" of a service that is ready, and otherwise in a few words what is wrong, within its time."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from helpers.lab.runtime import ports
from helpers.lab.services.base import Endpoint, MaskedConfig
from helpers.lab.services.influxdb import InfluxEndpoint
from helpers.lab.services.kafka import KafkaEndpoint
from helpers.lab.services.mqtt import MqttEndpoint
from helpers.lab.services.registry import RegistryEndpoint
from helpers.lab.services.table import SERVICES

KINDS = {"mqtt": MqttEndpoint, "kafka": KafkaEndpoint, "registry": RegistryEndpoint, "influxdb": InfluxEndpoint}


def at(service: str, port: int) -> Endpoint:
    return SERVICES[service].local(port, "test")


def probe(endpoint: Endpoint, *, timeout: float = 2.0) -> str:
    service = next(name for name, kind in KINDS.items() if isinstance(endpoint, kind))
    return SERVICES[service].problem(endpoint, timeout=timeout)


@pytest.fixture
def mute() -> Iterator[int]:
    """A port where somebody listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_what_runs_is_ready(here: Any) -> None:
    for each in here.status:
        if each.endpoint:
            assert probe(each.endpoint) == ""


@pytest.fixture
def gibberish() -> Iterator[int]:
    """A port where somebody answers every connection with a TLS alert, as a TLS port answers plain text."""

    def answer(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x0a")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        with contextlib.suppress(OSError):  # Linux alone wakes the thread so; elsewhere it ends with the tests
            server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("service", SERVICES)
def test_a_closed_port_is_called_so(service: str) -> None:
    assert "refused" in probe(at(service, ports.any_free())).lower()


@pytest.mark.parametrize("service", SERVICES)
def test_a_port_that_says_nothing_is_not_ready(service: str, mute: int) -> None:
    assert probe(at(service, mute), timeout=0.5)


@pytest.mark.parametrize("service", SERVICES)
def test_a_port_that_speaks_something_else_is_not_ready(service: str, gibberish: int) -> None:
    assert probe(at(service, gibberish), timeout=0.5)


def test_a_file_that_is_not_a_certificate_is_named(mute: int) -> None:
    conf = MaskedConfig(
        {"bootstrap.servers": f"127.0.0.1:{mute}", "security.protocol": "SSL", "ssl.ca.location": __file__}
    )
    assert "ssl.ca.location" in probe(KafkaEndpoint(conf=conf, provider="test"))
    assert probe(MqttEndpoint(host="127.0.0.1", port=mute, provider="test", tls={"ca_certs": __file__}))


def test_a_stranger_on_the_port_is_not_the_service(here: Any) -> None:
    """HTTP is not MQTT, MQTT is not HTTP, and neither is Kafka."""
    registry = int(here.registry["url"].split(":")[2].split("/")[0])
    assert probe(at("mqtt", registry), timeout=1)
    assert probe(at("registry", here.mqtt.port), timeout=1)
    assert probe(at("kafka", here.mqtt.port), timeout=1)


def test_another_path_of_a_web_server_is_not_the_registry(here: Any) -> None:
    url = here.registry["url"].replace("ccompat", "nothing")
    assert probe(RegistryEndpoint(conf=MaskedConfig({"url": url}), provider="test")).startswith("HTTP 404")


def test_one_of_several_kafka_servers_is_enough(here: Any) -> None:
    servers = f"127.0.0.1:{ports.any_free()}, {here.kafka['bootstrap.servers']}"
    assert probe(KafkaEndpoint(conf=MaskedConfig({"bootstrap.servers": servers}), provider="test"), timeout=10) == ""


def test_a_long_password_works(here: Any) -> None:
    """Cloud brokers take tokens of a thousand characters for a password; these brokers take any."""
    endpoint = dataclasses.replace(here.mqtt, username="ana", password="x" * 2000)
    assert probe(endpoint) == ""


@pytest.mark.parametrize("host", ["nowhere.invalid", "two..dots.invalid"])
def test_a_host_that_does_not_exist_is_an_error(host: str) -> None:
    assert probe(MqttEndpoint(host=host, port=1883, provider="test"))
