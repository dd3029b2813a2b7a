"""The lab's own paho clients, for its probes and resets. Lessons make theirs themselves."""

from __future__ import annotations

import base64
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from helpers.lab.services.endpoints import MqttEndpoint


def mqtt_client(endpoint: MqttEndpoint, client_id: str = "") -> mqtt.Client:
    """Make an MQTT 5 client with the endpoint's password and TLS. Without a client id the broker assigns one."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
    if endpoint.username is not None:
        client.username_pw_set(endpoint.username, endpoint.password)
    if endpoint.tls is not None:
        client.tls_set(**endpoint.tls)
    return client


def http(url: str, conf: Mapping[str, Any], *, timeout: float, method: str = "GET") -> bytes:
    """Send one request with the login and the authority that a registry's or an InfluxDB's configuration names."""
    request = urllib.request.Request(url, method=method)  # noqa: S310  the address is the lab's or the user's own
    if user := conf.get("basic.auth.user.info"):
        request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    if token := conf.get("token"):  # InfluxDB 3 answers nobody without one
        request.add_header("Authorization", f"Token {token}")
    context = ssl.create_default_context(cafile=conf["ssl.ca.location"]) if conf.get("ssl.ca.location") else None
    with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:  # noqa: S310
        return bytes(answer.read())


@contextmanager
def running(client: mqtt.Client, endpoint: MqttEndpoint, **options: Any) -> Iterator[None]:  # noqa: ANN401  paho's
    """Connect with paho's ``connect`` options and run the network loop; disconnect and end it afterwards."""
    client.connect(endpoint.host, endpoint.port, keepalive=30, **options)
    client.loop_start()
    try:
        yield
    finally:
        client.disconnect()
        client.loop_stop()
