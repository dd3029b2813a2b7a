"""Lessons that start a cluster, or brokers with locks, run one at a time on a machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import cluster_lock
from tests.notebooks.anatomy import Lesson


@pytest.fixture(autouse=True)
def _a_cluster_at_a_time(request: pytest.FixtureRequest) -> Iterator[None]:
    call = getattr(request.node, "callspec", None)
    lesson = call and call.params.get("lesson")  # another module's ``lesson`` may be something else
    large = isinstance(lesson, Lesson) and ("lab.cluster(" in lesson.text or "lab.secured(" in lesson.text)
    if large and "lab_env" in request.fixturenames:
        with cluster_lock():
            yield
    else:
        yield
