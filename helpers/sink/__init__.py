"""The Kafka side of a bridge: each MQTT message is produced, becomes a dead letter, or waits.

Inside: ``config`` (what is safe), ``sink`` (produce, dead-letter, retry), ``inflight`` (one message on its way),
``routes`` (which topic and key), ``serialize``, ``schema`` and ``records`` (what is written),
``cluster`` (checks at the start), ``snapshot`` (what is counted), ``run`` (a state, reports and an end).
"""

from helpers.sink.config import SinkConfig
from helpers.sink.inflight import InFlight
from helpers.sink.sink import Sink
from helpers.sink.snapshot import Counts, Snapshot

__all__ = ["Counts", "InFlight", "Sink", "SinkConfig", "Snapshot"]
