"""What must hold in the Kafka cluster before the first message is taken."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from helpers.errors import BridgeError
from helpers.topics import refuse_collisions

_ANSWERED_WITHIN = 2.0
# librdkafka's default for message.max.bytes, and the least it accepts.
_LARGEST, _SMALLEST = 1_000_000, 1_000
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


def check_topics(settings: dict[str, Any], topics: tuple[str, ...]) -> int:
    """Return the largest record, in bytes, that all ``topics`` take.

    Raises ``BridgeError`` if one is missing or a setting is wrong, and ``KafkaException`` if Kafka does not answer
    within two seconds.
    """
    try:
        admin = AdminClient(settings)
    except KafkaException as error:  # a setting is wrong: trying again would not help
        raise BridgeError(
            f"Kafka's client refuses its settings: {error.args[0].str()}", remedy="correct them in kafka"
        ) from error
    try:
        existing = admin.list_topics(timeout=_ANSWERED_WITHIN).topics
    except KafkaException:
        admin.poll(0)  # calls error_cb with the reason, which may be final
        raise
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
    return max(_SMALLEST, min(largest))
