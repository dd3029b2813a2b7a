"""Containers may go; what they stored stays, until somebody wipes it."""

from __future__ import annotations

from collections.abc import Callable

from helpers.lab.services.table import SERVICES
from tests.compose import traces
from tests.compose.stack import Stack


def test_down_keeps_the_data_and_down_with_volumes_wipes_it(
    new_stack: Callable[[], Stack], unique: Callable[[str], str]
) -> None:
    stack, word = new_stack(), unique("traces")
    stack.up()
    traces.leave(stack.port, word)
    assert traces.found(stack.port, word) == set(SERVICES)

    stack.down()
    stack.up()
    assert traces.found(stack.port, word) == set(SERVICES)

    stack.down(wipe=True)
    stack.up()
    assert traces.found(stack.port, word) == set()
    stack.down(wipe=True)
