"""Where each message goes: computed once for each MQTT topic, and cached."""

from __future__ import annotations

from helpers.topics import Route, TopicError, TopicMapping

_CACHED = 10_000


class Routes(dict[str, Route]):
    """``routes[mqtt_topic]`` is the route by the first mapping that matches. Raises the last one's ``TopicError``.

    At most ``_CACHED`` are kept, however many devices there are.
    """

    def __init__(self, mappings: tuple[TopicMapping, ...]) -> None:
        super().__init__()
        self._mappings = mappings

    def __missing__(self, mqtt_topic: str) -> Route:
        route = self._first(mqtt_topic)
        if len(self) >= _CACHED:
            self.clear()
        self[mqtt_topic] = route
        return route

    def _first(self, mqtt_topic: str) -> Route:
        for mapping in self._mappings[:-1]:
            try:
                return mapping.route(mqtt_topic)
            except TopicError:
                continue
        return self._mappings[-1].route(mqtt_topic)
