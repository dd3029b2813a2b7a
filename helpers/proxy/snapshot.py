"""What the proxy counts, and how it does at one moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from helpers.sink import Counts

_SELDOM = ("redelivered", "wills", "taken_over", "refused", "broken", "denied", "truncated", "dropped_qos0")


@dataclass(kw_only=True, slots=True)
class ProxyCounts(Counts):
    """What every sink counts, and clients since the start.

    ``connects``: accepted, of which ``taken_over`` ended an earlier connection with the same client id. ``refused``:
    not accepted. ``broken``: connections that ended because of what the client sent, or did not send. ``denied``:
    messages on topics that their client may not publish to. ``wills``: last wills produced.
    """

    connects: int = 0
    refused: int = 0
    taken_over: int = 0
    broken: int = 0
    denied: int = 0
    wills: int = 0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The proxy at one moment; the last one is its ledger.

    ``connections``: open now. ``in_flight``: messages received, without Kafka's report. ``held``: bytes of them.
    ``oldest_unacked``: seconds. ``last_error``: what went wrong last; ``stalled``: no progress for too long.
    """

    state: str
    counts: ProxyCounts
    connections: int
    in_flight: int
    held: int
    oldest_unacked: float
    stalled: bool
    last_error: str

    def line(self) -> str:
        """Return one line for a terminal."""
        counts = self.counts
        text = (
            f"{self.state}: {self.connections:,} connections · {counts.received + counts.received_qos0:,} received"
            f" · {counts.produced:,} produced · {counts.acked:,} acked · {counts.dead_lettered:,} dead-lettered"
            f" · {self.in_flight:,} in flight, the oldest {self.oldest_unacked:.1f} s"
        )
        for name in _SELDOM:
            if count := getattr(counts, name):
                text += f" · {count:,} {name.upper().replace('_', ' ')}"
        return text + (f" · STALLED: {self.last_error or 'no answer from Kafka'}" if self.stalled else "")

    def as_dict(self) -> dict[str, Any]:
        """Return everything by name, the counts among the rest: a row for a table."""
        row = asdict(self)
        return {**row.pop("counts"), **row}
