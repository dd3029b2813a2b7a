"""Topic names on both sides, and how one becomes the other. Pure: nothing here opens a connection.

MQTT topics are paths (``generators/G-001/readings``), appear on use, and there may be a million of them. Kafka topics
are names (``readings``), are made on purpose, and each costs the broker files. So a bridge folds many MQTT topics into
few Kafka topics, and a level of the path, usually the device, becomes the record's key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from helpers.errors import LessonError

# Apache Kafka, org.apache.kafka.common.internals.Topic: legal characters, greatest length, and the two refused names.
KAFKA_LEGAL = re.compile(r"[a-zA-Z0-9._-]{1,249}")
# MQTT 5.0, section 1.5.4: a string is preceded by its length in two bytes.
MQTT_LONGEST = 65_535
# MQTT 5.0, 1.5.4: control characters and what Unicode calls non-characters. Mosquitto closes the connection on them.
_ENDS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
_REFUSED = re.compile(rf"[\0-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_ENDS}]")
_SHARE = re.compile(r"\$share/([^/+#]+)/(.+)", re.DOTALL)
_NAME = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_WILDCARDS = {"+": "[^/]*", "#": ".*"}


class TopicError(LessonError):
    """A name that MQTT or Kafka would refuse; ``name`` is that name."""

    def __init__(self, name: str, cause: str, *, remedy: str = "") -> None:
        self.name = name
        super().__init__(f"{name!r}: {cause}", remedy=remedy)


def namespace(name: str) -> str:
    """Return the prefix of every name of one learner: ``"ana"`` gives ``"ana-"``, ``""`` gives ``""``.

    Raises ``TopicError`` unless it is 1 to 20 lower-case letters and digits, beginning with a letter. No hyphen: else
    the names of the learners ``ana`` and ``ana-b`` could overlap.
    """
    name = name.strip().rstrip("-")
    if name and not re.fullmatch(r"[a-z][a-z0-9]{0,19}", name):
        raise TopicError(name, "not a valid namespace", remedy="use 1 to 20 lower-case letters and digits, as in ana2")
    return f"{name}-" if name else ""


def check_kafka_topic(name: str) -> str:
    """Return ``name`` if Kafka accepts it as a topic, else raise ``TopicError``."""
    if name in {".", ".."} or not KAFKA_LEGAL.fullmatch(name):
        raise TopicError(
            name,
            "not a valid Kafka topic name",
            remedy="1 to 249 letters, digits, '.', '_' and '-', and neither '.' nor '..'",
        )
    return name


def refuse_collisions(names: Iterable[str]) -> None:
    """Raise ``TopicError`` if two different names differ only in ``.`` and ``_``.

    Kafka turns both into ``_`` in the names of its metrics, and refuses to make the second topic of such a pair.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.replace(".", "_"), name)
        if other != name:
            raise TopicError(
                name, f"collides with {other!r}", remedy="to Kafka '.' and '_' are the same: choose another"
            )


def check_mqtt_topic(name: str) -> str:
    """Return ``name`` if it is valid in PUBLISH (no wildcard, no control character), else raise ``TopicError``."""
    if "+" in name or "#" in name:
        raise TopicError(
            name, "not a topic to publish to", remedy="+ and # are wildcards, allowed in topic filters only"
        )
    return _check_mqtt_string(name)


def check_mqtt_filter(name: str) -> str:
    """Return ``name`` if it is a topic filter, plain or ``$share/GROUP/FILTER``, else raise ``TopicError``."""
    _check_mqtt_string(name)
    plain = split_share(name)[1]
    levels = plain.split("/")
    if "#" in plain and (plain.count("#") > 1 or levels[-1] != "#"):
        raise TopicError(name, "not a valid topic filter", remedy="# stands alone, as the last level")
    if any("+" in level and level != "+" for level in levels):
        raise TopicError(name, "not a valid topic filter", remedy="+ stands alone in its level")
    return name


def split_share(topic_filter: str) -> tuple[str | None, str]:
    """Return ``(group, filter)``: ``("bridges", "a/#")`` for ``$share/bridges/a/#``, ``(None, "a/#")`` for ``a/#``."""
    if not topic_filter.startswith("$share/"):
        return None, topic_filter
    if not (found := _SHARE.fullmatch(topic_filter)):
        raise TopicError(topic_filter, "not a valid shared subscription", remedy="write $share/GROUP/FILTER")
    return found[1], found[2]


def is_mqtt_text(text: str) -> bool:
    """Return whether every MQTT broker takes ``text``: at most 65,535 bytes of UTF-8, without control characters."""
    return not _REFUSED.search(text) and len(text.encode()) <= MQTT_LONGEST


