"""What a bridge is told: checked when it is made, before any network call."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from helpers.errors import LessonError
from helpers.topics import Template, check_kafka_topic, check_mqtt_filter, refuse_collisions

# The largest Receive Maximum that is written down: 65,535 is the default, and Mosquitto takes silence for its own 20.
RECEIVE_MAXIMUM = 65_534
# The longest keep-alive that the two bytes in CONNECT can say.
_LONGEST, _SECONDS = 65_535, "give keep_alive in seconds, at most 65535"

# The producer's settings that the promise rests on: (name, value, why).
_FIXED = (
    ("acks", "all", "an acknowledged message must be on every in-sync replica"),
    ("enable.idempotence", True, "without it a retry may duplicate and reorder"),
    ("delivery.report.only.error", False, "the PUBACK waits for the report of success"),
)


class BridgeError(LessonError):
    """The bridge cannot go on, or would not be safe if it did. What is not acknowledged stays with the MQTT broker."""


class MqttAddress(Protocol):
    """Where the MQTT broker is: ``lab.connect().mqtt``, or any object with these attributes.

    ``tls``: ``None``, or a dict for paho's ``tls_set``: ``ca_certs``, ``certfile``, ``keyfile``, ``keyfile_password``.
    """

    @property
    def host(self) -> str: ...  # noqa: D102  the class says it
    @property
    def port(self) -> int: ...  # noqa: D102  the class says it
    @property
    def username(self) -> str | None: ...  # noqa: D102  the class says it
    @property
    def password(self) -> str | None: ...  # noqa: D102  the class says it
    @property
    def tls(self) -> dict[str, Any] | None: ...  # noqa: D102  the class says it


def tls_context(tls: dict[str, Any]) -> ssl.SSLContext:
    """Return the context for these settings; certificates and host names are always verified."""
    if unknown := tls.keys() - {"ca_certs", "certfile", "keyfile", "keyfile_password"}:
        raise BridgeError(f"The bridge does not know the TLS setting {', '.join(sorted(unknown))}.")
    try:
        context = ssl.create_default_context(cafile=tls.get("ca_certs"))
        if tls.get("certfile"):
            context.load_cert_chain(tls["certfile"], tls.get("keyfile"), tls.get("keyfile_password"))
    except OSError as error:
        files = ", ".join(str(tls[name]) for name in ("ca_certs", "certfile", "keyfile") if tls.get(name))
        raise BridgeError(f"TLS cannot use {files}: {error}", remedy="give the paths of PEM files") from error
    return context


@dataclass(frozen=True, kw_only=True)
class BridgeConfig:
    """MQTT to Kafka, at least once. Raises ``BridgeError`` or ``TopicError`` for anything unsafe or contradictory.

    ``routes``: templates; the first that matches a message wins.
    ``share``: the group of a shared subscription; order is then not promised across its members.
    ``serializer``: ``raw`` takes all bytes as they are, ``json`` takes JSON and leaves its bytes alone, ``schema``
    checks against the latest version under the subject ``TOPIC-value`` and frames with the schema's id.
    ``poison``: messages that can never be produced go to the ``dead-letter`` topic, or ``stop`` the bridge.
    ``headers``: ``topic`` writes MQTT topic and user properties, ``all`` adds QoS, retain, DUP and receive time.
    ``retained``: stored messages are taken when the subscription is ``new``, or ``never``.
    ``sequence``: the user property that counts each device's messages, from which loss is told. ``time``: the one that
    holds its time (ISO 8601), which becomes the record's timestamp when it is credible.
    ``expect_session``: the broker should have one at the first connect already, so that its absence is an alarm.
    ``receive_maximum``: unacknowledged messages at most (MQTT 5). ``byte_budget``: bytes held at most; half of them for
    QoS 0. Times in seconds.
    """

    mqtt: MqttAddress
    kafka: dict[str, Any] = field(repr=False)
    client_id: str
    routes: tuple[Template, ...]
    share: str | None = None
    dead_letter_topic: str | None = None
    poison: Literal["dead-letter", "stop"] = "dead-letter"
    serializer: Literal["raw", "json", "schema"] = "raw"
    registry: dict[str, Any] | None = field(default=None, repr=False)
    headers: Literal["topic", "all"] = "topic"
    retained: Literal["new", "never"] = "new"
    sequence: str | None = None
    time: str | None = "time"
    expect_session: bool = False
    session_expiry: int = 86_400
    keep_alive: int = 30
    receive_maximum: int = 10_000
    byte_budget: int = 64_000_000
    stall_after: float = 30.0
    drain_timeout: float = 10.0

    def __post_init__(self) -> None:
        if isinstance(self.routes, Template):
            raise BridgeError("routes is a tuple of templates.", remedy="mind the comma: routes=(Template(...),)")
        for wrong, cause, remedy in self._contradictions():
            if wrong:
                raise BridgeError(cause, remedy=remedy)
        for name, value, why in _FIXED:
            said = str(self.kafka.get(name, value)).lower()
            if said != str(value).lower() and (name, said) != ("acks", "-1"):
                raise BridgeError(f"{name}={self.kafka[name]} is not safe: {why}.", remedy=f"leave it at {value}")
        for topic_filter in self.filters:
            check_mqtt_filter(topic_filter)
        refuse_collisions(check_kafka_topic(topic) for topic in self.kafka_topics)
        if self.mqtt.tls is not None:
            tls_context(self.mqtt.tls)

    def _contradictions(self) -> list[tuple[bool, str, str]]:
        dead = self.dead_letter_topic
        return [
            (not self.client_id, "A bridge needs a client id: its session is found by it.", "choose one and keep it"),
            (self.session_expiry <= 0, "Without a session that outlives the connection, messages are lost.",
             "give session_expiry in seconds, longer than the longest pause you expect"),
            (not self.routes, "Nothing to bridge.", "give at least one template"),
            ("bootstrap.servers" not in self.kafka, "Which Kafka?", "give bootstrap.servers"),
            (self.poison == "dead-letter" and not dead, "Poison needs a place to go.",
             'name a dead_letter_topic, or say poison="stop"'),
            (self.poison == "stop" and bool(dead), 'poison="stop" never uses a dead-letter topic.', "leave one out"),
            (any(dead in route.kafka_topics for route in self.routes), "Dead letters need a topic of their own.",
             "choose another dead_letter_topic"),
            ((self.serializer == "schema") != bool(self.registry), "A registry and the schema serializer go together.",
             "give both or neither"),
            (any(sign in (self.share or "") for sign in "/+#"), "share names a group.", "leave out /, + and #"),
            (bool(self.share and self.sequence), "Members of a shared subscription each see gaps in the sequence.",
             "leave out share or sequence"),
            (not 0 < self.receive_maximum <= RECEIVE_MAXIMUM, f"receive_maximum is 1 to {RECEIVE_MAXIMUM}.", ""),
            (self.byte_budget <= 0, "byte_budget is a number of bytes above zero.", ""),
            (not 0 < self.keep_alive <= _LONGEST, "Without keep-alive a dead connection is not noticed.", _SECONDS),
        ]  # fmt: skip

    @property
    def filters(self) -> tuple[str, ...]:
        """The topic filters to subscribe to, in the order of ``routes``."""
        prefix = f"$share/{self.share}/" if self.share else ""
        return tuple(prefix + route.filter for route in self.routes)

    @property
    def kafka_topics(self) -> tuple[str, ...]:
        """The Kafka topics that must exist before the start."""
        dead = (self.dead_letter_topic,) if self.dead_letter_topic else ()
        return tuple(dict.fromkeys([topic for route in self.routes for topic in route.kafka_topics] + list(dead)))

    def producer_settings(self) -> dict[str, Any]:
        """Return the configuration of the Kafka producer; what ``kafka`` holds comes last, but for what is fixed."""
        return {
            # A message given up is a hole in the order: MQTT 5 sends again only after a reconnect.
            "message.timeout.ms": 0,
            "linger.ms": 5,
            "compression.type": "none",
            "queue.buffering.max.messages": 4 * RECEIVE_MAXIMUM,
            "reconnect.backoff.max.ms": 1000,
            # What goes wrong reaches the snapshot; librdkafka's log would say it again with every attempt.
            "log_level": 2,
            **self.kafka,
            **{name: value for name, value, _ in _FIXED},
        }


@dataclass(frozen=True, kw_only=True)
class CommandsConfig:
    """Kafka to MQTT. Raises ``BridgeError`` or ``TopicError`` for what is contradictory.

    ``route`` read backwards: each record of its Kafka topic goes to the MQTT topic that its key makes; so the
    template's ``key`` is one name (``{device}``), the only one of its pattern. ``expiry``: seconds that a command is
    worth sending, from the record's timestamp; ``None``: for ever. ``retain``: the MQTT broker keeps each generator's
    last one for when it wakes, and a tombstone clears it. ``dead_letter_topic``: for records that make no command;
    without it they stop the bridge.
    """

    kafka: dict[str, Any] = field(repr=False)
    mqtt: MqttAddress
    client_id: str
    group_id: str
    route: Template
    expiry: float | None = 60.0
    retain: bool = False
    dead_letter_topic: str | None = None
    keep_alive: int = 30
    stall_after: float = 30.0
    drain_timeout: float = 10.0

    def __post_init__(self) -> None:
        if not self.client_id or not self.group_id:
            raise BridgeError("A reverse bridge needs a client id and a group id.", remedy="choose both and keep them")
        if not self.route.kafka_topics:
            raise BridgeError("Commands come from one Kafka topic.", remedy="give the template a topic without names")
        self.route.mqtt_topic(**{self.level: "any"})
        if "bootstrap.servers" not in self.kafka:
            raise BridgeError("Which Kafka?", remedy="give bootstrap.servers")
        if self.dead_letter_topic in self.route.kafka_topics:  # each dead letter would come again, as a command
            raise BridgeError("Dead letters need a topic of their own.", remedy="choose another dead_letter_topic")
        if not 0 < self.keep_alive <= _LONGEST:
            raise BridgeError("Without keep-alive a dead connection is not noticed.", remedy=_SECONDS)
        if self.expiry is not None and self.expiry <= 0:
            raise BridgeError("Every command would be stale.", remedy="give expiry in seconds above zero, or None")
        if str(self.kafka.get("enable.auto.commit", False)).lower() != "false":
            raise BridgeError("Offsets are committed after PUBACK only.", remedy="leave out enable.auto.commit")
        refuse_collisions(check_kafka_topic(topic) for topic in self.kafka_topics)
        if self.mqtt.tls is not None:
            tls_context(self.mqtt.tls)

    @property
    def level(self) -> str:
        """The name of the level that a record's key fills."""
        return (self.route.key or "")[1:-1]

    @property
    def kafka_topics(self) -> tuple[str, ...]:
        """The Kafka topics that must exist before the start."""
        return self.route.kafka_topics + ((self.dead_letter_topic,) if self.dead_letter_topic else ())

    def consumer_settings(self) -> dict[str, Any]:
        """Return the configuration of the Kafka consumer."""
        return {
            "auto.offset.reset": "earliest",
            **self.kafka,
            "group.id": self.group_id,
            "enable.auto.commit": False,
        }
