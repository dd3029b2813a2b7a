"""What must hold in the Kafka cluster before the first message is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from helpers.errors import BridgeError
from helpers.sink.records import SMALLEST
from helpers.topics import refuse_collisions

_ANSWERED_WITHIN, _LOOK_EVERY = 2.0, 0.1
# librdkafka's default for message.max.bytes.
_LARGEST = 1_000_000
_BATCH_OVERHEAD = 512
_REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
}


def raise_if_refused(error: KafkaError) -> None:
    """Raise ``BridgeError`` if Kafka denies access: trying again would not help."""
    if error.code() in _REFUSED:
        raise BridgeError(f"Kafka refused the bridge: {error.str()}", remedy="check user, password and ACLs")


def make_topics(settings: dict[str, Any], topics: tuple[str, ...], partitions: int, within: float = 20.0) -> None:
    """Create those of ``topics`` that are missing, and wait until each of them has leaders.

    Raises ``KafkaException`` if Kafka does not answer, ``BridgeError`` if a topic is not ready after ``within`` s.
    """
    admin = AdminClient({**settings, "log_level": 0})
    existing = admin.list_topics(timeout=within).topics
    new = [NewTopic(topic, num_partitions=partitions) for topic in topics if topic not in existing]
    for future in (admin.create_topics(new) if new else {}).values():
        try:
            future.result(within)
        except KafkaException as error:  # Kafka may know a topic before it lists it
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    ends = time.monotonic() + within
    while waiting := [topic for topic in topics if not _has_leaders(admin.list_topics(topic, timeout=within), topic)]:
        if time.monotonic() > ends:
            raise BridgeError(f"Kafka created {', '.join(waiting)}, which are not ready yet.", remedy="try again")
        time.sleep(_LOOK_EVERY)


def _has_leaders(metadata: Any, topic: str) -> bool:  # noqa: ANN401 - the client's types have no stubs
    found = metadata.topics[topic]
    return found.error is None and all(partition.leader >= 0 for partition in found.partitions.values())


def check_topics(settings: dict[str, Any], topics: tuple[str, ...], on_error: Callable[[str], None]) -> int:
    """Return the largest record, in bytes, that all ``topics`` take; 0 if Kafka does not answer within two seconds.

    Then ``on_error`` is called with the reason. Raises ``BridgeError`` if a topic is missing or a setting is wrong.
    """
    try:
        admin = AdminClient(settings)
    except KafkaException as error:  # a setting is wrong: trying again would not help
        raise BridgeError(
            f"Kafka's client refuses its settings: {error.args[0].str()}", remedy="correct them in kafka"
        ) from error
    try:
        existing = admin.list_topics(timeout=_ANSWERED_WITHIN).topics
    except KafkaException as error:
        admin.poll(0)  # calls error_cb with the reason, which may be final
        on_error(error.args[0].str())
        return 0
    if missing := [topic for topic in topics if topic not in existing]:
        raise BridgeError(
            f"Kafka has no topic {', '.join(missing)}.",
            remedy="create it first: a bridge that creates topics hides typing errors",
        )
    refuse_collisions([*topics])
    asked = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, topic) for topic in topics], request_timeout=_ANSWERED_WITHIN
    )
    largest = [int(settings.get("message.max.bytes", _LARGEST))]
    for answer in asked.values():
        try:
            largest.append(int(answer.result(_ANSWERED_WITHIN)["max.message.bytes"].value) - _BATCH_OVERHEAD)
        except KafkaException:  # reading a topic's settings may not be allowed
            continue
    if min(largest) < SMALLEST:
        raise BridgeError(
            f"Records of at most {min(largest)} bytes are too small for dead letters.",
            remedy=f"raise max.message.bytes of {', '.join(topics)} to {SMALLEST + _BATCH_OVERHEAD} or more",
        )
    return min(largest)
