"""The relay in front of a real MQTT broker."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from helpers.lab.services import mqtt as service
from helpers.relay import Relay
from tests.waiting import wait_until

POLITE = 30


def test_a_client_that_says_goodbye_through_a_relay_leaves_no_will(here: Any, unique: Callable[[str], str]) -> None:
    name, wills, subscribed = unique("polite"), queue.Queue[str](), threading.Event()
    room = service.client(here.mqtt, subscribe=[(f"{name}/#", 1)])
    room.on_subscribe = lambda *_: subscribed.set()
    room.on_message = lambda _client, _data, message: wills.put(message.topic)
    with service.connected(room, here.mqtt), Relay(here.mqtt.host, here.mqtt.port) as line:
        assert subscribed.wait(60)
        for number in range(POLITE):
            client = service.client(here.mqtt)
            client.will_set(f"{name}/{number}", "gone", qos=1)
            client.connect(line.host, line.port)
            client.loop_start()
            wait_until(client.is_connected, "the client is connected")
            client.disconnect()
            client.loop_stop()
        last = service.client(here.mqtt)
        with service.connected(last, here.mqtt):
            last.publish(f"{name}/last", "here", qos=1).wait_for_publish(30)
        assert wills.get(timeout=60) == f"{name}/last"
