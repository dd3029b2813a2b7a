"""Where each message goes: worked out once for an MQTT topic, and remembered."""

from __future__ import annotations

from helpers.topics import Route, Template, TopicError

_REMEMBERED = 10_000


class Routes(dict[str, Route]):
    """``routes[mqtt_topic]`` is the way by the first template that matches. Raises the last one's ``TopicError``.

    The last few thousand are remembered, however many devices there are.
    """

    def __init__(self, templates: tuple[Template, ...]) -> None:
        super().__init__()
        self._templates = templates

    def __missing__(self, mqtt_topic: str) -> Route:
        route = self._first(mqtt_topic)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[mqtt_topic] = route
        return route

    def _first(self, mqtt_topic: str) -> Route:
        for template in self._templates[:-1]:
            try:
                return template.route(mqtt_topic)
            except TopicError:
                continue
        return self._templates[-1].route(mqtt_topic)
