"""Lesson 00's checks, on a real lab: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from helpers.checks import Watch, lesson00
from tests.integration.checks.speaking import Unique, publish


@pytest.fixture
def watch(here: Any, unique: Unique) -> Iterator[Watch]:
    watch = Watch(replace(here, ns=f"{unique('ana')}-"), mqtt_filters=["hello/#"])
    yield watch
    watch.close()


def make_topic(watch: Watch, name: str) -> None:
    topic = f"{watch.here.ns}{name}"
    admin = AdminClient(watch.here.kafka)
    admin.create_topics([NewTopic(topic, 1)])[topic].result(30)


def produce(watch: Watch, name: str, **record: Any) -> None:
    producer = Producer(watch.here.kafka)
    producer.produce(f"{watch.here.ns}{name}", **record)
    assert producer.flush(30) == 0


def test_a_greeting_to_the_topic_is_all_exercise_1_wants(watch: Watch) -> None:
    assert not lesson00.exercise_1(watch).passed
    publish(watch, "hello/me", b"Hello from me")
    result = lesson00.exercise_1(watch)
    assert result.passed
    assert "Hello from me" in result.reason


@pytest.mark.parametrize(
    ("topic", "payload", "reason", "hint"),
    [
        ("hello/Me", b"hello", "something came to hello/Me", "small and capital"),
        ("hello/me/", b"hello", "something came to hello/me/", "a slash at the end"),
        ("hello/me", b"", "it was empty", "second argument"),
        ("hello/me", b"  ", "it was empty", "second argument"),
        ("hello/world", b"the demonstration", "nothing came to hello/me since", "loop_start"),
        ("hallo", b"hello", "nothing came to hello/me since", "loop_start"),
    ],
)
def test_exercise_1_turns_down(watch: Watch, topic: str, payload: bytes, reason: str, hint: str) -> None:
    publish(watch, topic, payload)
    result = lesson00.exercise_1(watch)
    assert not result.passed
    assert reason in result.reason
    assert hint in result.hint


def test_a_greeting_from_before_the_lesson_does_not_count(here: Any, unique: Unique) -> None:
    mine = replace(here, ns=f"{unique('ana')}-")
    first = Watch(mine, mqtt_filters=["hello/#"])
    publish(first, "hello/me", b"hello")
    first.close()
    second = Watch(mine, mqtt_filters=["hello/#"])
    assert not lesson00.exercise_1(second).passed
    second.close()


def test_a_record_in_a_topic_of_ones_own_is_all_exercise_2_wants(watch: Watch) -> None:
    make_topic(watch, "hello-me")
    produce(watch, "hello-me", value=b"Hello from me")
    assert lesson00.exercise_2(watch).passed


def test_exercise_2_notices_a_topic_that_was_never_made(watch: Watch) -> None:
    result = lesson00.exercise_2(watch)
    assert "does not exist" in result.reason
    assert ".result" in result.hint


def test_exercise_2_notices_a_near_miss(watch: Watch) -> None:
    make_topic(watch, "hello_me")
    assert "hello_me does" in lesson00.exercise_2(watch).reason


def test_exercise_2_notices_a_record_that_never_left(watch: Watch) -> None:
    make_topic(watch, "hello-me")
    result = lesson00.exercise_2(watch)
    assert "nothing is in it" in result.reason
    assert "flush" in result.hint


def test_exercise_2_notices_a_key_without_a_value(watch: Watch) -> None:
    make_topic(watch, "hello-me")
    produce(watch, "hello-me", key=b"Hello from me")
    result = lesson00.exercise_2(watch)
    assert not result.passed
    assert "value=" in result.hint
