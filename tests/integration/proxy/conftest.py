"""A Kafka for the proxy's tests: a real one of their own, which a test may kill, freeze and start again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from helpers import lab
from tests.integration.proxy.support import Bench


@pytest.fixture(scope="session")
def _kafka(_clean_environment: None) -> Iterator[Any]:
    with lab.scratch("kafka") as broker:
        yield broker


@pytest.fixture
def bench(_kafka: Any) -> Iterator[Bench]:
    """The broker, and names of one's own. Whatever a test did to the broker, the next one finds it running."""
    yield Bench(None, _kafka, f"t{uuid.uuid4().hex[:8]}").make_topics()
    _kafka.start()
    _kafka.thaw()
