"""Start and stop a bridge: on a thread with ``with``, or in the foreground with ``run``."""

from __future__ import annotations

import threading
import time
from typing import Self

from helpers.bridge.backward import Backward
from helpers.bridge.config import BridgeConfig, CommandsConfig
from helpers.bridge.forward import Forward
from helpers.errors import BridgeError
from helpers.sink import Snapshot
from helpers.sink.run import OnSnapshot, draining_on_signals


def make_runner(
    config: BridgeConfig | CommandsConfig, on_snapshot: OnSnapshot | None = None, every: float = 1.0
) -> Forward | Backward:
    """Return the runner for the direction of ``config``."""
    if isinstance(config, BridgeConfig):
        return Forward(config, on_snapshot, every)
    return Backward(config, on_snapshot, every)


class Bridge:
    """Carries messages on its own thread: ``with Bridge(config) as bridge: ...``.

    A ``BridgeConfig`` makes it carry from MQTT to Kafka, a ``CommandsConfig`` back.
    Entering returns when messages flow; it raises ``BridgeError`` if that is impossible, or takes longer than
    ``ready_within`` seconds. Leaving drains, and raises what ended the bridge early. Each entry begins a new count.
    While it runs, Python looks for garbage less often, in the whole process (``helpers.sink.run``).
    """

    def __init__(self, config: BridgeConfig | CommandsConfig, *, ready_within: float = 30.0) -> None:
        self.config = config
        self.error: BaseException | None = None
        self._ready_within = ready_within
        self._runner = make_runner(config)
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise BridgeError("This bridge is already running.")
        self.error = None
        self._runner = make_runner(self.config)
        self._thread = threading.Thread(target=self._run, name=f"bridge {self.config.client_id}", daemon=True)
        ends = time.monotonic() + self._ready_within
        try:
            self._thread.start()
            while not self._runner.ready.wait(0.02) and self._thread.is_alive() and time.monotonic() < ends:
                pass
        except KeyboardInterrupt:  # __exit__ is not called: the block was not entered
            self.close()
            raise
        if not self._runner.ready.is_set():
            last_error = self.snapshot().last_error
            self.close()
            raise BridgeError(f"The bridge was not ready within {self._ready_within:.0f} s: {last_error}")
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            self.close()
        except BaseException:
            if error is None:  # the error of the caller's block comes first
                raise

    def _run(self) -> None:
        try:
            self._runner.run()
        except BaseException as error:  # noqa: BLE001 - kept, and raised by close()
            self.error = error

    def close(self) -> None:
        """Drain and end; raise what ended the bridge early. May be called twice."""
        self._runner.stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self.error is not None:
            raise self.error

    def snapshot(self) -> Snapshot:
        """Return the present counts, or after the end the ledger."""
        return self._runner.snapshot()


def run(
    config: BridgeConfig | CommandsConfig, *, on_snapshot: OnSnapshot | None = None, every: float = 1.0
) -> Snapshot:
    """Carry messages in the foreground until SIGTERM or SIGINT, drain, and return the ledger.

    ``on_snapshot`` is called about every ``every`` seconds, on this thread. A second signal ends without draining. Call
    it from the main thread: only that one receives signals.
    """
    runner = make_runner(config, on_snapshot, every)
    with draining_on_signals(runner.stop):
        runner.run()
    return runner.snapshot()
