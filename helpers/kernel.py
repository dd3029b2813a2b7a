"""What a notebook shows when a cell fails: one sentence if a broker is away, else the lines that learners wrote."""

from __future__ import annotations

import signal
import sys
import threading
import time
from asyncio import CancelledError
from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

from helpers.errors import LessonError

# How often to look at the brokers while a cell runs, in seconds, and after how many looks in vain it ends.
_LOOK_EVERY = 3.0
_PATIENCE = 4
# A broker that is gone refuses a connection at once. A probe that ran into its timeout may mean a busy machine.
_AT_ONCE = 1.5


class _Kernel:
    """The hooks of this process's IPython. ``look`` raises a ``LessonError`` if a broker is away."""

    look: Callable[[], object]
    done = threading.Event()

    def before(self, _info: object) -> None:
        self.done = threading.Event()
        threading.Thread(target=self.watch, args=(self.done,), daemon=True).start()

    def watch(self, done: threading.Event) -> None:
        times = 0
        while times < _PATIENCE and not done.wait(_LOOK_EVERY):
            began = time.monotonic()
            times = times + 1 if self.away() and time.monotonic() - began < _AT_ONCE else 0
        if not done.is_set():  # waits of a client may be much longer
            if hasattr(signal, "pthread_kill"):  # only a signal to its own thread ends a system call
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            else:  # Windows
                signal.raise_signal(signal.SIGINT)

    def after(self, _result: object) -> None:
        self.done.set()

    def on_error(self, shell: Any, kind: type, error: Exception, trace: TracebackType, tb_offset: int = 0) -> None:  # noqa: ANN401 - IPython has no types
        if not isinstance(error, SyntaxError) and not getattr(error, "remedy", ""):
            if away := self.away():
                kind, error = type(away), away
            else:
                _cut(error, trace)
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)

    def away(self) -> LessonError | None:
        try:
            self.look()
        except LessonError as error:
            return error
        return None


_kernel = _Kernel()


def ipython() -> Any:  # noqa: ANN401 - it has no types
    """Return the IPython that runs this program, or None."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module else None


def explain_errors(look: Callable[[], object]) -> None:
    """Show errors so from now on, if IPython runs this program.

    ``look`` raises a ``LessonError`` if a broker is away. That is shown in place of what a client raised, which knows
    only that it got no answer: ``Empty``, ``KafkaException``, ``ConnectionRefusedError``, ``AssertionError``. A cell
    that goes on waiting while a broker refuses connections is interrupted.
    """
    if shell := ipython():
        _kernel.look = look
        shell.set_custom_exc((Exception, KeyboardInterrupt, CancelledError), _kernel.on_error)
        shell.events.register("pre_run_cell", _kernel.before)
        shell.events.register("post_run_cell", _kernel.after)


def _cut(error: Exception, trace: TracebackType) -> None:
    """Cut the frames of installed packages from a traceback's end, and the errors that led to one raised there."""
    kept, each = None, cast("TracebackType | None", trace)
    while each is not None:
        if each.tb_frame.f_globals.get("__name__", "").split(".")[0] in {"__main__", "helpers"}:
            kept = each
        each = each.tb_next
    if kept is not None and kept.tb_next is not None:
        kept.tb_next, error.__cause__, error.__suppress_context__ = None, None, True
