"""The settings of a bridge, checked when they are made, before any network call."""

from __future__ import annotations

import itertools
import ssl
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from helpers.bridge.filters import covers, overlap, widest
from helpers.errors import BridgeError
from helpers.sink.config import SinkConfig, check, tls_context
from helpers.sink.records import shorten
from helpers.topics import TopicMapping, check_kafka_topic, check_mqtt_filter, refuse_collisions, split_share

# The longest keep-alive that fits into its two bytes in CONNECT.
_LONGEST = 65_535
# One below the protocol's default of 65,535, which is left out of CONNECT: then Mosquitto assumes its own default, 20.
RECEIVE_MAXIMUM = 65_534
# The longest expiry, in seconds, that fits into its four bytes.
LONGEST_EXPIRY = 2**32 - 1


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


def client_context(tls: dict[str, Any]) -> ssl.SSLContext:
    """Return the context for these settings; certificates and host names are always verified."""
    names = ("ca_certs", "certfile", "keyfile", "keyfile_password")
    if unknown := tls.keys() - {*names}:
        raise BridgeError(
            f"Unknown TLS setting: {', '.join(sorted(unknown))}.", remedy="give ca_certs, certfile, keyfile only"
        )
    return tls_context(ssl.Purpose.SERVER_AUTH, *map(tls.get, names))


@dataclass(frozen=True, kw_only=True)
class MqttSide:
    """What both directions need to know of the MQTT broker. Times in seconds."""

    mqtt: MqttAddress
    client_id: str
    keep_alive: int = 30
    stall_after: float = 30.0
    drain_timeout: float = 10.0

    def __post_init__(self) -> None:
        check([
            (not self.client_id, "A bridge needs a client id.", "choose one and keep it: the session is found by it"),
            (not 0 < self.keep_alive <= _LONGEST, "Without keep-alive a dead connection is not noticed.",
             f"give keep_alive in seconds, from 1 to {_LONGEST}"),
        ])  # fmt: skip
        if self.mqtt.tls is not None:
            client_context(self.mqtt.tls)


@dataclass(frozen=True, kw_only=True)
class BridgeConfig(MqttSide, SinkConfig):
    """MQTT to Kafka, at least once: what ``SinkConfig`` has, and the MQTT session.

    Raises ``BridgeError`` or ``TopicError`` for unsafe or contradictory settings.

    ``share``: the group of a shared subscription; order across its members is then not promised.
    ``unsubscribe``: topic filters of earlier configurations, which end. What the broker still delivers from them is
    dead-lettered; MQTT lets it discard what waits, as Artemis does. A changed ``share`` ends filters likewise.
    ``retained``: stored messages are taken when the subscription is ``new``, or ``never``.
    ``sequence``: the user property that counts each device's messages, by which loss is detected.
    ``expect_session``: the broker should have one at the first connect already, so its absence is an alarm.
    ``receive_maximum``: unacknowledged messages at most (MQTT 5). ``byte_budget``: bytes held at most; half of them for
    QoS 0. Times in seconds.
    """

    share: str | None = None
    unsubscribe: tuple[str, ...] = ()
    retained: Literal["new", "never"] = "new"
    sequence: str | None = None
    expect_session: bool = False
    session_expiry: int = 86_400
    receive_maximum: int = 10_000
    byte_budget: int = 64_000_000

    def __post_init__(self) -> None:
        SinkConfig.__post_init__(self)
        MqttSide.__post_init__(self)
        check([
            (not 0 < self.session_expiry <= LONGEST_EXPIRY,
             "Without a session that outlives the connection, messages are lost.",
             f"give session_expiry in seconds, longer than the longest pause you expect, at most {LONGEST_EXPIRY}"),
            (any(sign in (self.share or "") for sign in "/+#"), "share is not a valid group name.",
             "leave out /, + and #"),
            (bool(self.share and self.sequence), "Each member of a shared subscription sees gaps in the sequence.",
             "leave out share or sequence"),
            (not 0 < self.receive_maximum <= RECEIVE_MAXIMUM, "receive_maximum is out of range.",
             f"give 1 to {RECEIVE_MAXIMUM}"),
            (self.byte_budget <= 0, "byte_budget must be above zero.", "give a number of bytes, such as 64_000_000"),
        ])  # fmt: skip
        for topic_filter in self.filters + self.unsubscribe:
            check_mqtt_filter(topic_filter)
        for one, other in itertools.combinations(widest(route.filter for route in self.routes), 2):
            if overlap(one, other):
                raise BridgeError(
                    f"The topic filters {one} and {other} overlap: a message that matches both would be stored twice.",
                    remedy="make them disjoint, or give one route with a filter that covers both",
                )

    @property
    def filters(self) -> tuple[str, ...]:
        """The topic filters to subscribe to: of each route, unless another route's filter covers it."""
        return tuple(self._prefix + each for each in widest(route.filter for route in self.routes))

    @property
    def former_filters(self) -> tuple[str, ...]:
        """The topic filters that an earlier run may have left in the session."""
        plain = [route.filter for route in self.routes]
        maybe = [*self.unsubscribe, *plain, *(self._prefix + each for each in plain)]
        return tuple(dict.fromkeys(each for each in maybe if each not in self.filters))

    @property
    def _prefix(self) -> str:
        return f"$share/{self.share}/" if self.share else ""

    def check_expected(self, mqtt_topic: str) -> None:
        """Raise ``BridgeError`` if neither a route nor ``unsubscribe`` has a topic filter for this topic."""
        filters = [route.filter for route in self.routes] + [split_share(each)[1] for each in self.unsubscribe]
        if not any(covers(each, mqtt_topic) for each in filters):
            raise BridgeError(
                f"The session of {self.client_id!r} still has a topic filter of an earlier configuration: it delivered "
                f"{shorten(mqtt_topic)!r}, which matches no route.",
                remedy="add a route for it: its messages are still there; or list the old topic filter in unsubscribe, "
                "and the broker may discard those that wait",
            )


