"""What people see: text and bars while something takes long, tables in a notebook."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

_UNWRAPPED = 200


def screen() -> Console:
    """Return where to print. A terminal wraps lines; a file or a pipe, where somebody may search them, does not."""
    console = Console(highlight=False)
    return console if console.is_terminal or console.is_jupyter else Console(highlight=False, width=_UNWRAPPED)


def html_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table for a notebook, its text escaped."""

    def line(tag: str, cells: Iterable[str]) -> str:
        return "".join(f"<{tag} style='text-align:left'>{html.escape(cell)}</{tag}>" for cell in cells)

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{line('th', head)}</tr></thead><tbody>{body}</tbody></table>"


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
