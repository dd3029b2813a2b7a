"""A bridge at one moment, for people and for tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from helpers.sink import Counts


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The bridge at one moment; the last one is its ledger.

    ``in_flight``: messages received and not yet acknowledged. ``held``: bytes of messages without Kafka's report.
    ``oldest_unacked``: seconds. ``last_error``: what went wrong last; ``stalled``: no progress for too long.
    """

    state: str
    counts: Counts
    in_flight: int
    held: int
    oldest_unacked: float
    stalled: bool
    last_error: str

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
            "truncated": counts.truncated,
            "came from Kafka, not carried back": counts.looped,
            "sessions lost": counts.sessions_lost,
            "missing": counts.missing,
            "dropped at QoS 0": counts.dropped_qos0,
            "dropped by the MQTT broker": counts.broker_dropped,
            "expired": counts.expired,
            "unheard": counts.unheard,
            "headers left out": counts.left_out,
        }
        parts += [f"{count:,} {name.upper()}" for name, count in alarms.items() if count]
        if self.stalled:
            reason = self.last_error or f"no answer for {self.oldest_unacked:.0f} s"
            parts.append(f"STALLED: {reason}")
        return " · ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return everything by name, the counts among the rest: a row for a table."""
        row = asdict(self)
        return {**row.pop("counts"), **row}
