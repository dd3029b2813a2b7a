"""Brokers for the bridge's tests: real ones of their own, which a test may kill, freeze and start again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from helpers import lab
from tests.integration.bridge.support import Bench


@pytest.fixture(scope="session")
def _mqtt(mqtt_provider: str, _clean_environment: None) -> Iterator[Any]:
    program = {"native": "mosquitto", "embedded": "artemis"}[mqtt_provider]
    with lab.scratch("mqtt", provider=program) as broker:
        yield broker


@pytest.fixture(scope="session")
def _kafka(_clean_environment: None) -> Iterator[Any]:
    with lab.scratch("kafka") as broker:
        yield broker


@pytest.fixture
def bench(_mqtt: Any, _kafka: Any) -> Iterator[Bench]:
    """Both brokers, and names of one's own. Whatever a test did to the brokers, the next one finds them running."""
    yield Bench(_mqtt, _kafka, f"t{uuid.uuid4().hex[:8]}").make_topics()
    for broker in (_mqtt, _kafka):
        broker.start()
        broker.thaw()
