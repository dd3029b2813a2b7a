"""``lab proxy``: MQTT clients publish straight to Kafka."""

from __future__ import annotations

from typing import Any

import click

from helpers import lab
from helpers.cli.bridge import kafka_side, sink_settings
from helpers.cli.carry import _FILE, carry, foreground


@click.command(short_help="Let MQTT clients publish straight to Kafka.")
@kafka_side
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=1885, show_default=True, help="Port to listen on.")
@click.option("--users", type=_FILE, help="Password file, as mosquitto_passwd makes it.  [default: no passwords]")
@click.option("--allow", multiple=True, help="Topics to publish to, such as 'generators/{user}/#'. May be repeated.")
@click.option("--cert", "certfile", type=_FILE, help="PEM file with the proxy's certificate: listen with TLS.")
@click.option("--cert-key", "keyfile", type=_FILE, help="PEM file with its key.")
@click.option("--client-ca", type=_FILE, help="PEM file: clients need its certificate, with their user as common name.")
@click.option("--reuse-port", is_flag=True, help="Share the port with other proxies that have this option (Linux).")
@foreground
def proxy(*, allow: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401
    """Let MQTT clients publish straight to Kafka, at least once, until Ctrl-C or SIGTERM.

    No MQTT broker is in between: clients of MQTT 5 and 3.1.1 connect to this address, publish, and cannot subscribe. A
    message is acknowledged only when Kafka has stored it. The last line is the ledger. Exits with 1 if messages may be
    missing, and says which.

    A second client with the same client id takes over from the first. With --reuse-port Linux spreads the connections
    over several processes, and that holds within each one only.
    """
    from helpers.proxy import ProxyConfig

    here = lab.connect()
    running = {name: options.pop(name) for name in ("make_topics", "as_json", "metrics")}
    config = ProxyConfig(**sink_settings(here, options), allow=tuple(f"{here.ns}{each}" for each in allow), **options)
    carry("proxy", config, f"Port {config.port} → {config.routes[0].topic}", **running)
