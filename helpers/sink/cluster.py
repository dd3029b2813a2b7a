"""What must hold in the Kafka cluster before the first message is taken."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from helpers.errors import BridgeError
from helpers.sink.records import SMALLEST
from helpers.topics import refuse_collisions

_ANSWERED_WITHIN = 2.0
_BATCH_OVERHEAD = 512
_REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError._AUTHENTICATION,
    KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.SASL_AUTHENTICATION_FAILED,
}  # fmt: skip


def raise_if_refused(error: KafkaError) -> None:
    """Raise ``BridgeError`` if Kafka denies access: trying again would not help."""
    if error.code() in _REFUSED:
        raise BridgeError(f"Kafka refused the bridge: {error.str()}", remedy="check user, password and ACLs")


def check_topics(settings: dict[str, Any], topics: tuple[str, ...], on_error: Callable[[str], None]) -> int:
    """Return the largest record, in bytes, that all ``topics`` take; 0 if Kafka does not answer within two seconds.

    Then ``on_error`` is called with the reason. Raises ``BridgeError`` if a topic is missing or a setting is wrong.
    """
    try:
        admin = AdminClient(settings)
    except KafkaException as error:  # a setting is wrong: trying again would not help
        raise BridgeError(f"Kafka's client refuses its settings: {error.args[0].str()}",
                          remedy="correct them in kafka") from error  # fmt: skip
    try:
        existing = admin.list_topics(timeout=_ANSWERED_WITHIN).topics
    except KafkaException as error:
        admin.poll(0)  # calls error_cb with the reason, which may be final
        on_error(error.args[0].str())
        return 0
    if missing := [topic for topic in topics if topic not in existing]:
        raise BridgeError(f"Kafka has no topic {', '.join(missing)}.",
                          remedy="create it first: a bridge that creates topics hides typing errors")  # fmt: skip
    refuse_collisions([*topics])
    asked = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, topic) for topic in topics], request_timeout=_ANSWERED_WITHIN
    )
    largest = [int(settings.get("message.max.bytes", 1_000_000))]  # librdkafka's default
    for answer in asked.values():
        with contextlib.suppress(KafkaException):  # reading a topic's settings may not be allowed
            largest.append(int(answer.result(_ANSWERED_WITHIN)["max.message.bytes"].value) - _BATCH_OVERHEAD)
    if min(largest) < SMALLEST:
        needed = f"raise max.message.bytes of {', '.join(topics)} to {SMALLEST + _BATCH_OVERHEAD} or more"
        raise BridgeError(f"Records of at most {min(largest)} bytes are too small for dead letters.", remedy=needed)
    return min(largest)
