"""A watch whose Kafka is away says so, and leaves nothing behind."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from helpers.checks import Watch, watch
from helpers.errors import LessonError
from helpers.lab import ports
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
