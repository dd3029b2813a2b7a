"""Run a proxy in the foreground."""

from __future__ import annotations

import asyncio
import gc
import signal

from helpers.proxy.config import ProxyConfig
from helpers.proxy.server import OnSnapshot, Server
from helpers.proxy.snapshot import Snapshot

_THRESHOLD = 100_000  # objects


def run(config: ProxyConfig, *, on_snapshot: OnSnapshot | None = None, every: float = 1.0) -> Snapshot:
    """Serve clients in the foreground until SIGTERM or SIGINT, drain, and return the ledger.

    ``on_snapshot`` is called about every ``every`` seconds, on this thread. A second signal ends without draining. Call
    it from the main thread: only that one receives signals.
    """
    server, threshold = Server(config, on_snapshot, every), gc.get_threshold()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def drain(number: int, _frame: object) -> None:
        server.stop.set()
        signal.signal(number, before[signal.Signals(number)])

    gc.freeze()  # messages have no cycles, and with thousands of live ones a look for garbage is expensive
    gc.set_threshold(_THRESHOLD, *threshold[1:])
    for number in before:
        signal.signal(number, drain)
    try:
        asyncio.run(server.run())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        gc.set_threshold(*threshold)
        gc.unfreeze()
    return server.snapshot()
