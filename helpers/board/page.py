"""The room's board as a page: who asks for a hand, who is stuck, and how far everybody is."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from helpers.board.record import Entry
from helpers.lessons import LESSONS


def server(topics: Mapping[str, Entry], host: str, port: int) -> ThreadingHTTPServer:
    """Return an HTTP server, not yet running: the board at ``/``, and with counts only, for a projector, at ``/room``.

    The page draws what ``/entries`` has at that moment: entries by topic, which may change.
    """
    lessons = [(each.slug, each.number, each.title, len(each.cells("check"))) for each in LESSONS.values()]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = "text/html; charset=utf-8", Path(__file__).with_name("page.html").read_bytes()
            if self.path == "/entries":
                entries = {topic: each._asdict() for topic, each in dict(topics).items()}
                body = json.dumps({"now": time.time(), "lessons": lessons, "entries": entries}).encode()
                kind = "application/json"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing: the page asks every second."""

    return ThreadingHTTPServer((host, port), Handler)
