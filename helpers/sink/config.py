"""The settings of the Kafka side, checked when they are made, before any network call."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from helpers.errors import BridgeError
from helpers.topics import TopicMapping, check_kafka_topic, refuse_collisions

# More than four MQTT clients may have unacknowledged (Receive Maximum, two bytes).
_QUEUE = 262_144

# The producer's settings that the promise rests on: (name, value, why).
_FIXED = (
    ("acks", "all", "an acknowledged message must be on every in-sync replica"),
    ("enable.idempotence", True, "without it a retry may duplicate and reorder"),
    ("delivery.report.only.error", False, "the PUBACK waits for the report of success"),
)


@dataclass(frozen=True, kw_only=True)
class SinkConfig:
    """What becomes of MQTT messages in Kafka. Raises ``BridgeError`` or ``TopicError`` for unsafe settings.

    ``routes``: topic mappings; the first that matches a message wins.
    ``serializer``: ``raw`` takes any bytes as they are, ``json`` takes JSON and leaves its bytes alone, ``schema``
    checks against the latest version under the subject ``TOPIC-value`` and frames with the schema's id.
    ``dead_letter_topic``: for messages that can never be produced; without it they stop the bridge.
    ``headers``: ``topic`` writes MQTT topic and user properties, ``all`` adds QoS, retain, DUP and receive time.
    ``time``: the user property with the device's time (ISO 8601), which becomes the record's timestamp when credible.
    """

    kafka: dict[str, Any] = field(repr=False)
    routes: tuple[TopicMapping, ...]
    dead_letter_topic: str | None = None
    serializer: Literal["raw", "json", "schema"] = "raw"
    registry: dict[str, Any] | None = field(default=None, repr=False)
    headers: Literal["topic", "all"] = "topic"
    time: str | None = "time"

    def __post_init__(self) -> None:
        if isinstance(self.routes, TopicMapping):
            raise BridgeError("routes must be a tuple of topic mappings.", remedy="add a comma: routes=(mapping,)")
        check([
            (not self.routes, "There is nothing to carry.", "give at least one topic mapping in routes"),
            ("bootstrap.servers" not in self.kafka, "Kafka's address is missing.", "give bootstrap.servers in kafka"),
            (any(self.dead_letter_topic in route.kafka_topics for route in self.routes),
             "Dead letters need a topic of their own.", "choose another dead_letter_topic"),
            ((self.serializer == "schema") != bool(self.registry), "A registry and the schema serializer go together.",
             "give both or neither"),
        ])  # fmt: skip
        for name, value, why in _FIXED:
            given = str(self.kafka.get(name, value)).lower()
            if given != str(value).lower() and (name, given) != ("acks", "-1"):
                raise BridgeError(f"{name}={self.kafka[name]} is not safe: {why}.", remedy=f"leave it at {value}")
        refuse_collisions(check_kafka_topic(topic) for topic in self.kafka_topics)

    @property
    def kafka_topics(self) -> tuple[str, ...]:
        """The Kafka topics that must exist before the start."""
        known = [topic for route in self.routes for topic in route.kafka_topics] + [self.dead_letter_topic]
        return tuple(dict.fromkeys(filter(None, known)))

    def check_expected(self, mqtt_topic: str) -> None:
        """Raise ``BridgeError`` if a topic that no route matches shows a wrong configuration, not a wrong message."""


def check(contradictions: Iterable[tuple[bool, str, str]]) -> None:
    """Raise ``BridgeError`` for the first contradiction that holds: each is whether it does, the cause, the remedy."""
    for wrong, cause, remedy in contradictions:
        if wrong:
            raise BridgeError(cause, remedy=remedy)


def tls_context(purpose: ssl.Purpose, cafile: str | None, certfile: str | None, *key: str | None) -> ssl.SSLContext:
    """Return a context with these PEM files, ``key`` with its password; ``BridgeError`` if they cannot be used."""
    try:
        context = ssl.create_default_context(purpose, cafile=cafile)
        if certfile:
            context.load_cert_chain(certfile, *key)
    except OSError as error:
        files = ", ".join(filter(None, (cafile, certfile, *key[:1])))
        raise BridgeError(f"TLS cannot use {files}: {error}", remedy="give the paths of PEM files") from error
    return context


def producer_settings(kafka: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a Kafka producer; ``kafka`` overrides all but what is fixed."""
    return {
        # A message that the producer gave up on is a hole in the order: MQTT 5 redelivers only after a reconnect.
        "message.timeout.ms": 0,
        "linger.ms": 5,
        "compression.type": "none",
        "queue.buffering.max.messages": _QUEUE,
        "reconnect.backoff.max.ms": 1000,
        # Errors reach the snapshot through error_cb; librdkafka's log would repeat them with every attempt.
        "log_level": 2,
        **kafka,
        **{name: value for name, value, _ in _FIXED},
    }
