"""How a long action tells what it does: text, and a bar for what takes more than two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

_UNWRAPPED = 200


def screen() -> Console:
    """Return where to print. A terminal wraps lines; a file or a pipe, where somebody may search them, does not."""
    console = Console(highlight=False)
    return console if console.is_terminal or console.is_jupyter else Console(highlight=False, width=_UNWRAPPED)


class Reporter(Protocol):
    """What the lab's functions call while they work; they never print."""

    def say(self, text: str) -> None:
        """Tell the user one thing."""

    def bar(self, title: str, *, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show a bar of ``total`` bytes; the context gives the function to advance it."""


class Silent:
    """A reporter for tests and for callers that want only the result."""

    def say(self, text: str) -> None:
        """Say nothing."""

    @contextmanager
    def bar(self, title: str, *, total: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Show nothing."""
        yield lambda _bytes: None


class OnScreen:
    """A reporter for terminals and notebooks."""

    def __init__(self) -> None:
        self._console = screen()

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, *, total: int) -> Iterator[Callable[[int], None]]:
        """Draw a bar that counts bytes."""
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(title, total=total)
            yield lambda count: progress.advance(task, count)
