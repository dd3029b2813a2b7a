"""Where each message goes: computed once for each MQTT topic, and cached."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from helpers.sink.records import Header
from helpers.topics import Route, TopicError, TopicMapping

_CACHED, _LONGEST = 10_000, 1_000  # topics, and characters of a topic


class Target(NamedTuple):
    """The Kafka topic and the key of a message, and its headers if it brings none: the one with its MQTT topic."""

    topic: str
    key: str | bytes | None
    headers: list[Header]


class Routes(dict[str, Target]):
    """``routes[mqtt_topic]`` is the target by the first mapping that matches. Raises the last one's ``TopicError``.

    What is cached is bounded, however many devices there are, and however long the names they choose.
    """

    def __init__(self, mappings: tuple[TopicMapping, ...]) -> None:
        super().__init__()
        self._mappings = mappings

    def __missing__(self, mqtt_topic: str) -> Target:
        topic, key = self._first(mqtt_topic)
        # The C client ends a text at U+0000, and bytes pass whole.
        whole = key.encode() if key and "\0" in key else key
        target = Target(topic, whole, [("mqtt.topic", mqtt_topic.encode())])
        if len(mqtt_topic) <= _LONGEST:
            if len(self) >= _CACHED:
                self.clear()
            self[mqtt_topic] = target
        return target

    def _first(self, mqtt_topic: str) -> Route:
        for mapping in self._mappings[:-1]:
            with contextlib.suppress(TopicError):
                return mapping.route(mqtt_topic)
        return self._mappings[-1].route(mqtt_topic)
