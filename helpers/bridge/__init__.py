"""The bridge from MQTT to Kafka that loses nothing, and the one that brings commands back.

In Python, on a thread of its own; leaving the block drains::

    from helpers.bridge import Bridge, BridgeConfig
    from helpers.topics import Template

    config = BridgeConfig(
        mqtt=here.mqtt,  # host, port, username, password, tls
        kafka={**here.kafka},  # goes to the producer
        client_id=f"{ns}bridge",  # keep it: the session is found by it
        routes=(Template(f"{ns}generators/{{device}}/readings", topic=f"{ns}readings", key="{device}"),),
        dead_letter_topic=f"{ns}readings-dead",
    )
    with Bridge(config) as bridge:
        print(bridge.snapshot().line())

In the foreground, until SIGTERM or SIGINT: ``ledger = run(config, on_snapshot=print)``. The other way: the same with a
``CommandsConfig``. Both Kafka topics must exist. What cannot go on raises ``BridgeError``: at the start, or on leaving.

Inside: ``config`` (what is safe), ``loop`` (try again, report), ``connection`` (one socket), ``reader`` (bytes to
packets), ``engine`` (read, produce, acknowledge), ``acks`` (which PUBACKs are due), ``sink`` (Kafka), ``serialize`` and
``records`` (what is written), ``ledger`` (what is counted), ``commands`` (the way back).
"""

from helpers.bridge.bridge import Bridge, run
from helpers.bridge.config import BridgeConfig, BridgeError, CommandsConfig
from helpers.bridge.counts import Counts, Snapshot

__all__ = ["Bridge", "BridgeConfig", "BridgeError", "CommandsConfig", "Counts", "Snapshot", "run"]
