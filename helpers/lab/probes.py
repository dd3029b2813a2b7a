"""One question to each kind of service, in its own protocol: are you ready?"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import urllib.error
import urllib.request
import uuid
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from helpers.lab.endpoints import Endpoint, InfluxEndpoint, KafkaEndpoint, MqttEndpoint, RegistryEndpoint

_CONNACK = 0x20
_HTTP_OK = range(200, 300)


def probe(endpoint: Endpoint, *, timeout: float = 2.0) -> str:
    """Ask the service one question. Return "" when it is ready, else what was wrong, in a few words."""
    try:
        match endpoint:
            case MqttEndpoint():
                return _mqtt(endpoint, timeout)
            case KafkaEndpoint():
                return _kafka(endpoint, timeout)
            case RegistryEndpoint():
                return _http(f"{endpoint.address}/subjects", timeout, auth=endpoint.conf.get("basic.auth.user.info"))
            case InfluxEndpoint():
                return _http(f"{endpoint.url}/ping", timeout)
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__


QUESTION = {
    "mqtt": "CONNECT, expecting CONNACK",
    "kafka": "a metadata request",
    "registry": "GET /subjects",
    "influxdb": "GET /ping",
}


def _mqtt(endpoint: MqttEndpoint, timeout: float) -> str:
    client_id = f"probe-{uuid.uuid4().hex[:8]}".encode()
    flags, credentials = 0x02, b""
    if endpoint.username is not None:
        flags |= 0xC0
        credentials = _field(endpoint.username.encode()) + _field((endpoint.password or "").encode())
    # MQTT 5 CONNECT: protocol name and version, clean start, keep-alive 10 s, no properties.
    body = _field(b"MQTT") + bytes([5, flags, 0, 10, 0]) + _field(client_id) + credentials
    with contextlib.ExitStack() as stack:
        link: socket.socket = stack.enter_context(
            socket.create_connection((endpoint.host, endpoint.port), timeout=timeout)
        )
        if endpoint.tls is not None:
            context = ssl.create_default_context(cafile=endpoint.tls.get("ca_certs"))
            link = stack.enter_context(context.wrap_socket(link, server_hostname=endpoint.host))
        link.sendall(bytes([0x10, len(body)]) + body)
        answer = link.recv(4)
        if len(answer) < 4 or answer[0] != _CONNACK:  # noqa: PLR2004
            return "no CONNACK"
        if answer[3]:
            return f"refused with reason code 0x{answer[3]:02X}"
        link.sendall(b"\xe0\x00")
    return ""


def _field(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def _kafka(endpoint: KafkaEndpoint, timeout: float) -> str:
    if "security.protocol" not in endpoint.conf:
        # librdkafka prints its own complaints about a closed port; ask the port first.
        host, _, port = endpoint.address.split(",")[0].rpartition(":")
        with socket.create_connection((host, int(port)), timeout=timeout):
            pass
    quiet: dict[str, Any] = {"log_level": 0, "error_cb": lambda _error: None}
    try:
        admin = AdminClient({**endpoint.conf, **quiet})
        brokers = admin.list_topics(timeout=timeout).brokers
    except KafkaException as error:
        return str(error.args[0].str())
    return "" if brokers else "no broker in the metadata"


def _http(url: str, timeout: float, *, auth: str | None = None) -> str:
    request = urllib.request.Request(url)  # noqa: S310  the address is the lab's or the user's own
    if auth:
        request.add_header("Authorization", f"Basic {base64.b64encode(auth.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
            return "" if answer.status in _HTTP_OK else f"HTTP {answer.status}"
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except urllib.error.URLError as error:
        return str(error.reason)
