"""Lessons that start a cluster, or brokers with locks, wait until there is room for it on the machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import room_for_a_cluster
from tests.ordering import wants_cluster


@pytest.fixture(autouse=True)
def _a_cluster_at_a_time(request: pytest.FixtureRequest) -> Iterator[None]:
    if wants_cluster(request.node):
        with room_for_a_cluster():
            yield
    else:
        yield
