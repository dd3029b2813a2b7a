"""How often Python looks for garbage while bridges run."""

from __future__ import annotations

import gc
import threading

_THRESHOLD = 100_000  # objects


class Seldom:
    """Collects garbage seldom inside its block, in the whole process; the last of several users restores what was.

    Full collections took a third of the CPU with thousands of live messages (measured), which have no cycles. So
    existing objects are frozen, and the threshold is raised.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = gc.get_threshold()
        self._frozen = False

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._before = gc.get_threshold()
                self._frozen = gc.get_freeze_count() == 0  # else someone else did, and will undo it
                if self._frozen:
                    gc.freeze()
                gc.set_threshold(_THRESHOLD, *self._before[1:])

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                gc.set_threshold(*self._before)
                if self._frozen:
                    gc.unfreeze()


SELDOM = Seldom()
