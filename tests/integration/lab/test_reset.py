"""What `lab reset` finds beyond names in Kafka: points in InfluxDB, and retained messages."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import pytest

from helpers import lessons
from helpers.errors import LabError
from helpers.lab import reset
from helpers.lab.runtime import ports
from helpers.lab.services import clients
from helpers.lab.services.endpoints import Masked
from tests.integration.lab.conftest import run_lab


def test_a_reset_drops_a_lessons_measurements(lab_env: dict[str, str], here: Any, unique: Callable[[str], str]) -> None:
    if here.influxdb is None:
        pytest.skip("InfluxDB is not installed")
    server, (me, other) = here.influxdb, (unique(each).replace("-", "") for each in "no")
    query = urlencode({"q": f'CREATE DATABASE "{server.database}"'})
    clients.http(f"{server.url}/query?{query}", server.conf, method="POST", timeout=20)
    points = "".join(
        f"{name} fuel=1\n" for name in (f"{me}-analysts-readings", f"{me}-mine", f"{other}-analysts-readings")
    )
    write = urllib.request.Request(f"{server.url}/write?db={server.database}", data=points.encode())  # noqa: S310
    urllib.request.urlopen(write, timeout=20).close()  # noqa: S310

    env = {**lab_env, "LAB_NAMESPACE": me}
    assert "1 measurement" in run_lab(env, "reset", "--lesson", "09").stdout
    assert "nothing to delete" in run_lab(env, "reset", "--lesson", "09").stdout
    # What no lesson owns, and what is another learner's, is still there to be dropped.
    assert reset.influxdb(server, lambda name: name.startswith((f"{me}-", f"{other}-"))) == {"measurements": 2}


def test_a_retained_message_is_found_on_a_word_and_below_it(here: Any, unique: Callable[[str], str]) -> None:
    ns = f"{unique('n').replace('-', '')}-"
    mine, theirs = (f"{ns}generators", f"{ns}generators/G-001/state"), f"{ns}others/state"
    client = clients.mqtt_client(here.mqtt, f"{ns}maker")
    with clients.running(client, here.mqtt):
        for topic in (*mine, theirs):
            client.publish(topic, b"on", qos=1, retain=True).wait_for_publish(20)
    owned = reset.owner(ns, lessons.find("02"), alone=False)
    assert reset.retained(here.mqtt, [f"{ns}generators/#"], owned) == {"retained messages": 2}
    assert reset.retained(here.mqtt, [f"{ns}others/#"], lambda name: name == theirs) == {"retained messages": 1}


def test_a_registry_that_refuses_is_named() -> None:
    class Closed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403, "not yours")

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(LabError, match="registry did not delete"):
            reset.registry(Masked({"url": f"http://127.0.0.1:{server.server_port}"}), lambda _: True)
        server.shutdown()


def test_a_kafka_that_went_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reset, "_TIMEOUT", 0.5)
    with pytest.raises(LabError, match="Kafka did not say"):
        reset.kafka(Masked({"bootstrap.servers": f"127.0.0.1:{ports.any_free()}"}), lambda _: True)
