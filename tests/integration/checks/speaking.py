"""How the tests of checks speak to a broker, as a learner's cell would."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.checks import Watch

Unique = Callable[[str], str]


@contextmanager
def connected(watch: Watch, prepare: Callable[[mqtt.Client], None] = lambda _client: None) -> Iterator[mqtt.Client]:
    """A client of the watch's broker; ``prepare`` sets its callbacks before it connects."""
    address = watch.here.mqtt
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"test-{uuid.uuid4().hex[:8]}", protocol=mqtt.MQTTv5)
    prepare(client)
    client.connect(address.host, address.port, keepalive=30)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def publish(watch: Watch, topic: str, payload: bytes, *, beside: list[tuple[str, str]] | None = None) -> None:
    """Publish to ``topic`` in the watch's namespace, and wait for the acknowledgement."""
    properties = Properties(PacketTypes.PUBLISH)
    if beside:
        properties.UserProperty = beside
    with connected(watch) as client:
        sent = client.publish(f"{watch.here.ns}{topic}", payload, qos=1, properties=properties)
        sent.wait_for_publish(30)
        assert sent.is_published()
