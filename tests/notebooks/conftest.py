"""Lessons that start a cluster, or brokers with locks, are few at a time on a machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import place_for_a_cluster
from tests.ordering import wants_cluster


@pytest.fixture(autouse=True)
def _few_clusters_at_a_time(request: pytest.FixtureRequest) -> Iterator[None]:
    if wants_cluster(request.node) and "_one_cluster" not in request.fixturenames:  # which holds a place already
        with place_for_a_cluster():
            yield
    else:
        yield
