"""A proxy that MQTT clients publish to, and that stores in Kafka: no MQTT broker in between.

In the foreground, until SIGTERM or SIGINT::

    from helpers.proxy import ProxyConfig, run
    from helpers.topics import TopicMapping

    config = ProxyConfig(
        kafka={**here.kafka},  # goes to the producer
        routes=(TopicMapping(f"{ns}generators/{{device}}/readings", topic=f"{ns}readings", key="{device}"),),
        dead_letter_topic=f"{ns}readings-dead",
        port=1885,
    )
    ledger = run(config, on_snapshot=print)

The Kafka topics must exist. A PUBACK leaves only after Kafka's delivery report, in the order of the publications. What
cannot go on raises ``BridgeError``. A client may publish and nothing else. Its last will is stored when its connection
ends without DISCONNECT, and when the proxy ends.

Inside: ``config`` (what is safe), ``server`` (listen, produce, report), ``connection`` (bytes in, answers out),
``client`` (what packets mean), ``packets`` (MQTT 5 and 3.1.1), ``access`` (who may publish where), ``counts``. What
becomes of a message in Kafka is in ``helpers.sink``.
"""

from helpers.errors import BridgeError
from helpers.proxy.config import ProxyConfig
from helpers.proxy.server import Server, run
from helpers.sink import Snapshot

__all__ = ["BridgeError", "ProxyConfig", "Server", "Snapshot", "run"]
