"""What a bridge or a proxy counts, and how it is at one moment: for people and for tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


def seldom(words: str) -> int:
    """Return a count that a line for people shows when it is not zero, in these words."""
    return field(default=0, metadata={"words": words})


@dataclass(kw_only=True, slots=True)
class Counts:
    """Messages since the start.

    ``received`` at QoS 1; ``received_qos0`` at QoS 0, of which ``dropped_qos0`` found no room. ``redelivered``: DUP=1.
    ``produced`` and ``dead_lettered``: stored, by Kafka's delivery reports; ``truncated`` of the dead letters were too
    large for Kafka and lost a part of their body. ``acked``: PUBACKs sent.
    """

    received: int = 0
    received_qos0: int = 0
    dropped_qos0: int = seldom("dropped at QoS 0")
    redelivered: int = 0
    produced: int = 0
    dead_lettered: int = 0
    truncated: int = seldom("truncated")
    acked: int = 0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A bridge or a proxy at one moment; the last one is its ledger.

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
        ]
        found = ((getattr(counts, each.name), each.metadata.get("words")) for each in fields(counts))
        parts += [f"{count:,} {words.upper()}" for count, words in found if count and words]
        if self.stalled:
            parts.append(f"STALLED: {self.last_error or f'no answer for {self.oldest_unacked:.0f} s'}")
        return " · ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return everything by name, the counts among the rest: a row for a table."""
        row = asdict(self)
        return {**row.pop("counts"), **row}
