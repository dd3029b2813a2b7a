"""Checks whose brokers are away say so, and leave nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from helpers.checks import Result, Watch, lesson02, lesson03, lesson06, lesson08, watch
from helpers.errors import LessonError
from helpers.lab.runtime import ports
from tests.integration.checks.speaking import Unique


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_METADATA_TIMEOUT", 0.5)


def without_kafka(here: Any) -> Any:
    return replace(here, kafka=here.kafka | {"bootstrap.servers": f"127.0.0.1:{ports.any_free()}", "log_level": 0})


def test_a_watch_that_cannot_begin_records_nothing_either(here: Any, unique: Unique) -> None:
    ns = f"{unique('ana')}-"
    with pytest.raises(LessonError, match="could not look into Kafka") as caught:
        Watch(replace(without_kafka(here), ns=ns), mqtt_filters=["hello/#"])
    assert "lab up" in caught.value.remedy
    assert not [each.name for each in threading.enumerate() if f"{ns}watch" in each.name]


def test_a_check_says_that_kafka_went_away(here: Any, unique: Unique) -> None:
    begun = Watch(replace(here, ns=f"{unique('ana')}-"))
    begun.here = without_kafka(here)
    with pytest.raises(LessonError, match="could not look into Kafka"):
        begun.kafka_records("hello-me")


def test_a_watch_says_that_the_mqtt_broker_is_away(here: Any) -> None:
    with pytest.raises(LessonError, match="could not reach the MQTT broker") as caught:
        Watch(replace(here, mqtt=replace(here.mqtt, port=ports.any_free())), mqtt_filters=["hello/#"])
    assert "lab up" in caught.value.remedy


@pytest.mark.parametrize("look", [lesson03.exercise_1, lesson06.exercise_3, lesson08.exercise_3, lesson02.exercise_3])
def test_checks_say_that_the_mqtt_broker_is_away(look: Callable[[Watch], Result], here: Any, unique: Unique) -> None:
    begun = Watch(replace(here, ns=f"{unique('ana')}-"))
    begun.here = replace(begun.here, mqtt=replace(here.mqtt, port=ports.any_free()))
    with pytest.raises(LessonError, match="could not reach the MQTT broker"):
        look(begun)
