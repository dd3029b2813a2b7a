"""Whether a server accepts connections."""

from __future__ import annotations

import socket


def try_ports(servers: str, timeout: float) -> None:
    """Raise ``OSError`` if none of Kafka's bootstrap servers accepts a connection.

    librdkafka would try a closed port until its timeout, and not say why.
    """
    for host, _, port in (each.rpartition(":") for each in servers.split(",")):
        try:
            return socket.create_connection((host.strip("[] "), int(port)), timeout).close()
        except OSError as error:
            refused = error
    raise refused
