"""What lesson 10 says to each version of InfluxDB: the requests of its own functions, as a server receives them.

Version 1 runs for real in the integration tests, and so does version 2 where somebody brings one. Here only the
differences are looked at: who makes the database, who is let in how, how a measurement is emptied, and how each version
says that something went wrong. What version 2 answers here was answered by 2.7.12; version 3 is as its manual has it.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from helpers.lab.services.base import Names
from helpers.lab.services.influxdb import INFLUXDB, InfluxEndpoint
from helpers.paths import ROOT
from tests.notebooks import cells


class Recorder(BaseHTTPRequestHandler):
    """Notes each request as ``(method, path, parameters, Authorization)``.

    The server says its version, refuses one method with a status, and has the same answer to every query, but for
    those that begin with a word in ``answers``.
    """

    server: Any

    def answer(self) -> None:
        url = urlsplit(self.path)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, url.path, dict(parse_qsl(url.query)), self.headers["Authorization"]))
        self.send_response(self.server.refusal if self.command == self.server.refused else 200)
        self.send_header("X-Influxdb-Version", self.server.version)
        self.end_headers()
        if url.path == "/query":
            statement = dict(parse_qsl(url.query)).get("q", "").partition(" ")[0]
            self.wfile.write(self.server.answers.get(statement, self.server.answer))

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - names that the base class prescribes

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Recorder)
    server.seen, server.version, server.refused, server.refusal = [], "1.6.7", "", 0
    server.answer, server.answers = b'{"results":[{"statement_id":0}]}\n', {}
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
    for cell in ("rows", "influx", "influx-afresh", "sink-run"):
        cells.define("10", cell, names)
    return names


def asked(server: Any) -> list[str]:
    return [parameters.get("q", "") for _, path, parameters, _ in server.seen if path == "/query"]


def test_version_1_gets_its_database_made_and_its_measurement_dropped(server: Any) -> None:
    lesson(server)["start_afresh"]("alarms-readings", "group")
    assert asked(server) == ['CREATE DATABASE "generators"', 'DROP MEASUREMENT "alarms-readings"']
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


@pytest.mark.parametrize(("version", "method"), [("1.6.7", "POST"), ("v2.7.12", "POST"), ("3.11.1", "DELETE")])
def test_a_token_that_is_refused_is_not_taken_for_an_empty_measurement(server: Any, version: str, method: str) -> None:
    server.version, server.refused, server.refusal = version, method, 401
    names = lesson(server, token="no")
    with pytest.raises(names["InfluxError"], match="401"):
        names["start_afresh"]("m", "group")


def test_an_error_in_an_answer_that_says_200_is_an_error(server: Any) -> None:
    """As version 2 answers where there is no such bucket, and version 1 to a query that it does not understand."""
    server.version = "v2.7.12"
    server.answer = b'{"results":[{"statement_id":0,"error":"default retention policy not set for: generators"}]}'
    names = lesson(server, token="t0ken")
    with pytest.raises(names["InfluxError"], match="default retention policy not set for: generators"):
        names["start_afresh"]("m", "group")


@pytest.mark.parametrize("answer", [b'{"results":[{"statement_id":0}]}', b"{}", b""])
def test_nothing_found_is_no_series(server: Any, answer: bytes) -> None:
    server.answer = answer
    assert lesson(server)["ask_influx"]("SELECT 1") == []


def test_series_come_with_their_tags_and_times_in_milliseconds(server: Any) -> None:
    series = [{"name": "m", "tags": {"kind": "hospital"}, "columns": ["time", "mean"], "values": [[1000, 80.5]]}]
    server.answer = json.dumps({"results": [{"statement_id": 0, "series": series}]}).encode()
    assert lesson(server)["ask_influx"]("SELECT 1") == series
    assert server.seen[-1][2]["epoch"] == "ms"


def test_a_reset_deletes_the_tables_of_version_3_which_drops_no_measurement(server: Any) -> None:
    rows = [["generators", "ana-alarms-readings"], ["generators", "bob-alarms-readings"]]
    series = [{"name": "measurements", "columns": ["iox::database", "name"], "values": rows}]
    server.answers = {
        "SHOW": json.dumps({"results": [{"statement_id": 0, "series": series}]}).encode(),
        "DROP": b'{"results":[{"statement_id":0,"error":"This feature is not implemented: DROP MEASUREMENT"}]}',
    }
    url = f"http://127.0.0.1:{server.server_address[1]}"
    names = Names(owned=lambda name: name.startswith("ana-"))
    assert INFLUXDB.reset(InfluxEndpoint(url=url, provider="given"), names) == {"measurements": 1}
    table = {"db": "generators", "table": "ana-alarms-readings"}
    assert [seen[2] for seen in server.seen if seen[0] == "DELETE"] == [table]


@pytest.mark.parametrize("profile", ["influxdb2", "influxdb3"])
def test_the_lesson_says_what_compose_needs(profile: str) -> None:
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"][profile]
    table = cells.source("10", "influx-text")
    [port] = [each.partition(":-")[2].partition("}")[0] for each in service["ports"]]
    assert service["profiles"] == [profile]
    assert f"`--profile {profile} up --wait`" in table
    assert f"`http://127.0.0.1:{port}`" in table
    if token := service.get("environment", {}).get("DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"):
        assert f"`{token}`" in table
