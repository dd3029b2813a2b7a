"""What goes wrong on real machines: a slow start, a damaged file, a proxy, a broker that is killed."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers import lab
from helpers.lab import lifecycle
from helpers.lab.errors import LabError, ServiceNotReady
from helpers.lab.lifecycle import Status
from helpers.lab.runtime import artifacts
from helpers.lab.runtime.program import on_path
from helpers.lab.services.base import Service
from tests.waiting import wait_until

MQTT = ["mqtt"]


def of_mqtt(statuses: list[Status]) -> Status:
    return next(each for each in statuses if each.service.name == "mqtt")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No service answers, and the lab does not wait long, until the test calls its ``undo``."""
    monkeypatch.setattr(Service, "problem", lambda *_, **__: "no answer yet")
    for each in lifecycle.SERVICES.values():
        monkeypatch.setitem(lifecycle.SERVICES, each.name, lifecycle.replace(each, deadline=0.1))
    return monkeypatch


def test_a_process_that_is_slow_to_start_is_waited_for_again(own: lab.Settings, silent: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServiceNotReady, match="run `lab up` again"):
        lab.up(own, only=MQTT)
    first = of_mqtt(lab.status(own, only=MQTT)).pid
    with pytest.raises(ServiceNotReady):
        lab.up(own, only=MQTT)
    silent.undo()
    now = of_mqtt(lab.up(own, only=MQTT))
    assert now.ready
    assert now.pid == first


def test_a_scratch_broker_that_is_slow_says_to_run_the_cell_again(silent: pytest.MonkeyPatch) -> None:
    broker = lab.scratch("mqtt")
    with pytest.raises(ServiceNotReady, match="run this cell again"):
        broker.start()
    silent.undo()
    broker.start().close()


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A cache in which one jar of Artemis is damaged, at its right size. Return the jar, and the real cache."""
    cache, real = tmp_path / "cache", lab.Settings.from_environment().cache
    wanted = artifacts.listed("artemis")
    artifacts.copy(wanted, real, cache)
    monkeypatch.setenv("LAB_CACHE", str(cache))
    path = next(each.path(cache) for each in wanted if each.name == "artemis-server")
    path.write_bytes(bytes(path.stat().st_size))
    assert artifacts.missing(wanted, cache) == []
    return path, real


def test_a_damaged_jar_is_named_and_replaced(damaged: tuple[Path, Path]) -> None:
    jar, real = damaged
    cache = jar.parents[2]
    (whole,) = (each for each in artifacts.listed("artemis") if each.path(cache) == jar)
    with pytest.raises(LabError, match=rf"{re.escape(jar.name)} had been damaged") as raised:
        lab.scratch("mqtt", provider="artemis").start()
    assert "Run this cell again" in raised.value.remedy
    assert artifacts.missing(artifacts.listed("artemis"), cache) == [whole]
    # The next start would download it; here it comes from the cache of all tests.
    artifacts.copy([whole], real, cache)
    with lab.scratch("mqtt", provider="artemis") as broker:
        assert broker.mqtt.port


PROXIED = """
from confluent_kafka.schema_registry import SchemaRegistryClient
from helpers import lab
here = lab.connect()
print(SchemaRegistryClient(here.registry).get_subjects())
"""


@pytest.mark.parametrize("own_list", ["", "example.org", "127.0.0.1"])
def test_a_proxy_is_never_asked_for_this_machine(
    own_list: str, lab_env: dict[str, str], command: Callable[..., Any]
) -> None:
    nowhere = "http://127.0.0.1:9"
    env = {**lab_env, "http_proxy": nowhere, "https_proxy": nowhere, "no_proxy": own_list}
    examined = command(env, "doctor")
    assert examined.returncode == 0, examined.stdout + examined.stderr
    # As lesson 05 does in its kernel.
    lesson = subprocess.run(
        [sys.executable, "-c", PROXIED], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert lesson.returncode == 0, lesson.stderr


def test_a_mosquitto_that_is_killed_keeps_what_it_wrote_seconds_ago(unique: Callable[[str], str]) -> None:
    if not on_path("mosquitto"):
        pytest.skip("Mosquitto is not installed")
    topic, name, sent = unique("kept"), unique("away"), 5000
    session = Properties(PacketTypes.CONNECT)
    session.SessionExpiryInterval = 3600
    arrived: list[int] = []
    with lab.scratch("mqtt", provider="mosquitto") as broker:

        def connected(client_id: str, *, clean: bool) -> tuple[mqtt.Client, list[Any]]:
            client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
            flags: list[Any] = []
            client.on_connect = lambda *args: flags.append(args[2])
            client.on_message = lambda _client, _data, message: arrived.append(int(message.payload))
            client.max_queued_messages_set(0)
            client.connect(broker.mqtt.host, broker.mqtt.port, clean_start=clean, properties=session)
            client.loop_start()
            return client, flags

        away, flags = connected(name, clean=False)  # Mosquitto 2.0.11 forgets sessions that began clean
        wait_until(lambda: bool(flags))
        granted: list[int] = []
        away.on_subscribe = lambda *_: granted.append(1)
        away.subscribe(topic, qos=1)
        wait_until(lambda: bool(granted))
        away.disconnect()
        away.loop_stop()
        publisher, _ = connected(unique("publisher"), clean=True)
        for each in [publisher.publish(topic, b"%100d" % number, qos=1) for number in range(sent)]:
            each.wait_for_publish(60)
        publisher.disconnect()
        publisher.loop_stop()
        acknowledged = time.time()
        written = broker.log.parent / "data" / "mosquitto.db"
        wait_until(lambda: written.exists() and written.stat().st_mtime > acknowledged)
        broker.kill()
        broker.start()
        back, flags = connected(name, clean=False)
        wait_until(lambda: bool(flags))
        assert flags[0].session_present
        wait_until(lambda: sorted(arrived) == list(range(sent)))
        back.disconnect()
        back.loop_stop()