@dataclass(frozen=True, kw_only=True)
class CommandsConfig(MqttSide):
    """Kafka to MQTT. Raises ``BridgeError`` or ``TopicError`` for what is contradictory.

    ``route`` is used in reverse: each record of its Kafka topic goes to the MQTT topic that its key makes; so the
    mapping's ``key`` must be one name (``{device}``), the only one of its pattern. ``expiry``: for how many seconds a
    command is worth sending, from the record's timestamp; ``None``: for ever. ``retain``: the MQTT broker keeps each
    generator's last one for when it wakes, and a tombstone clears it. ``retries``: how often a command is sent again
    after the MQTT broker ended the connection on it. ``dead_letter_topic``: for records that cannot be sent as
    commands; without it they stop the bridge.

    Only a program that is always started again after it ends should have a ``group.instance.id`` in ``kafka``: then
    nothing else gets its partitions before ``session.timeout.ms`` has passed, even after an orderly end.
    """

    kafka: dict[str, Any] = field(repr=False)
    group_id: str
    route: TopicMapping
    expiry: float | None = 60.0
    retain: bool = False
    retries: int = 1
    dead_letter_topic: str | None = None
    session_expiry: ClassVar[int] = 0
    receive_maximum: ClassVar[int] = RECEIVE_MAXIMUM

    def __post_init__(self) -> None:
        super().__post_init__()
        check([
            (not self.group_id, "A bridge from Kafka to MQTT needs a group id.",
             "choose one and keep it: the offsets are found by it"),
            (not self.route.kafka_topics, "Commands come from one Kafka topic.",
             "give the route a topic without names in braces"),
            ("bootstrap.servers" not in self.kafka, "The address of Kafka is missing.",
             "give bootstrap.servers in kafka"),
            # Else each dead letter would come again, as a command.
            (self.dead_letter_topic in self.route.kafka_topics, "Dead letters need a topic of their own.",
             "choose another dead_letter_topic"),
            (self.expiry is not None and not 0 < self.expiry <= LONGEST_EXPIRY, f"expiry={self.expiry} is invalid.",
             f"give seconds above zero, at most {LONGEST_EXPIRY}, or None"),
            (self.retries not in range(4), "retries is out of range.", "give 0 to 3"),
            (str(self.kafka.get("enable.auto.commit", False)).lower() != "false",
             "Offsets may be committed after the PUBACK only.", "leave out enable.auto.commit"),
        ])  # fmt: skip
        self.route.mqtt_topic(**{self.level: "any"})
        refuse_collisions(check_kafka_topic(topic) for topic in self.kafka_topics)

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
            # After a kill the next run gets the partitions when this has passed.
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 2000,
            # Without MQTT for so long, the bridge leaves its partitions to others.
            "max.poll.interval.ms": 60_000,
            **self.kafka,
            "group.id": self.group_id,
            "enable.auto.commit": False,
        }
