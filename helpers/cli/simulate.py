"""Publish the fleet to an MQTT broker in real time, from the command line: something to subscribe to."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.errors import ConfigurationError, LessonError
from helpers.fleet.fleet import Fleet, Reading

_IN_FLIGHT = 1000
_ACK_TIMEOUT = 30.0
_LOOK_EVERY = 0.02


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to publish: ``rate`` readings per second in all, from ``size`` generators, for ``duration`` seconds.

    ``duration`` 0 means until stopped. ``topic`` may hold ``{device}``, the generator's id.

    Raises:
        ConfigurationError: A number is out of range, or the topic is not a valid topic name.
    """

    size: int = 6
    rate: float = 6.0
    seed: int = 7
    duration: float = 0.0
    topic: str = "generators/{device}/readings"
    qos: int = 1

    def __post_init__(self) -> None:
        for option, value, low, high, more in (
            ("--size", self.size, 1, 1e6, ""),
            ("--rate", self.rate, 0.001, 1000 * self.size, ", or a larger --size"),
            ("--duration", self.duration, 0, 1e9, "; 0 means until Ctrl-C"),
        ):
            if not low <= value <= high:
                raise ConfigurationError(option, f"cannot be {value:g}", remedy=f"Use {low:g} to {high:g}{more}.")
        try:
            sample = self.topic.format(device="G-001")
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            cause = f"{self.topic!r} contains a brace that is not part of {{device}}"
            raise ConfigurationError("--topic", cause, remedy="Use {device} only.") from error
        if not sample or set(sample) & set("+#"):
            cause = f"{self.topic!r} is not a valid topic name"
            raise ConfigurationError("--topic", cause, remedy="Leave out + and #.")

    def readings(self) -> Iterator[Reading]:
        """The readings in order; the fleet's clock starts now and each generator sends one every size/rate seconds."""
        endless = Fleet(size=self.size, seed=self.seed, start=datetime.now(UTC)).readings(every=self.size / self.rate)
        return islice(endless, round(self.duration * self.rate)) if self.duration else endless


def publish(client: mqtt.Client, ns: str, plan: Plan, *, on_sent: Callable[[int], None] = lambda _sent: None) -> int:
    """Publish the plan's readings through a connected client whose loop runs. Return how many the broker acknowledged.

    At QoS 0 nothing is acknowledged, and those count that were handed to the connection.
    ``seq``, ``time`` and ``boot`` travel as MQTT 5 user properties. ``on_sent`` is called with the count so far.
    Ctrl-C stops publishing, and the function waits for what is not acknowledged yet. While the broker is away the
    client keeps messages of QoS 1 and 2, and sends them when the broker is back.

    Raises:
        LessonError: The broker acknowledged nothing for 30 s.
    """
    acknowledged = Counter[str]()
    client.on_publish = lambda *_: acknowledged.update(["readings"])
    began = time.monotonic()
    sent = expected = 0
    with contextlib.suppress(KeyboardInterrupt):
        for reading in plan.readings():
            if (ahead := began + sent / plan.rate - time.monotonic()) > 0:
                time.sleep(ahead)
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = reading.headers()
            topic = f"{ns}{plan.topic.format(device=reading.generator_id)}"
            info = client.publish(topic, reading.to_json(), qos=plan.qos, properties=properties)
            sent += 1
            expected += plan.qos > 0 or info.rc == mqtt.MQTT_ERR_SUCCESS
            on_sent(sent)
            _acknowledged(acknowledged, expected - _IN_FLIGHT)
    _acknowledged(acknowledged, expected)
    return expected


def _acknowledged(acknowledged: Counter[str], wanted: int) -> None:
    """Wait until ``wanted`` messages are acknowledged, for as long as their number grows."""
    seen, deadline = -1, 0.0
    while (count := acknowledged["readings"]) < wanted:
        if count > seen:
            seen, deadline = count, time.monotonic() + _ACK_TIMEOUT
        if time.monotonic() > deadline:
            raise LessonError("The MQTT broker stopped acknowledging.", remedy="See `lab status`, then start again.")
        time.sleep(_LOOK_EVERY)
