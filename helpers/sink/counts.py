"""What is counted."""

from __future__ import annotations

from dataclasses import dataclass


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
    stale before, and ``unheard`` those for which no client had a subscription. ``left_out``: headers of commands that
    MQTT cannot hold.
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
    left_out: int = 0
