"""The lab's own paho clients, for its probes and resets. Lessons make theirs themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from helpers.lab.endpoints import MqttEndpoint


def mqtt_client(endpoint: MqttEndpoint, client_id: str = "") -> mqtt.Client:
    """Make an MQTT 5 client with the endpoint's password and TLS. Without a client id the broker assigns one."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
    if endpoint.username is not None:
        client.username_pw_set(endpoint.username, endpoint.password)
    if endpoint.tls is not None:
        client.tls_set(**endpoint.tls)
    return client


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
