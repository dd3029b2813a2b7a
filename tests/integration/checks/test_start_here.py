"""The lesson's checks, on a real lab: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from helpers.checks import Watch, start_here as checks
from tests.integration.checks.speaking import Unique, assert_not_yet, create_topic, publish, write

MQTT_FILTERS = ["hello/#"]


def test_a_greeting_to_the_topic_is_all_exercise_1_wants(watch: Watch) -> None:
    assert not checks.exercise_1(watch).passed
    publish(watch, "hello/me", b"Hello from me")
    result = checks.exercise_1(watch)
    assert result.passed
    assert "Hello from me" in result.reason


@pytest.mark.parametrize(
    ("topic", "payload", "reason", "hint"),
    [
        ("hello/Me", b"hello", "something came to hello/Me", "upper and lower case"),
        ("hello/me/", b"hello", "something came to hello/me/", "a slash at the end"),
        ("hello/me", b"", "it was empty", "second argument"),
        ("hello/me", b"  ", "it was empty", "second argument"),
        ("hello/world", b"hello", "something came to hello/world", "upper and lower case"),
        ("hallo", b"hello", "Nothing has come to hello/me", "loop_start"),
    ],
)
def test_exercise_1_turns_down(watch: Watch, topic: str, payload: bytes, reason: str, hint: str) -> None:
    publish(watch, topic, payload)
    assert_not_yet(checks.exercise_1(watch), reason, hint)


def test_a_greeting_from_before_the_lesson_does_not_count(here: Any, unique: Unique) -> None:
    mine = replace(here, ns=f"{unique('ana')}-")
    first = Watch(mine, mqtt_filters=["hello/#"])
    publish(first, "hello/me", b"hello")
    first.close()
    second = Watch(mine, mqtt_filters=["hello/#"])
    assert not checks.exercise_1(second).passed
    second.close()


def test_a_record_in_a_topic_of_ones_own_is_all_exercise_2_wants(watch: Watch) -> None:
    write(watch, "hello-me", [(None, "Hello from me", None)])
    assert checks.exercise_2(watch).passed


def test_exercise_2_notices_a_topic_that_was_never_made(watch: Watch) -> None:
    assert_not_yet(checks.exercise_2(watch), "does not exist", ".result")


def test_exercise_2_notices_a_near_miss(watch: Watch) -> None:
    create_topic(watch, "hello_me")
    assert "hello_me does" in checks.exercise_2(watch).reason


def test_exercise_2_notices_a_record_that_never_left(watch: Watch) -> None:
    create_topic(watch, "hello-me")
    assert_not_yet(checks.exercise_2(watch), "is empty", "flush")


def test_exercise_2_notices_a_key_without_a_value(watch: Watch) -> None:
    write(watch, "hello-me", [("Hello from me", None, None)])
    assert_not_yet(checks.exercise_2(watch), hint="value=")
