"""What runs beside a lesson's cells: clients with a network loop, threads, relays. Each has a name and can be ended."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import suppress

_ends: dict[str, tuple[Callable[[], object], ...]] = {}


def beside(name: str, *ends: Callable[[], object]) -> None:
    """Remember how to end what runs under ``name``, after ending what ran under it before.

    So a cell that starts something can be run again. ``ends`` are called one after the other, without arguments: by
    the next ``beside`` of that name, by a lesson's first cell (``lab.connect(lesson=...)``), or when Python ends.
    """
    end(name)
    _ends[name] = ends


def end(*names: str) -> None:
    """End what runs under these names, or everything; what was begun last ends first. Unknown names are ignored."""
    for name in names or tuple(reversed(_ends)):
        for each in _ends.pop(name, ()):
            with suppress(Exception):  # it may have died long ago, and that must not stop what begins now
                each()


atexit.register(end)
