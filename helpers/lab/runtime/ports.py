"""TCP ports, by default on the loopback interface: which are free, and which program holds the others."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Collection

import psutil

LOOPBACK = "127.0.0.1"
_TRIES = 200
# Below those that Linux (from 32768), macOS and Windows (from 49152) give to connections that go out: one of those may
# be gone before the server that it was meant for has started, or while that is stopped for a moment.
_FOR_SERVERS = range(15_000, 32_768)
_given: set[int] = set()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        # Without it a port whose last connection just closed looks taken for a minute; the brokers set it too. On
        # Windows, where it would let two servers have one port, the other option asks what is meant here.
        probe.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR), 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return False
    return True


def any_free(host: str = LOOPBACK) -> int:
    """Return a free port, another one each time."""
    for _ in range(_TRIES):
        port = secrets.choice(_FOR_SERVERS)
        if port not in _given and is_free(port, host):
            _given.add(port)
            return port
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def next_free(port: int, *, but: set[int], host: str = LOOPBACK) -> int:
    """Return ``port`` or the first free one after it that is not in ``but``."""
    for candidate in range(port, min(port + _TRIES, 65536)):
        if candidate not in but and is_free(candidate, host):
            return candidate
    return any_free(host)


def holder(port: int) -> str:
    """Return which program listens on ``port``: ``mosquitto (pid 42)``, or what little the system tells."""
    with contextlib.suppress(psutil.Error):
        for each in psutil.net_connections(kind="tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
                return f"{psutil.Process(each.pid).name()} (pid {each.pid})"
    return "another program"


def in_use(pid: int, ports: Collection[int]) -> bool:
    """Whether another program is connected to one of the ports at which a process listens."""
    found = psutil.Process(pid).net_connections("tcp")
    own = {each.laddr.port for each in found}  # Kafka is a client of itself too
    return any(each.laddr.port in ports and each.raddr and each.raddr.port not in own for each in found)
