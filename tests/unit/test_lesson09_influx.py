"""What lesson 09 says to each version of InfluxDB: the requests of its own functions, as a server receives them.

Version 1 runs for real in the integration tests. Here only the differences are looked at, as the versions' manuals
describe them: who makes the database, who is let in how, and how a measurement is emptied.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.notebooks import cells


class Recorder(BaseHTTPRequestHandler):
    """Notes each request as ``(method, path, parameters, Authorization)``; the server says its version and status."""

    server: Any

    def answer(self) -> None:
        url = urlsplit(self.path)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, url.path, dict(parse_qsl(url.query)), self.headers["Authorization"]))
        self.send_response(self.server.refusal if self.command == self.server.refused else 200)
        self.send_header("X-Influxdb-Version", self.server.version)
        self.end_headers()

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - names that the base class prescribes

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Recorder)
    server.seen, server.version, server.refused, server.refusal = [], "1.6.7", "", 0
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def lesson(server: Any, **credentials: str) -> dict[str, Any]:
    endpoint = {"username": None, "password": None, "token": None, "tls": None, "database": "generators", **credentials}
    url = f"http://127.0.0.1:{server.server_address[1]}"
    names: dict[str, Any] = {
        "here": SimpleNamespace(influxdb=SimpleNamespace(url=url, **endpoint)),
        "forget": lambda _group: None,
    }
    cells.define("09", "table", names)
    cells.define("09", "influx", names)
    return names


def asked(server: Any) -> list[str]:
    return [parameters.get("q", "") for _, path, parameters, _ in server.seen if path == "/query"]


def test_version_1_gets_its_database_made_and_its_measurement_dropped(server: Any) -> None:
    lesson(server)["start_afresh"]("analysts-readings", "group")
    assert asked(server) == ['CREATE DATABASE "generators"', 'DROP MEASUREMENT "analysts-readings"']
    assert all(method == "POST" for method, path, *_ in server.seen if path == "/query")
    assert all(authorization is None for *_, authorization in server.seen)


def test_version_1_with_a_password(server: Any) -> None:
    lesson(server, username="ana", password="s3cret")["start_afresh"]("m", "group")
    expected = f"Basic {base64.b64encode(b'ana:s3cret').decode()}"
    assert {authorization for *_, authorization in server.seen} == {expected}


def test_version_2_is_not_asked_to_make_a_database_and_takes_a_token(server: Any) -> None:
    server.version = "v2.7.12"
    lesson(server, token="t0ken")["start_afresh"]("m", "group")
    assert asked(server) == ['DROP MEASUREMENT "m"']
    assert {authorization for *_, authorization in server.seen} == {"Token t0ken"}
    assert all(parameters["db"] == "generators" for _, _, parameters, _ in server.seen)


@pytest.mark.parametrize("status", [200, 404])
def test_version_3_deletes_the_table_whether_there_is_one_or_not(server: Any, status: int) -> None:
    server.version, server.refused, server.refusal = "3.8.0", "DELETE", status
    lesson(server, token="t0ken")["start_afresh"]("m", "group")
    assert asked(server) == []
    assert server.seen[-1][:3] == ("DELETE", "/api/v3/configure/table", {"db": "generators", "table": "m"})


def test_a_token_that_is_refused_is_not_taken_for_an_empty_table(server: Any) -> None:
    server.version, server.refused, server.refusal = "3.8.0", "DELETE", 401
    with pytest.raises(HTTPError, match="401"):
        lesson(server, token="no")["start_afresh"]("m", "group")
