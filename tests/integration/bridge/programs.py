"""The bridges under test as programs of their own, so that a test can kill them: ours, and some wrong on purpose.

``python programs.py KIND JSON``; prints ``ready`` once subscribed, and our bridge its last snapshot as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from types import SimpleNamespace
from typing import Any

import paho.mqtt.client as mqtt
from confluent_kafka import KafkaError, Message, Producer
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

import helpers.bridge.replay
from helpers.bridge import BridgeConfig, CommandsConfig, Snapshot, run
from helpers.bridge.replay import replay
from helpers.sink import Sink
from helpers.topics import TopicMapping


def address(settings: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(**{"username": None, "password": None, "tls": None, **settings.pop("mqtt")})


def config(settings: dict[str, Any]) -> BridgeConfig:
    """Return the configuration that ``settings``, plain JSON, describe."""
    routes = tuple(TopicMapping(**route) for route in settings.pop("routes"))
    return BridgeConfig(mqtt=address(settings), routes=routes, **settings)


def back(settings: dict[str, Any]) -> CommandsConfig:
    """Return the same for the way back."""
    return CommandsConfig(mqtt=address(settings), route=TopicMapping(**settings.pop("route")), **settings)


def ours(wanted: BridgeConfig | CommandsConfig) -> None:
    said = False

    def on_snapshot(snapshot: Snapshot) -> None:
        nonlocal said
        if snapshot.state == "carrying" and not said:
            said = True
            print("ready", flush=True)

    print(json.dumps(run(wanted, on_snapshot=on_snapshot, every=0.05).as_dict()), flush=True)


def naive(settings: dict[str, Any], *, skip_dup: bool = False, ack_when_reported: bool = False) -> None:
    """Bridge as one writes it first: callback, produce, and the client library acknowledges on return.

    ``skip_dup`` also takes DUP=1 for a sign that the message was seen. ``ack_when_reported`` is the next attempt: it
    acknowledges in the delivery report, in the order of the reports.
    """
    wanted = config(settings)
    # A long linger only widens the window in which a kill loses something, so that every kill hits it.
    producer = Producer({"linger.ms": 1000, **wanted.kafka})
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, wanted.client_id, protocol=mqtt.MQTTv5, manual_ack=ack_when_reported
    )

    awaited = None  # what to print next; a session's messages may come before the answer to SUBSCRIBE

    def on_message(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        nonlocal awaited
        if awaited:
            print(awaited, flush=True)
            awaited = None
        if skip_dup and message.dup:
            return
        if wanted.serializer == "json":
            json.loads(message.payload)
        route = wanted.routes[0].route(message.topic)

        def reported(_error: KafkaError | None, _message: Message) -> None:
            if ack_when_reported:
                client.ack(message.mid, message.qos)

        headers = list(getattr(message.properties, "UserProperty", []))
        producer.produce(route.topic, message.payload, route.key, headers=headers, on_delivery=reported)
        producer.poll(0)

    def on_connect(client: mqtt.Client, *_: object) -> None:
        client.subscribe([(name, SubscribeOptions(qos=1)) for name in wanted.filters])

    def on_subscribe(*_: object) -> None:
        nonlocal awaited
        print("ready", flush=True)
        awaited = "received"

    client.on_message = on_message
    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = wanted.session_expiry
    properties.ReceiveMaximum = wanted.receive_maximum
    client.connect(wanted.mqtt.host, wanted.mqtt.port, wanted.keep_alive, clean_start=False, properties=properties)
    while True:
        client.loop(0.01)
        producer.poll(0)


def replay_killed(settings: dict[str, Any]) -> None:
    """Replay dead letters, and die when Kafka has stored some of a batch but no offset of it is committed."""
    count = settings.pop("killed_after")

    class Mortal(Sink):
        def poll(self, timeout: float = 0) -> int:
            reports = super().poll(timeout)
            if self.counts.produced + self.counts.dead_lettered > count:
                os.kill(os.getpid(), signal.SIGKILL)
            return reports

    helpers.bridge.replay.Sink = Mortal  # type: ignore[misc]
    print("ready", flush=True)
    wanted = config(settings)
    replay(wanted, f"{wanted.client_id}-replay", lambda _: None)


KINDS = {
    "ours": lambda settings: ours(config(settings)),
    "commands": lambda settings: ours(back(settings)),
    "naive": naive,
    "skips DUP": lambda settings: naive(settings, skip_dup=True),
    "replay, killed": replay_killed,
    "acks by report": lambda settings: naive(settings, ack_when_reported=True),
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](json.loads(sys.argv[2]))
