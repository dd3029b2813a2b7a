"""A ledger of readings: each that was published has exactly one fate, so the fates add up to what was published."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pandas as pd
from confluent_kafka import TopicPartition

from helpers.checks import brokers
from helpers.errors import LessonError

# Generator, boot and sequence number: no two readings share all three.
Name = tuple[str, str, int]
Headers = Iterable[tuple[str, str | bytes | None]] | None

# In Kafka once or several times; in the dead-letter topic; in a session of the MQTT broker; not acknowledged, so that
# the device will send it again; acknowledged to the device, and nowhere.
FATES = ("once", "repeated", "dead-lettered", "waiting", "at the device", "lost")

_SESSION_QUIET = 1.0  # seconds without a message that mean that a session holds no more: nothing marks the last one


def name_of(generator: str, headers: Headers) -> Name:
    """Return the name of a reading, from its generator and its headers or user properties ``boot`` and ``seq``.

    Raises:
        LessonError: One of these two is missing.
    """
    found = {key: value.decode() if isinstance(value, bytes) else value for key, value in headers or []}
    boot, seq = found.get("boot"), found.get("seq") or ""
    if not boot or not seq.isdigit():
        raise LessonError(
            f"The headers boot and seq identify a reading of {generator}, but there are only {sorted(found)}.",
            remedy="Pass on the headers of the reading: reading.headers().",
        )
    return generator, boot, int(seq)


class Ledger:
    """What is known of each reading. Times are seconds since 1970, as ``time.time()`` gives them."""

    def __init__(self) -> None:
        self.published: dict[Name, float] = {}
        self.acknowledged: set[Name] = set()
        self.stored: dict[Name, list[float]] = {}
        self.dead_letters: list[Any] = []
        self.unknown = 0  # records of readings that were never published here
        self._dead: set[Name] = set()
        self._sessions: dict[str, set[Name]] = {}
        self._places: set[tuple[str, int, int]] = set()

    def publish(self, name: Name) -> None:
        """Note that a device publishes this reading now."""
        self.published[name] = time.time()

    def acknowledge(self, *names: Name) -> None:
        """Note that the device has an acknowledgement for these readings, and will not send them again."""
        self.acknowledged.update(names)

    def read(self, here: brokers.Services, topic: str, *, dead_letters: str = "", patience: float = 1.0) -> None:
        """Read what Kafka stored in ``topic`` and in the topic ``dead_letters``, keys and headers as the bridge wrote.

        Return when each published reading was found and the topics are read to their ends, or nothing new has come
        for ``patience`` seconds. Records that were read before do not count again. A record's timestamp is the time of
        storing if the topic has ``message.timestamp.type=LogAppendTime``.

        Raises:
            LessonError: One of the topics does not exist, or Kafka does not answer.
        """
        topics = [f"{here.ns}{each}" for each in (topic, dead_letters) if each]
        with brokers.consumer(here) as consumer:
            known = consumer.list_topics(timeout=brokers.TIMEOUT).topics
            if missing := [each for each in topics if each not in known]:
                remedy = "Compare with what this Kafka has: a ledger puts the namespace in front of a name by itself."
                raise LessonError(f"There is no topic {', '.join(missing)}.", remedy=remedy)
            unread = {(each, part) for each in topics for part in known[each].partitions}
            consumer.assign([TopicPartition(*each, 0) for each in unread])
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline and (unread or self._missing()):
                for record in consumer.consume(1000, timeout=0.1):
                    part, offset = (record.topic() or "", record.partition() or 0), record.offset() or 0
                    if record.error():
                        unread.discard(part)  # its end; an error of the connection names no topic
                    elif (*part, offset) not in self._places:
                        self._places.add((*part, offset))
                        self._note(record, dead=part[0] != topics[0])
                        deadline = time.monotonic() + patience

    def look_into_session(self, here: brokers.Services, client_id: str) -> None:
        """Note which readings wait in the MQTT session of ``client_id``, which must not be connected.

        Nothing is acknowledged, so all of them stay there.
        """
        found = self._sessions[client_id] = set()
        with brokers.MqttClient(here, client_id, keep_session=True, manual_ack=True) as client:
            while message := client.next(within=_SESSION_QUIET):
                if name := self._find(message.topic, getattr(message.properties, "UserProperty", None)):
                    found.add(name)

    def fate(self, name: Name) -> str:
        """Return what became of a published reading: one of ``FATES``."""
        if copies := len(self.stored.get(name, [])):
            return "once" if copies == 1 else "repeated"
        if name in self._dead:
            return "dead-lettered"
        if any(name in session for session in self._sessions.values()):
            return "waiting"
        return "lost" if name in self.acknowledged else "at the device"

    def counts(self) -> dict[str, int]:
        """Return how many readings have each fate. They add up to ``len(ledger.published)``."""
        counted = Counter(map(self.fate, self.published))
        return {fate: counted[fate] for fate in FATES}

    @property
    def in_order(self) -> bool:
        """Whether the readings of each generator came into Kafka in their order, repetitions aside."""
        found: dict[tuple[str, str], list[int]] = {}
        for generator, boot, seq in self.stored:
            found.setdefault((generator, boot), []).append(seq)
        return all(numbers == sorted(numbers) for numbers in found.values())

    def table(self) -> pd.DataFrame:
        """Return a row for each published reading: its name, when it was published and first stored, and its fate."""
        columns = ["generator", "boot", "seq", "published", "stored", "fate"]
        rows = [
            (*name, at, *self.stored.get(name, [math.nan])[:1], self.fate(name)) for name, at in self.published.items()
        ]
        return pd.DataFrame(rows, columns=columns)

    def _missing(self) -> set[Name]:
        return self.published.keys() - self.stored.keys() - self._dead

    def _note(self, record: Any, *, dead: bool) -> None:  # noqa: ANN401 - confluent_kafka.Message
        name = self._find((record.key() or b"").decode(errors="replace"), record.headers())
        if dead:
            self.dead_letters.append(record)
            self._dead |= {name} if name else set()
        elif name:
            self.stored.setdefault(name, []).append(record.timestamp()[1] / 1000)
        else:
            self.unknown += 1

    def _find(self, path: str, headers: Headers) -> Name | None:
        """Find the published reading whose generator is a level of ``path``, a record's key or an MQTT topic."""
        for generator in path.split("/"):
            with suppress(LessonError):
                if (name := name_of(generator, headers)) in self.published:
                    return name
        return None
