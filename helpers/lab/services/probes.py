"""One question to each kind of service, in its own protocol: are you ready?"""

from __future__ import annotations

import socket
import time
import urllib.error
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from helpers.lab.services.clients import http, mqtt_client
from helpers.lab.services.endpoints import Endpoint, InfluxEndpoint, KafkaEndpoint, MqttEndpoint, RegistryEndpoint

QUESTION = {
    "mqtt": "CONNECT, expecting CONNACK",
    "kafka": "a metadata request",
    "registry": "GET /subjects",
    "influxdb": "GET /ping",
}
# librdkafka would go on trying.
_HOPELESS = (KafkaError._AUTHENTICATION, KafkaError._SSL)


def probe(endpoint: Endpoint, *, timeout: float = 2.0) -> str:
    """Ask the service one question. Return "" when it is ready, else what was wrong, in a few words."""
    try:
        match endpoint:
            case MqttEndpoint():
                return _mqtt(endpoint, timeout)
            case KafkaEndpoint():
                return _kafka(endpoint, timeout)
            case RegistryEndpoint():
                return _http(f"{endpoint.address}/subjects", timeout, endpoint.conf)
            case InfluxEndpoint():
                return _http(f"{endpoint.url}/ping", timeout, endpoint.conf)
    except (OSError, UnicodeError) as error:  # a host's name that cannot be one is a UnicodeError
        return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _mqtt(endpoint: MqttEndpoint, timeout: float) -> str:
    answers: list[Any] = []
    client = mqtt_client(endpoint)
    client.connect_timeout = timeout
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(reason)
    deadline = time.monotonic() + timeout
    client.connect(endpoint.host, endpoint.port)
    while not answers and time.monotonic() < deadline and client.loop(timeout=0.1) == 0:
        pass
    client.disconnect()
    if not answers:
        return "no CONNACK"
    return f"refused: {answers[0]}" if answers[0].is_failure else ""


def _kafka(endpoint: KafkaEndpoint, timeout: float) -> str:
    # librdkafka retries a closed port until the timeout, and never says what was wrong; so ask the ports first.
    closed = [_closed(each, timeout) for each in endpoint.address.split(",")]
    if all(closed):
        return closed[0]
    complaints: list[KafkaError] = []
    quiet: dict[str, Any] = {"log_level": 0, "error_cb": complaints.append}
    try:
        admin = AdminClient({**endpoint.conf, **quiet})
    except KafkaException as error:  # a setting that cannot be, such as a certificate that is none
        return str(error.args[0].str())
    deadline = time.monotonic() + timeout
    while True:
        try:
            return "" if admin.list_topics(timeout=min(1.0, timeout)).brokers else "no broker in the metadata"
        except KafkaException as error:
            admin.poll(0)
            # A wrong password or certificate comes through the callback; the exception only knows that time ran out.
            hopeless = [each for each in complaints if each.code() in _HOPELESS]
            if hopeless or time.monotonic() > deadline:
                return str((hopeless or complaints or [error.args[0]])[0].str())


def _closed(server: str, timeout: float) -> str:
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host.strip("[] "), int(port)), timeout=timeout).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _http(url: str, timeout: float, conf: Mapping[str, Any]) -> str:
    try:
        http(url, conf, timeout=timeout)
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code} {error.reason}"
    except urllib.error.URLError as error:
        return str(error.reason)
    except HTTPException:
        return "the answer is no HTTP: the port is another service's, or wants https"
    return ""
