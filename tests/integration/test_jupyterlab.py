"""JupyterLab on a port that another server took at the same moment."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from helpers import lessons
from helpers.cli import notebooks
from helpers.lab.errors import LabError
from helpers.lab.runtime import ports
from helpers.lab.settings import Settings


class Stranger(BaseHTTPRequestHandler):
    """Another JupyterLab: it answers what needs no token, and refuses ours."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api" else 403)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_the_answer_of_another_server_is_not_taken_for_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(ports, "next_free", lambda *_, **__: server.server_port)
        settings = Settings.from_environment({"LAB_HOME": str(tmp_path)})
        with (
            pytest.raises(LabError, match="JupyterLab did not start"),
            notebooks.jupyterlab(settings, lessons.find("00")),
        ):
            pytest.fail("that was not our JupyterLab")
        server.shutdown()
