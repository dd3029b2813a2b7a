"""The lesson's checks, on real brokers: what a learner may well try is turned down with a hint that helps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewPartitions

from helpers.checks import Watch, topics_two_ways as checks
from tests.integration.checks.speaking import Record, assert_not_yet, commit, create_topic, publish, write

DAY = 24 * 60 * 60 * 1000
FIVE: list[Record] = [("G-001", str(number), None) for number in range(5)]


# --- exercise 1


@pytest.mark.parametrize(
    ("partitions", "retention", "records", "reason", "hint"),
    [
        (1, 30 * DAY, 5, "has 1 partition.", "new total"),
        (8, 30 * DAY, 5, "has 8 partitions.", "cannot be removed"),
        (4, 30 * DAY // 1000, 5, "thirty days in seconds", "milliseconds"),
        (4, 7 * DAY, 5, "kept for 7 days", "incremental_alter_configs"),
        (4, -1, 5, "for ever", "retention.ms"),
        (4, 30 * DAY, 0, "records are gone", "in place"),
    ],
    ids=["one partition", "too many", "seconds", "the default", "for ever", "made anew"],
)
def test_exercise_1_turns_down(  # noqa: PLR0917
    watch: Watch, partitions: int, retention: int, records: int, reason: str, hint: str
) -> None:
    create_topic(watch, "workshop-readings", partitions, {"retention.ms": str(retention)})
    write(watch, "workshop-readings", FIVE[:records])
    assert_not_yet(checks.exercise_1(watch), reason, hint)


def test_a_topic_put_right_in_place_is_what_exercise_1_wants(watch: Watch) -> None:
    assert "no topic" in checks.exercise_1(watch).reason
    create_topic(watch, "workshop-readings", 1, {"retention.ms": str(30 * DAY)})
    write(watch, "workshop-readings", FIVE)
    name = f"{watch.here.ns}workshop-readings"
    admin = AdminClient({**watch.here.kafka, "log_level": 0})
    admin.create_partitions([NewPartitions(name, 4)])[name].result(30)
    assert checks.exercise_1(watch).passed


# --- exercise 2


@pytest.fixture
def yards(watch: Watch) -> list[str]:
    names = ["yards-north", "yards-old.west", "yards_gravel", "yards.lost"]
    for name in names:
        write(watch, name, FIVE)
    return names


def audit(watch: Watch, *topics: str, reset: str = "earliest") -> None:
    """Read as a learner's consumer does, until nothing comes."""
    consumer = Consumer(
        {
            **watch.here.kafka,
            "group.id": f"{watch.here.ns}yards-audit",
            "auto.offset.reset": reset,
            "log_level": 3,
        }
    )
    consumer.subscribe(list(topics))
    while consumer.poll(3) is not None:
        pass
    consumer.close()


@pytest.mark.usefixtures("yards")
def test_one_expression_is_what_exercise_2_wants(watch: Watch) -> None:
    assert_not_yet(checks.exercise_2(watch), "committed nothing", "while the group is forming")
    audit(watch, f"^{watch.here.ns}yards-.*")
    assert checks.exercise_2(watch).passed


@pytest.mark.usefixtures("yards")
@pytest.mark.parametrize(
    ("expression", "reason", "hint"),
    [
        ("^{ns}yards.*", "has also read yards.lost, yards_gravel", "every character"),
        ("^{ns}yards-.*th$", "read nothing of yards-old.west", "Match all"),
        ("{ns}yards-north", "read nothing of yards-old.west", "new each time"),
    ],
    ids=["too wide", "too narrow", "by name"],
)
def test_exercise_2_turns_down(watch: Watch, expression: str, reason: str, hint: str) -> None:
    audit(watch, expression.format(ns=watch.here.ns))
    assert_not_yet(checks.exercise_2(watch), reason, hint)


@pytest.mark.usefixtures("yards")
def test_exercise_2_wants_the_whole_log(watch: Watch) -> None:
    audit(watch, f"^{watch.here.ns}yards-.*")
    commit(watch, "yards-audit", "yards-north", {0: 3})
    assert_not_yet(checks.exercise_2(watch), "read 3 of 5 records of yards-north", "is not the end")


