"""Messages, progress bars and tables."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


def screen() -> Console:
    """Return where to print. Lines are wrapped on a terminal, and not in a file or a pipe, which may be searched."""
    console = Console(highlight=False)
    return console if console.is_terminal or console.is_jupyter else Console(highlight=False, width=200)


def html_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table for a notebook, its text escaped."""

    def line(tag: str, cells: Iterable[str]) -> str:
        return "".join(f"<{tag} style='text-align:left'>{html.escape(cell)}</{tag}>" for cell in cells)

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{line('th', head)}</tr></thead><tbody>{body}</tbody></table>"


class Reporter:
    """What the lab's functions report to while they work; they do not print. This one shows nothing."""

    def say(self, text: str) -> None:
        """Show one message."""

    @contextmanager
    def bar(self, title: str, *, total: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Show a bar of ``total`` bytes; the context gives the function to advance it."""
        yield lambda _bytes: None


class OnScreen(Reporter):
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
