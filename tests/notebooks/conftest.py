"""Lessons that start a cluster, or brokers with locks, run one at a time on a machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import cluster_lock
from tests.ordering import wants_cluster


@pytest.fixture(autouse=True)
def _a_cluster_at_a_time(request: pytest.FixtureRequest) -> Iterator[None]:
    if wants_cluster(request.node) and "_one_cluster" not in request.fixturenames:  # which holds the lock already
        with cluster_lock():
            yield
    else:
        yield
