"""Someone who runs the cells of a lesson in any order, interrupts them, writes others, and notes what went wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError
from nbformat.v4 import new_code_cell

from tests.notebooks import execution
from tests.notebooks.anatomy import tags

# In a cell that awaits something, the kernel turns the first into the second; DuckDB turns it into the third, and
# confluent's producer, interrupted in a callback, into the fourth.
INTERRUPTED = (
    "KeyboardInterrupt",
    "CancelledError",
    "RuntimeError: Query interrupted",
    "SystemError: <method 'flush' of 'cimpl.Producer'",
)


# A deadline for an interrupted kernel to be ready again.
ANSWER_SECONDS = 60


class StuckKernelError(AssertionError):
    """A cell goes on after its deadline and an interrupt. The message tells the problems until then."""


class Learner:
    """Someone who runs cells of a notebook in a kernel, and notes what went wrong: ``problems``.

    ``options`` are nbclient's.
    """

    def __init__(self, notebook: Any, folder: Path, **options: Any) -> None:
        self.problems: list[str] = []
        self.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self.notebook = notebook
        self.client = NotebookClient(notebook, timeout=execution.CELL_SECONDS, allow_errors=True, **options)
        self.client.resources = {"metadata": {"path": str(folder)}}

    def kernel(self, env: Mapping[str, str]) -> AbstractAsyncContextManager[Any]:
        """The kernel that runs the cells, with the environment ``env``, while the block lasts."""
        # With this variable it would leave alone what C code writes, such as librdkafka's lines.
        env = {name: value for name, value in env.items() if name != "PYTEST_CURRENT_TEST"}
        return self.client.async_setup_kernel(env=env)  # type: ignore[no-any-return]

    async def run(self, cell: Any, occasion: str, *, must_pass: bool = True) -> float:
        """Run a cell, which must end without an error; return how long it took, in seconds.

        A check must say ✅, except when it runs again at once: it may have taken away what it looked at.
        Without ``must_pass``, the caller judges how the cell ended.
        """
        began = time.monotonic()
        await self._execute(cell, occasion)
        if not must_pass:
            return time.monotonic() - began
        self.note(cell, occasion, errors(cell))
        if "check" in tags(cell) and occasion != "run again" and not execution.shown(cell).startswith("✅"):
            self.note(cell, occasion, [execution.shown(cell)])
        return time.monotonic() - began

    def write(self, source: str) -> str:
        """Write a cell and run it, in a kernel of ``client.setup_kernel``; return the text of the value it ends in.

        It must end without an error, and write nothing to standard error.
        """
        cell = new_code_cell(source)
        self.notebook.cells.append(cell)
        self.client.execute_cell(cell, len(self.notebook.cells) - 1)
        assert errors(cell) + execution.complaints(nbformat.from_dict({"cells": [cell]})) == []
        return execution.shown(cell)

    async def interrupt(self, cell: Any, after: float) -> None:
        """Run a cell, and interrupt it after so many seconds. What an interrupt raises is fine, and nothing else."""
        run = asyncio.create_task(self._execute(cell, "interrupted"))
        await asyncio.wait({run}, timeout=after)
        if not run.done():
            await self.client.km.interrupt_kernel()
        await run
        self.note(cell, "interrupted", [each for each in errors(cell) if not each.startswith(INTERRUPTED)])

    async def _execute(self, cell: Any, occasion: str) -> None:
        try:
            await self.client.async_execute_cell(cell, self.notebook.cells.index(cell))
        except CellTimeoutError:
            self.note(cell, occasion, [f"not done after {execution.CELL_SECONDS} s"])
            await self.client.km.interrupt_kernel()
            try:
                await self.client.kc.kernel_info(reply=True, timeout=ANSWER_SECONDS)
            except TimeoutError:  # each cell to come would wait as long
                raise StuckKernelError("\n".join(self.problems)) from None

    def note(self, cell: Any, occasion: str, problems: list[str]) -> None:
        self.problems += [f"{cell.id}, {occasion}: {each}" for each in problems]


def errors(cell: Any) -> list[str]:
    """The errors that a cell ended in: the name first."""
    return [f"{each.ename}: {each.evalue}" for each in cell.outputs if each.output_type == "error"]
