"""What a bridge and a proxy share as programs: a state, reports, and an orderly end."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from helpers.sink.snapshot import Counts, Snapshot

log = logging.getLogger("helpers.sink")

OnSnapshot = Callable[[Snapshot], None]

_COLLECT_AFTER = 100_000  # objects
_lock = threading.Lock()
_before: list[tuple[tuple[int, int, int], int]] = []  # threshold and number of frozen objects before each run


@contextmanager
def little_garbage() -> Iterator[None]:
    """Collect garbage seldom inside the block, in the whole process; the last of several restores what was.

    Full collections took a third of the CPU with thousands of live messages (measured), which have no cycles. So
    existing objects are frozen, and the threshold is raised.
    """
    with _lock:
        _before.append((gc.get_threshold(), gc.get_freeze_count()))
        if not gc.get_freeze_count():  # else another one did, and will undo it
            gc.freeze()
        gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
    try:
        yield
    finally:
        with _lock:
            threshold, frozen = _before.pop()  # not this run's own, perhaps: the last one to end takes the first
            gc.set_threshold(*threshold)
            if not frozen:
                gc.unfreeze()


@contextmanager
def draining_on_signals(stop: threading.Event) -> Iterator[None]:
    """Set ``stop`` at SIGTERM or SIGINT inside the block; a second one does what it did before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def drain(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, drain)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Run(ABC):
    """Runs once. ``ready`` is set when messages flow for the first time; set ``stop`` to end it.

    ``name`` is for the log. ``stall_after``: seconds without progress. ``on_snapshot`` is called about every ``every``
    seconds, on the thread of the run.
    """

    counts: Counts

    def __init__(self, name: str, stall_after: float, on_snapshot: OnSnapshot | None, every: float) -> None:
        self.ready, self.stop = threading.Event(), threading.Event()
        self.state, self.last_error = "starting", ""
        self._name, self._stall_after, self._on_snapshot, self._every = name, stall_after, on_snapshot, every
        self._down_since: float | None = time.monotonic()
        self._report_at = 0.0
        self._stalled = self._unreported = False

    @abstractmethod
    def _in_flight(self) -> tuple[int, int, float | None]:
        """Return the number of unacknowledged messages, the bytes held, and the receive time of the oldest."""

    @abstractmethod
    def _close(self) -> None:
        """Close what is open."""

    def snapshot(self) -> Snapshot:
        """Return the present counts, or after the end the ledger; from any thread."""
        now = time.monotonic()
        in_flight, held, oldest = self._in_flight()
        age = 0.0 if oldest is None else now - oldest
        down = 0.0 if self._down_since is None else now - self._down_since
        return Snapshot(
            state=self.state,
            counts=replace(self.counts),
            in_flight=in_flight,
            held=held,
            oldest_unacked=age,
            stalled=max(age, down) > self._stall_after and self.state not in {"ended", "failed"},
            last_error=self.last_error,
        )

    @contextmanager
    def _running(self) -> Iterator[None]:
        with little_garbage():
            try:
                self.state = "waiting for Kafka"
                yield
                self.state = "ended"
            except BaseException:
                self.state = "failed"
                raise
            finally:
                self._close()

    def _note_error(self, error: str) -> None:
        self.last_error = error

    def _report(self) -> None:
        """Report, when it is time: to the caller, and to the log when the run stalls."""
        now = time.monotonic()
        if now < self._report_at:
            return
        self._report_at = now + self._every
        snapshot = self.snapshot()
        if snapshot.stalled and not self._stalled:
            log.warning("%s", snapshot.line())
        self._stalled = snapshot.stalled
        if self._on_snapshot is not None:
            try:
                self._on_snapshot(snapshot)
                self._unreported = False
            except (OSError, SystemExit) as error:  # a full disk, a closed pipe (rich exits): carrying goes on
                if not self._unreported:
                    log.warning("%s: cannot report, and goes on without: %s", self._name, error)
                self._unreported = True
