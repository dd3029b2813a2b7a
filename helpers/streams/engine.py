"""How a stream-processing engine runs in a cell and still ends when the cell is interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from helpers.errors import LessonError

if find_spec("quixstreams") is None:
    raise LessonError(
        "The stream-processing engine of this lesson, quixstreams, is not installed.",
        remedy="With uv: `uv sync`. With pip: the two lines for lesson 15 under *Plain pip* in README.md.",
    )


@contextmanager
def interruptible() -> Iterator[None]:
    """Let ``app.run()`` end in a cell as other calls do: with ``KeyboardInterrupt`` if the cell is interrupted.

    The engine takes SIGINT and SIGTERM for itself, stops in good order, and keeps them.
    """
    before = {each: signal.signal(each, _interrupted) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # what the engine leaves after an interrupt
            raise KeyboardInterrupt
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt
