"""Checks: settings that survive an accident, leaders brought home, the ledger of a bad night."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from helpers.checks import brokers
from helpers.checks.brokers import header
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_SAFE, _RECEIPTS, _READINGS, _COPIES = "copies-safe", "copies-receipts", 600, 3
_BALANCE, _PARTITIONS, _RECORDS = "copies-balance", 6, 60
_RUN, _VERDICT = "copies-run-", "copies-verdict"


def exercise_1(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """A topic and producer settings with which nothing was lost, repeated or given up in the accident."""
    here: Any = recorder.here
    if down := _down(here):
        return down
    if _SAFE not in brokers.topics(here):
        return not_yet(f"There is no topic {_SAFE}.", "create() makes it, and survive() writes to it.")
    copies = min(len(each.replicas) for each in _partitions(here, _SAFE).values())
    if copies < _COPIES:
        return not_yet(f"{_SAFE} has a replication factor of {copies}.", "create() takes the number of copies.")
    demanded = int(brokers.topic_settings(here, _SAFE)["min.insync.replicas"])
    if demanded == 1:
        return not_yet(
            f"min.insync.replicas of {_SAFE} is {demanded}.",
            "With one copy left, acks=all would mean: the leader alone. How many must there be?",
        )
    if demanded >= copies:
        return not_yet(
            f"min.insync.replicas of {_SAFE} is {demanded}, of {copies} copies.",
            "Then the death of one broker stops all writes. One copy must be dispensable.",
        )
    receipts = recorder.kafka_records(_RECEIPTS)
    settings = next((json.loads(each.value()) for each in receipts if each.key() == b"settings"), None)
    if settings is None:
        return not_yet(f"Nothing was written to {_SAFE} through the accident.", "survive({...}) does that.")
    acknowledged = {tuple(json.loads(each.value())) for each in receipts if each.key() == b"acknowledged"}
    return _survived(settings, acknowledged, Counter(_names(recorder, _SAFE)))


def _survived(settings: dict[str, Any], acknowledged: set[Any], stored: Counter[Any]) -> Result:
    lost = len(acknowledged - stored.keys())
    acks = str(settings.get("acks", settings.get("request.required.acks", "all")))
    if acks == "0":
        return not_yet(
            f"acks=0: {lost} readings are gone that the producer took for stored.",
            "With 0 it does not even ask. Whose answer is worth a receipt?",
        )
    if acks not in {"all", "-1"}:
        return not_yet(
            f"acks={acks}: {lost} acknowledged readings are gone.", "The leader alone had them. Who else should?"
        )
    if str(settings.get("enable.idempotence", False)).lower() != "true":
        return not_yet(
            "The producer sends again what was not acknowledged, and the second copy would not be recognised.",
            "Lesson 04 has a setting for that: each batch gets a number.",
        )
    if len(acknowledged) < _READINGS:
        return not_yet(
            f"The producer gave up on {_READINGS - len(acknowledged)} of {_READINGS} readings.",
            "An election takes a few seconds. Which setting says how long a producer tries?",
        )
    if lost or max(stored.values()) > 1:
        return not_yet(f"{lost} readings are lost, or some repeated.", "Make the topic anew, and call survive() once.")
    return done(f"A leader died while its followers hung, and all {_READINGS} readings are there, once.")


def exercise_2(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """Each partition is led by its preferred leader, with all copies in sync and all records there."""
    here: Any = recorder.here
    if down := _down(here):
        return down
    if _BALANCE not in brokers.topics(here):
        return not_yet(f"There is no topic {_BALANCE}.", "out_of_balance() makes it: run the exercise cell.")
    partitions = _partitions(here, _BALANCE)
    copies = min(len(each.replicas) for each in partitions.values())
    if copies < _COPIES:
        return not_yet(f"{_BALANCE} has {copies} of {_COPIES} copies.", "Balance is cheap without copies. Keep them.")
    kept = len(recorder.kafka_records(_BALANCE))
    if kept != _RECORDS or len(partitions) != _PARTITIONS:
        return not_yet(
            f"{kept} of {_RECORDS} records are there.", "A new topic is balanced, and empty. Move leaders only."
        )
    if behind := sum(len(each.isrs) < len(each.replicas) for each in partitions.values()):
        return not_yet(f"{behind} partitions lack copies in sync.", "Wait until they have caught up: look() shows it.")
    away = [number for number, each in sorted(partitions.items()) if each.leader != each.replicas[0]]
    if not away:
        return done(
            f"All {_PARTITIONS} partitions are led by their preferred leaders, and all {kept} records are there."
        )
    if idle := set(here.nodes) - {each.leader for each in partitions.values()}:
        return not_yet(
            f"Broker {min(idle)} leads nothing: no leader has moved since it came back.",
            "Section 5 sends leaders home by an election. Which kind, and of which topic?",
        )
    return not_yet(
        f"Partitions {away} are not led by their preferred leader.",
        "The preferred leader is replicas[0]. The election is for the partitions you name, or for all.",
    )


def exercise_3(recorder: Recorder) -> Result:
    """Three records count the readings of the run that are lost, repeated and waiting."""
    if down := _down(recorder.here):
        return down
    sent, acknowledged = set(_names(recorder, f"{_RUN}sent")), set(_names(recorder, f"{_RUN}acknowledged"))
    stored = Counter(_names(recorder, f"{_RUN}stored"))
    if not sent:
        return not_yet("There is no run to read.", "unknown_run() makes one: run the exercise cell.")
    right = {
        "lost": len(acknowledged - stored.keys()),
        "repeated": sum(times > 1 for times in stored.values()),
        "waiting": len(sent - acknowledged - stored.keys()),
    }
    found: dict[str, int] = {}
    for record in recorder.kafka_records(_VERDICT):
        try:
            found[record.key().decode()] = int(record.value())
        except (AttributeError, ValueError, TypeError):
            return not_yet(f"Offset {record.offset()} of {_VERDICT} is not a word and a number.", "value=str(number)")
    if missing := sorted(right.keys() - found.keys()):
        return not_yet(f"{_VERDICT} has no record for {', '.join(missing)}.", "Three records: a word as key, a number.")
    mistakes = {
        "lost": {
            len(sent - stored.keys()): "Only what was acknowledged can be lost: a device sends the rest again.",
            len(acknowledged) - sum(stored.values()): "Compare the names, not the numbers: repetitions hide losses.",
        },
        "repeated": {sum(stored.values()) - len(stored): "A reading stored three times is one repeated reading."},
        "waiting": {
            len(sent - acknowledged): "Of some readings only the report was lost: they are stored.",
            len(sent - stored.keys()): "What has a report is not waiting: the device will not send it again.",
        },
    }
    for word, number in right.items():
        if found[word] != number:
            hint = mistakes[word].get(
                found[word], "A reading's name is generator, boot and seq: names() gives all three."
            )
            return not_yet(f"{found[word]} readings are not the ones that are {word}.", hint)
    return done("Your ledger is right: " + ", ".join(f"{number} {word}" for word, number in right.items()) + ".")


def _down(here: Any) -> Result | None:  # noqa: ANN401 - lab's cluster, which checks do not import
    down = [node for node, each in here.nodes.items() if not each.alive]
    return not_yet(f"Broker {down[0]} is down.", "cluster.start() starts what is down.") if down else None


def _partitions(here: Any, topic: str) -> dict[int, Any]:  # noqa: ANN401
    with brokers.consumer(here) as consumer:
        return dict(consumer.list_topics(topic, timeout=brokers.TIMEOUT).topics[topic].partitions)


def _names(recorder: Recorder, topic: str) -> list[Any]:
    """The names of the readings in a topic, as JSON would give them: generator, boot, sequence number."""
    records = recorder.kafka_records(topic)
    return [(each.key().decode(), header(each, "boot"), int(header(each, "seq"))) for each in records]
