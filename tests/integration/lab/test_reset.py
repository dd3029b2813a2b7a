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
from helpers.lab import reset
from helpers.lab.errors import LabError
from helpers.lab.runtime import ports
from helpers.lab.services import http, kafka, mqtt
from helpers.lab.services.base import MaskedConfig, Names
from helpers.lab.services.influxdb import INFLUXDB
from helpers.lab.services.kafka import KAFKA
from helpers.lab.services.mqtt import MQTT
from helpers.lab.services.registry import REGISTRY, RegistryEndpoint
from tests.integration.lab.conftest import run_lab


def test_a_reset_drops_a_lessons_measurements(lab_env: dict[str, str], here: Any, unique: Callable[[str], str]) -> None:
    if here.influxdb is None:
        pytest.skip("InfluxDB is not installed")
    server, (me, other) = here.influxdb, (unique(each).replace("-", "") for each in "no")
    query = urlencode({"q": f'CREATE DATABASE "{server.database}"'})
    http.request(f"{server.url}/query?{query}", server.conf, method="POST", timeout=20)
    points = "".join(f"{name} fuel=1\n" for name in (f"{me}-alarms-readings", f"{me}-mine", f"{other}-alarms-readings"))
    write = urllib.request.Request(f"{server.url}/write?db={server.database}", data=points.encode())  # noqa: S310
    urllib.request.urlopen(write, timeout=20).close()  # noqa: S310

    env = {**lab_env, "LAB_NAMESPACE": me}
    assert "1 measurement" in run_lab(env, "reset", "--lesson", "alarms").stdout
    assert "nothing to delete" in run_lab(env, "reset", "--lesson", "alarms").stdout
    # What no lesson owns, and what is another learner's, is still there to be dropped.
    names = Names(owned=lambda name: name.startswith((f"{me}-", f"{other}-")))
    assert INFLUXDB.reset(server, names) == {"measurements": 2}


def test_a_retained_message_is_found_on_a_word_and_below_it(here: Any, unique: Callable[[str], str]) -> None:
    ns = f"{unique('n').replace('-', '')}-"
    mine, theirs = (f"{ns}generators", f"{ns}generators/G-001/state"), f"{ns}others/state"
    client = mqtt.client(here.mqtt, f"{ns}maker")
    with mqtt.connected(client, here.mqtt):
        for topic in (*mine, theirs):
            client.publish(topic, b"on", qos=1, retain=True).wait_for_publish(20)
    mine = reset.names(ns, lessons.find("02"), alone=False)
    assert f"{ns}generators/#" in mine.filters
    assert MQTT.reset(here.mqtt, mine)["retained messages"] == 2
    others = Names(owned=lambda name: name == theirs, filters=[f"{ns}others/#"])
    assert MQTT.reset(here.mqtt, others)["retained messages"] == 1


def test_a_registry_that_refuses_is_named() -> None:
    class Closed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403, "not yours")

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        conf = MaskedConfig({"url": f"http://127.0.0.1:{server.server_port}"})
        with pytest.raises(LabError, match="registry did not delete"):
            REGISTRY.reset(RegistryEndpoint(conf=conf, provider="test"), Names(owned=lambda _: True))
        server.shutdown()


def test_a_subject_that_another_program_deleted_is_gone_too() -> None:
    class Racing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, b'["gone-value"]')

        def do_DELETE(self) -> None:
            self.answer(404, b'{"error_code": 40404, "message": "deleted"}')

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Racing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        conf = MaskedConfig({"url": f"http://127.0.0.1:{server.server_port}"})
        REGISTRY.reset(RegistryEndpoint(conf=conf, provider="test"), Names(owned=lambda _: True))
        server.shutdown()


def test_a_kafka_that_went_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_TIMEOUT", 0.5)
    with pytest.raises(LabError, match="Kafka did not list"):
        KAFKA.reset(KAFKA.local(ports.any_free(), "test"), Names(owned=lambda _: True))
