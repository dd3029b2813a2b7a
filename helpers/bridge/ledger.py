"""What a bridge counts, and what its counts prove."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

log = logging.getLogger("helpers.bridge")


@dataclass(kw_only=True, slots=True)
class Counts:
    """Messages since the start.

    ``received`` at QoS 1; ``received_qos0`` at QoS 0, of which ``dropped_qos0`` found no room. ``redelivered``: DUP=1.
    ``produced`` and ``dead_lettered``: stored, by Kafka's delivery reports; ``truncated`` of the dead letters were too
    large for Kafka and lost a part of their body. ``acked``: PUBACKs sent. ``looped``: came from Kafka, and were not
    sent back there. ``missing``: sequence numbers that never came. ``broker_dropped``: what Mosquitto says it dropped,
    for any of its clients. ``sessions_lost``: reconnects at which the broker had no session: a gap may exist.

    In the other direction ``received`` are records, ``produced`` commands sent to MQTT, ``expired`` those that were
    stale before, and ``unheard`` those for which no client had a subscription.
    """

    received: int = 0
    received_qos0: int = 0
    dropped_qos0: int = 0
    redelivered: int = 0
    produced: int = 0
    dead_lettered: int = 0
    truncated: int = 0
    acked: int = 0
    looped: int = 0
    missing: int = 0
    broker_dropped: int = 0
    reconnects: int = 0
    sessions_lost: int = 0
    expired: int = 0
    unheard: int = 0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The bridge at one moment; the last one is its ledger.

    ``in_flight``: messages received and not yet acknowledged. ``held``: bytes of messages without Kafka's report.
    ``oldest_unacked``: seconds. ``trouble``: what went wrong last; ``stalled``: it has lasted too long.
    """

    state: str
    counts: Counts
    in_flight: int
    held: int
    oldest_unacked: float
    stalled: bool
    trouble: str

    @property
    def possible_duplicates(self) -> int:
        """Messages that Kafka stored and that were not acknowledged: the MQTT broker sends them again."""
        counts = self.counts
        stored = counts.produced + counts.dead_lettered + counts.looped
        return max(0, stored - counts.received_qos0 + counts.dropped_qos0 - counts.acked)

    def line(self) -> str:
        """Return one line for a terminal."""
        counts = self.counts
        parts = [
            f"{self.state}: {counts.received + counts.received_qos0:,} received",
            f"{counts.produced:,} produced",
            f"{counts.acked:,} acked",
            f"{counts.dead_lettered:,} dead-lettered",
            f"{self.in_flight:,} in flight, the oldest {self.oldest_unacked:.1f} s",
            f"{counts.reconnects:,} reconnects",
        ]
        alarms = {
            "sessions lost": counts.sessions_lost,
            "missing": counts.missing,
            "dropped at QoS 0": counts.dropped_qos0,
            "dropped by the MQTT broker": counts.broker_dropped,
            "expired": counts.expired,
            "unheard": counts.unheard,
        }
        parts += [f"{count:,} {name.upper()}" for name, count in alarms.items() if count]
        if self.stalled:
            parts.append(f"STALLED: {self.trouble}")
        return " · ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return everything by name, the counts among the rest: a row for a table."""
        row = asdict(self)
        return {**row.pop("counts"), **row}


class Sequences:
    """Tells loss from sequence numbers: per device and boot, the highest number seen so far.

    A number that skips some says how many are missing. One that was seen, or is lower, is a repetition: at least once
    is what was promised. Remembers one pair per device, 100 to 200 bytes.
    """

    def __init__(self) -> None:
        self.missing = 0
        self._last: dict[str, tuple[str, int]] = {}

    def note(self, device: str, boot: str, number: int) -> int:
        """Note a message and return how many before it are missing. A new boot starts wherever it starts."""
        known_boot, last = self._last.get(device, ("", -1))
        if device in self._last and known_boot == boot and number <= last:
            return 0
        gap = number - last - 1 if device in self._last and known_boot == boot else 0
        self._last[device] = (boot, number)
        self.missing += gap
        return gap
