"""What is counted, and what a snapshot of it shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(kw_only=True, slots=True)
class Counts:
    """Messages since the start.

    ``received`` at QoS 1; ``received_qos0`` at QoS 0, of which ``dropped_qos0`` found no room. ``redelivered``: DUP=1.
    ``produced`` and ``dead_lettered``: stored, by Kafka's delivery reports; ``truncated`` of the dead letters were too
    large for Kafka and lost a part of their body. ``acked``: PUBACKs sent. ``looped``: came from Kafka, and were not
    sent back there. ``missing``: sequence numbers that have not come. ``broker_dropped``: dropped by Mosquitto
    for any of its clients, by its own count. ``sessions_lost``: reconnects at which the broker had no session, so that
    messages may be missing.

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
            "sessions lost": counts.sessions_lost,
            "missing": counts.missing,
            "dropped at QoS 0": counts.dropped_qos0,
            "dropped by the MQTT broker": counts.broker_dropped,
            "expired": counts.expired,
            "unheard": counts.unheard,
        }
        parts += [f"{count:,} {name.upper()}" for name, count in alarms.items() if count]
        if self.stalled:
            parts.append(f"STALLED: {self.last_error}")
        return " · ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return everything by name, the counts among the rest: a row for a table."""
        row = asdict(self)
        return {**row.pop("counts"), **row}
