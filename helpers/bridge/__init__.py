"""A bridge from MQTT to Kafka that loses nothing, and one that brings commands back.

In Python, on its own thread; leaving the block drains::

    from helpers.bridge import Bridge, BridgeConfig
    from helpers.topics import TopicMapping

    config = BridgeConfig(
        mqtt=here.mqtt,  # host, port, username, password, tls
        kafka={**here.kafka},  # goes to the producer
        client_id=f"{ns}bridge",  # keep it: the session is found by it
        routes=(TopicMapping(f"{ns}generators/{{device}}/readings", topic=f"{ns}readings", key="{device}"),),
        dead_letter_topic=f"{ns}readings-dead",
    )
    with Bridge(config) as bridge:
        print(bridge.snapshot().line())

In the foreground, until SIGTERM or SIGINT: ``ledger = run(config, on_snapshot=print)``. The way back is the same with a
``CommandsConfig``. The Kafka topics must exist. What cannot go on raises ``BridgeError``: at the start, or on leaving.

Inside: ``config`` (what is safe), ``runner`` (try again, report), ``connection`` (one socket), ``reader`` (bytes to
packets), ``forward`` (read, produce, acknowledge), ``acks`` (which PUBACKs are due), ``sequences``
(which messages never came), ``backward`` (Kafka to MQTT), ``replay`` (dead letters again). What becomes of a message in
Kafka is in ``helpers.sink``.
"""

from helpers.bridge.bridge import Bridge, run
from helpers.bridge.config import BridgeConfig, CommandsConfig
from helpers.bridge.counts import Counts
from helpers.errors import BridgeError
from helpers.sink import Snapshot

__all__ = ["Bridge", "BridgeConfig", "BridgeError", "CommandsConfig", "Counts", "Snapshot", "run"]
