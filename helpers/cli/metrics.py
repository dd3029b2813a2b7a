"""``--metrics PORT``: how a bridge or a proxy does, for Prometheus and for what watches over programs."""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, Any, Self, cast

from helpers.errors import LessonError

if TYPE_CHECKING:
    from helpers.sink import Snapshot

# It shows itself every second, and connecting takes ten seconds at most: after this time it hangs.
_SILENT = 30.0
_UNITS = {"held": "held_bytes", "oldest_unacked": "oldest_unacked_seconds"}
_GAUGES = {"connections", "in_flight", "held", "oldest_unacked", "stalled"}


class Metrics(ThreadingTCPServer):
    """Serves the latest snapshot inside its block, on this machine only: ``/metrics``, and ``/health`` (200 or 503).

    ``port`` 0 takes a free one. ``program`` begins the names of the metrics. ``url`` is the address. Raises
    ``LessonError`` if the port is taken.
    """

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would share the port with another program

    def __init__(self, port: int, program: str) -> None:
        try:
            super().__init__(("127.0.0.1", port), _Answer)
        except OSError as error:
            raise LessonError(f"Port {port} cannot be used for metrics: {error}", remedy="Choose another.") from error
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.program = program
        self.snapshot: Snapshot | None = None
        self.updated_at = 0.0

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, name="metrics", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """Ignore a client that left before it had its answer."""

    def update(self, snapshot: Snapshot) -> None:
        """Take the present snapshot."""
        self.snapshot, self.updated_at = snapshot, time.monotonic()


class _Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    timeout = 10.0  # seconds for the request to come

    def do_GET(self) -> None:
        """Answer with the latest snapshot."""
        metrics = cast("Metrics", self.server)
        snapshot, status = metrics.snapshot, 200
        if self.path not in {"/metrics", "/health"}:
            status, text = 404, "Here are /metrics and /health.\n"
        elif snapshot is None:
            status, text = 503, f"The {metrics.program} has not started yet.\n"
        elif self.path == "/metrics":
            text = exposition(snapshot, metrics.program)
        else:
            status = 503 if snapshot.stalled or time.monotonic() - metrics.updated_at > _SILENT else 200
            text = f"{snapshot.line()}\n"
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - as in the base class
        """Print nothing: the terminal belongs to the live line."""


def exposition(snapshot: Snapshot, program: str) -> str:
    """Return a snapshot in Prometheus' text format: counts as counters, what rises and falls as gauges."""
    row = snapshot.as_dict()
    lines = [f"# TYPE {program}_state gauge", f'{program}_state{{state="{row.pop("state")}"}} 1']
    del row["last_error"]
    for name, value in row.items():
        kind = "gauge" if name in _GAUGES else "counter"
        full = f"{program}_{_UNITS.get(name, name)}" + ("_total" if kind == "counter" else "")
        lines += [f"# TYPE {full} {kind}", f"{full} {float(value)}"]
    return "\n".join(lines) + "\n"
