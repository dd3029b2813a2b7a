"""``lab bridge --make-topics``."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from helpers.errors import LessonError

_LOOK_EVERY = 0.1


def make_topics(settings: dict[str, Any], topics: tuple[str, ...], partitions: int, within: float = 20.0) -> None:
    """Create those of ``topics`` that are missing, and wait until each of them has leaders.

    Raises ``LessonError`` if Kafka refuses or does not answer, or a topic is not ready after ``within`` s.
    """
    try:
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
        while waiting := [each for each in topics if not _has_leaders(admin.list_topics(each, timeout=within), each)]:
            if time.monotonic() > ends:
                raise LessonError(f"Kafka created {', '.join(waiting)}, which are not ready yet.", remedy="Try again.")
            time.sleep(_LOOK_EVERY)
    except KafkaException as error:
        cause = f"Kafka did not make {', '.join(topics)}: {error.args[0].str().rstrip('.')}."
        remedy = "Make them with the cluster's own tools, and leave out --make-topics."
        raise LessonError(cause, remedy=remedy) from error


def _has_leaders(metadata: Any, topic: str) -> bool:  # noqa: ANN401 - the client's types have no stubs
    found = metadata.topics[topic]
    return found.error is None and all(partition.leader >= 0 for partition in found.partitions.values())
