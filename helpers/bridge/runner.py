"""What both directions share: connect, run until something breaks, wait, try again, report."""

from __future__ import annotations

import logging
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from helpers.bridge.config import BridgeConfig, CommandsConfig
from helpers.bridge.connection import Connection, HungUpError, connect_packet
from helpers.bridge.garbage import SELDOM
from helpers.bridge.snapshot import Snapshot
from helpers.errors import BridgeError
from helpers.sink import Counts

log = logging.getLogger("helpers.bridge")

OnSnapshot = Callable[[Snapshot], None]
Config = TypeVar("Config", BridgeConfig, CommandsConfig)

# The user property of commands. A message that has it came from Kafka, and is not carried back there.
FROM_KAFKA = "kafka.topic"
# How long a loop sleeps at most, in seconds; and while it expects an answer that no selector sees.
SLICE, SHORT_SLICE = 0.1, 0.001
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
# Mosquitto 2.0 closes the connection of a client whose id another one takes over, and does not say why.
_HANG_UPS = 5


class Runner(ABC, Generic[Config]):
    """Runs once, on one thread. ``ready`` is set when messages flow for the first time; set ``stop`` to end it."""

    def __init__(self, config: Config, on_snapshot: OnSnapshot | None = None, every: float = 1.0) -> None:
        self.ready = threading.Event()
        self.stop = threading.Event()
        self.state = "starting"
        self.last_error = ""
        self._config: Config = config
        self._counts = Counts()
        self._down_since: float | None = time.monotonic()
        self._failures = 0
        self._hang_ups = 0
        self._up_since: float | None = None
        self._in_vain = False
        self._unreported = False
        self._on_snapshot = on_snapshot
        self._every = every
        self._report_at = 0.0
        self._stalled = False

    @abstractmethod
    def _open(self) -> bool:
        """Connect to Kafka; return False if it does not answer now."""

    @abstractmethod
    def _run_connection(self, connection: Connection) -> None:
        """Run until the connection breaks (``OSError``), the bridge must end (``BridgeError``), or ``stop`` is set."""

    def _idle(self, seconds: float) -> None:
        """Wait while there is no MQTT connection."""
        time.sleep(seconds)

    @abstractmethod
    def _close(self) -> None:
        """Close the Kafka client."""

    @abstractmethod
    def _in_flight(self) -> tuple[int, int, float | None]:
        """Return the number of unacknowledged messages, the bytes held, and the receive time of the oldest."""

    def run(self) -> None:
        """Carry until ``stop`` is set, and drain. Raises ``BridgeError`` when the bridge cannot or must not go on."""
        with SELDOM:
            try:
                self.state = "waiting for Kafka"
                while not self.stop.is_set() and not self._open():
                    self._pause()
                self._failures = 0
                while not self.stop.is_set():
                    self._connect_once()
                self.state = "ended"
            except BaseException:
                self.state = "failed"
                raise
            finally:
                self._close()

    def _connect_once(self) -> None:
        try:
            self.state = "connecting"
            with Connection(self._config.mqtt, connect_packet(self._config)) as connection:
                self._run_connection(connection)
        except OSError as error:
            self._note_error(f"MQTT: {error}")
            log.warning("%s: %s", self._config.client_id, self.last_error)
            self._down_since = self._down_since or time.monotonic()
            # A connection that breaks at once does not count as a success.
            if self._lasted():
                self._failures = self._hang_ups = 0
            self._hang_ups = self._hang_ups + 1 if isinstance(error, HungUpError) and self._up_since else 0
            self.state, self._up_since = "connecting", None
            if self._hang_ups == _HANG_UPS:
                raise BridgeError(
                    f"The MQTT broker accepted {self._config.client_id!r} and closed the connection soon afterwards, "
                    f"{_HANG_UPS} times in a row: another client probably has the same client id.",
                    remedy="give each bridge a client id of its own; if it has one, look into the broker's log",
                ) from error
            self._pause()

    def _note_error(self, error: str) -> None:
        self.last_error = error

    def _note_ready(self, state: str = "carrying") -> None:
        """Note that messages flow. If the last connection ended without progress, this one has to show some first."""
        self.state = state
        self._up_since = time.monotonic()
        if not self._in_vain:
            self._down_since = None
        self._in_vain = True
        self.ready.set()

    def _note_progress(self) -> None:
        """Note that this connection does what it should."""
        self._in_vain, self._down_since = False, None

    def _lasted(self) -> bool:
        return self._up_since is not None and time.monotonic() - self._up_since > _LONGEST_PAUSE

    def _pause(self) -> None:
        """Wait before trying again: twice as long each time, with jitter against other clients."""
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures, 10))  # 2**1024 is too large for a float
        self._failures += 1
        ends = time.monotonic() + random.uniform(0.5, 1) * longest  # noqa: S311 - not a secret
        while time.monotonic() < ends and not self.stop.is_set():
            self._report()
            self._idle(SLICE)

    def _report(self) -> None:
        """Report, when it is time: to the caller, and to the log when the bridge stalls."""
        now = time.monotonic()
        if now < self._report_at:
            return
        self._report_at = now + self._every
        if self._lasted():
            self._note_progress()
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
                    log.warning("%s: cannot report, and goes on without: %s", self._config.client_id, error)
                self._unreported = True

    def snapshot(self) -> Snapshot:
        """Return the present counts; from any thread."""
        now = time.monotonic()
        in_flight, held, oldest = self._in_flight()
        age = 0.0 if oldest is None else now - oldest
        down = 0.0 if self._down_since is None else now - self._down_since
        return Snapshot(
            state=self.state,
            counts=replace(self._counts),
            in_flight=in_flight,
            held=held,
            oldest_unacked=age,
            stalled=max(age, down) > self._config.stall_after and self.state not in {"ended", "failed"},
            last_error=self.last_error,
        )
