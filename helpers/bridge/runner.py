"""What both directions share: connect, run until something breaks, wait, try again, report."""

from __future__ import annotations

import logging
import random
import time
from abc import abstractmethod
from typing import Generic, TypeVar

from helpers.bridge.config import BridgeConfig, CommandsConfig
from helpers.bridge.connection import Connection, HungUpError, connect_packet
from helpers.bridge.counts import Counts
from helpers.errors import BridgeError
from helpers.sink.run import OnSnapshot, Run

log = logging.getLogger("helpers.bridge")

Config = TypeVar("Config", BridgeConfig, CommandsConfig)

# The user property of commands. A message that has it came from Kafka, and is not carried back there.
FROM_KAFKA = "kafka.topic"
# How long a loop sleeps at most, in seconds; and while it expects an answer that no selector sees.
SLICE, SHORT_SLICE = 0.1, 0.001
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
# Mosquitto 2.0 closes the connection of a client whose id another one takes over, and does not say why.
_HANG_UPS = 5


class Runner(Run, Generic[Config]):
    """A run of the bridge, on one thread."""

    def __init__(self, config: Config, on_snapshot: OnSnapshot | None = None, every: float = 1.0) -> None:
        super().__init__(config.client_id, config.stall_after, on_snapshot, every)
        self._config: Config = config
        self.counts: Counts = Counts()
        self._failures = 0
        self._hang_ups = 0
        self._up_since: float | None = None
        self._in_vain = False

    @abstractmethod
    def _open(self) -> bool:
        """Connect to Kafka; return False if it does not answer now."""

    @abstractmethod
    def _run_connection(self, connection: Connection) -> None:
        """Run until the connection breaks (``OSError``), the bridge must end (``BridgeError``), or ``stop`` is set."""

    def _idle(self, seconds: float) -> None:
        """Wait while there is no MQTT connection."""
        time.sleep(seconds)

    def run(self) -> None:
        """Carry until ``stop`` is set, and drain. Raises ``BridgeError`` when the bridge cannot or must not go on."""
        with self._running():
            while not self.stop.is_set() and not self._open():
                self._pause()
            self._failures = 0
            while not self.stop.is_set():
                self._connect_once()

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
        if self._lasted():
            self._note_progress()
        super()._report()