def _check_mqtt_string(name: str) -> str:
    if not name or not is_mqtt_text(name):
        raise TopicError(name, "not a valid MQTT topic", remedy="1 to 65,535 bytes, and no control characters")
    return name


class Route(NamedTuple):
    """Where a message goes: the Kafka ``topic``, and the ``key`` of its record (``None``: any partition)."""

    topic: str
    key: str | None


@dataclass(frozen=True)
class TopicMapping:
    """Maps MQTT topics to Kafka topics and keys, and back, by named levels.

    >>> mapping = TopicMapping("generators/{device}/readings", topic="readings", key="{device}")
    >>> mapping.route("generators/G-001/readings")
    Route(topic='readings', key='G-001')
    >>> mapping.filter
    'generators/+/readings'
    >>> mapping.mqtt_topic(device="G-001")
    'generators/G-001/readings'

    ``pattern`` is a topic filter in which levels may have names: ``{device}`` is a ``+`` that is never empty. ``topic``
    and ``key`` may use the names, and ``{mqtt_topic}`` for the whole MQTT topic. Any other name raises ``TopicError``.
    """

    pattern: str
    topic: str
    key: str | None = None

    def __post_init__(self) -> None:
        if self.pattern.startswith("$share/"):
            raise TopicError(self.pattern, "a shared subscription", remedy="give the filter alone, the group as share=")
        names = _NAME.findall(self.pattern)
        if len({*names, "mqtt_topic"}) <= len(names):
            raise TopicError(self.pattern, "uses a name twice, or the name mqtt_topic")
        if unknown := {*_NAME.findall(self.topic), *_NAME.findall(self.key or "")} - {*names, "mqtt_topic"}:
            raise TopicError(
                self.pattern,
                f"has no level named {', '.join(sorted(unknown))}",
                remedy="name it in the pattern, or leave it out of topic and key",
            )
        for text in (self.pattern, self.topic, self.key or ""):
            if re.search("[{}]", _NAME.sub("", text)):
                raise TopicError(text, "a brace that does not enclose a name", remedy="write {device}, in lower case")
        check_mqtt_filter(self.filter)
        check_kafka_topic(_NAME.sub("x", self.topic))

    @cached_property
    def filter(self) -> str:
        """The topic filter to subscribe to: each name becomes ``+``."""
        return _NAME.sub("+", self.pattern)

    @cached_property
    def kafka_topics(self) -> tuple[str, ...]:
        """The Kafka topics known beforehand: the one, or none when ``topic`` uses names."""
        return () if "{" in self.topic else (self.topic,)

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        parts = [_level(level) for level in self.pattern.split("/")]
        # A filter that begins with a wildcard matches no topic that begins with $ (MQTT 5.0, 4.7.2).
        guard = r"(?!\$)" if parts[0].startswith(("[", "(", ".")) else ""
        return re.compile(guard + "/".join(parts).replace("/.*", "(?:/.*)?"), re.DOTALL)

    def route(self, mqtt_topic: str) -> Route:
        """Return where a message of ``mqtt_topic`` goes.

        Raises ``TopicError`` if the topic does not match the pattern, or its levels make a name that Kafka refuses.
        """
        found = self._expression.fullmatch(mqtt_topic)
        if not found:
            raise TopicError(mqtt_topic, f"does not match {self.pattern!r}")
        levels = found.groupdict() | {"mqtt_topic": mqtt_topic}
        topic = self.topic if self.kafka_topics else check_kafka_topic(self.topic.format_map(levels))
        return Route(topic, self.key.format_map(levels) if self.key else None)

    def mqtt_topic(self, **levels: str) -> str:
        """Return the MQTT topic with these levels, the reverse of ``route``: one keyword argument for each name.

        Raises ``TopicError`` if a name is missing or a level holds ``/``, ``+`` or ``#``.
        """
        if missing := {*_NAME.findall(self.pattern)} - levels.keys():
            raise TopicError(self.pattern, f"needs the level {', '.join(sorted(missing))}")
        for level in levels.values():
            if not level or "/" in level:
                raise TopicError(level, "not a single level of a topic")
        return check_mqtt_topic(self.pattern.format_map(levels))


# The name that the lessons use.
Template = TopicMapping


def _level(level: str) -> str:
    """Return the regular expression of one level."""
    if name := _NAME.fullmatch(level):
        return f"(?P<{name[1]}>[^/]+)"
    return _WILDCARDS.get(level) or re.escape(level)
