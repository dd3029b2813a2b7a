"""Waiting for a condition: with a generous deadline, since a busy machine is slow and not wrong."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 90.0


def wait_until(condition: Callable[[], object], what: str = "the condition", timeout: float = PATIENCE) -> None:
    """Wait for ``condition``; fail by saying ``what`` did not come about."""
    ends = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < ends, f"{what}: not within {timeout:.0f} s"
        time.sleep(0.01)
