"""What a bridge counts, and what its counts prove."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

log = logging.getLogger("helpers.bridge")

_GAPS_REMEMBERED = 8


@dataclass(kw_only=True, slots=True)
class Counts:
    """Messages since the start.

    ``received`` at QoS 1; ``received_qos0`` at QoS 0, of which ``dropped_qos0`` found no room. ``redelivered``: DUP=1.
    ``produced`` and ``dead_lettered``: stored, by Kafka's delivery reports; ``truncated`` of the dead letters were too
    large for Kafka and lost a part of their body. ``acked``: PUBACKs sent. ``looped``: came from Kafka, and were not
    sent back there. ``missing``: sequence numbers that have not come. ``broker_dropped``: what Mosquitto says it
    dropped, for any of its clients. ``sessions_lost``: reconnects at which the broker had no session: a gap may exist.

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
    """Tells loss from sequence numbers, per device and boot.

    A number that skips some says how many are missing. One that was skipped may come later, if a device's client sent
    it again after others: then it is missing no more. Any other low number is a repetition: at least once is what was
    promised. Remembers the highest number of each device and its latest gaps, some 300 bytes.
    """

    def __init__(self) -> None:
        self.missing = 0
        self._seen: dict[str, _Seen] = {}

    def note(self, device: str, boot: str, number: int) -> int:
        """Note a message; return how many more are missing before it, -1 if it was missing itself, or 0.

        A new boot starts wherever it starts.
        """
        seen = self._seen.get(device)
        if seen is None or seen.boot != boot:
            self._seen[device] = _Seen(boot, number)
            return 0
        change = seen.skipped_before(number) if number > seen.last else -seen.fills(number)
        self.missing += change
        return change


class _Seen:
    """What came from one boot of one device: up to ``last``, but for the gaps."""

    __slots__ = ("boot", "gaps", "last")

    def __init__(self, boot: str, last: int) -> None:
        self.boot = boot
        self.last = last
        self.gaps: tuple[range, ...] = ()

    def skipped_before(self, number: int) -> int:
        if gap := range(self.last + 1, number):
            self.gaps = (*self.gaps, gap)[-_GAPS_REMEMBERED:]
        self.last = number
        return len(gap)

    def fills(self, number: int) -> bool:
        for gap in self.gaps:
            if number in gap:
                parts = (range(gap.start, number), range(number + 1, gap.stop))
                self.gaps = tuple(each for old in self.gaps for each in (parts if old is gap else (old,)) if each)
                return True
        return False
