"""What a bridge counts."""

from __future__ import annotations

from dataclasses import dataclass

from helpers import sink
from helpers.sink.snapshot import seldom


@dataclass(kw_only=True, slots=True)
class Counts(sink.Counts):
    """What every sink counts, and what only a bridge can see.

    ``looped``: came from Kafka, and were not sent back there. ``missing``: sequence numbers that have not come.
    ``broker_dropped``: dropped by Mosquitto for any of its clients, by its own count. ``sessions_lost``: reconnects at
    which the broker had no session, so that messages may be missing.

    In the other direction ``received`` are records, ``produced`` commands sent to MQTT, ``expired`` those that were
    stale before, and ``unheard`` those for which no client had a subscription. ``left_out``: headers of commands that
    MQTT cannot hold.
    """

    looped: int = seldom("came from Kafka, not carried back")
    missing: int = seldom("missing")
    broker_dropped: int = seldom("dropped by the MQTT broker")
    reconnects: int = seldom("reconnects")
    sessions_lost: int = seldom("sessions lost")
    expired: int = seldom("expired")
    unheard: int = seldom("unheard")
    left_out: int = seldom("headers left out")