# --- exercise 3


def entries(*kinds: str, topic: str = "design-{kind}s", key: str | None = "{company}/{device}") -> list[dict[str, Any]]:
    return [
        {"pattern": f"design/{{company}}/{{device}}/{kind}", "topic": topic.replace("{kind}", kind), "key": key}
        for kind in kinds
    ]


GOOD = entries("reading", "status", "alarm")
ALL = ("reading", "status", "alarm")


def submit(watch: Watch, mapping: object, *, retain: bool = True) -> None:
    payload = mapping if isinstance(mapping, str) else json.dumps(mapping)
    publish(watch, "design/mapping", payload, retain=retain)


@pytest.fixture
def _topics(watch: Watch) -> None:
    for name in ("design-readings", "design-statuss", "design-alarms"):
        create_topic(watch, name, 3)


@pytest.mark.usefixtures("_topics")
def test_a_good_mapping_is_what_exercise_3_wants_and_may_be_checked_twice(watch: Watch) -> None:
    submit(watch, GOOD)
    first, second = checks.exercise_3(watch), checks.exercise_3(watch)
    assert first.passed, first
    assert second.passed, second
    assert "120 messages" in first.reason


@pytest.mark.usefixtures("_topics")
def test_the_whole_mqtt_topic_may_be_the_key(watch: Watch) -> None:
    submit(watch, entries(*ALL, key="{mqtt_topic}"))
    assert checks.exercise_3(watch).passed


def test_exercise_3_wants_the_mapping_retained(watch: Watch) -> None:
    submit(watch, GOOD, retain=False)
    assert_not_yet(checks.exercise_3(watch), "no retained message", "retain=True")


@pytest.mark.usefixtures("_topics")
@pytest.mark.parametrize(
    ("mapping", "reason", "hint"),
    [
        ("not JSON", "not have the right form", "list of objects"),
        ({"pattern": "design/#"}, "not have the right form", "list of objects"),
        (["design/#"], "not have the right form", "list of objects"),
        ([{"pattern": "design/#", "topic": 5, "key": {}}], "not have the right form", "list of objects"),
        (entries("reading"), "No entry matches design/north/G-001/status", "each kind"),
        ([*GOOD, {"pattern": "design/#", "topic": "design-readings", "key": "x"}], "2 entries match", "differ"),
        (entries(*ALL, key=None), "has no key", "any partition"),
        (entries(*ALL, key="{device}"), "north/G-001 and south/G-001 are different generators", "several names"),
        (entries(*ALL, key="all"), "different generators with the same key", "several names"),
        (entries(*ALL, topic="design-{company}-{device}"), "needs 10 Kafka topics", "into the key"),
        (entries(*ALL, topic="design-readings"), "Alarms share design-readings", "Retention"),
        (entries(*ALL, topic="other-{kind}"), "does not begin with design-", "another one"),
        (entries(*ALL, topic="design-{kind}"), "There is no Kafka topic design-alarm", "create it"),
        (entries(*ALL, topic="design/{kind}"), "not a valid Kafka topic name", "letters"),
        (entries(*ALL, key="{generator}"), "has no level named generator", "name it in the pattern"),
        (
            [*entries("reading", topic="design.a"), *entries("status", topic="design_a"), *entries("alarm")],
            "collides",
            "are the same",
        ),
    ],
)
def test_exercise_3_turns_down(watch: Watch, mapping: object, reason: str, hint: str) -> None:
    submit(watch, mapping)
    assert_not_yet(checks.exercise_3(watch), reason, hint)


def test_exercise_3_wants_room_to_grow(watch: Watch) -> None:
    for name in ("design-readings", "design-statuss", "design-alarms"):
        create_topic(watch, name, 1)
    submit(watch, GOOD)
    assert_not_yet(checks.exercise_3(watch), "has 1 partition", "three or more")
