"""Clients in other languages: MQTT.js and HiveMQ's client publish at each QoS, and are refused a subscription.

Each is installed for the test: ``npm`` and a JDK must be there, and their registries must answer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import jgo
import pytest

from tests.integration.proxy.support import Bench, serving

MQTTJS, HIVEMQ = "mqtt@5.16.0", "com.hivemq:hivemq-mqtt-client:1.3.5"
CLIENTS = Path(__file__).with_name("clients")


@pytest.fixture(scope="module")
def mqttjs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("mqttjs")
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("npm is not installed")
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), MQTTJS]
    done = subprocess.run(install, capture_output=True, text=True, timeout=200, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot install {MQTTJS}: {done.stderr[-300:]}")
    return ["node", shutil.copy(CLIENTS / "publish.js", folder)]


@pytest.fixture(scope="module")
def hivemq() -> list[str]:
    if not shutil.which("javac"):
        pytest.skip("a JDK is not installed: the lab's Java has no compiler")
    try:
        jars = jgo.build(HIVEMQ).path
    except Exception as error:  # noqa: BLE001 - jgo has no common error
        pytest.skip(f"Maven cannot fetch {HIVEMQ}: {error}")
    return ["java", "-cp", os.pathsep.join(map(str, jars.rglob("*.jar"))), str(CLIENTS / "Publish.java")]


@pytest.mark.weekly
@pytest.mark.parametrize("client", ["mqttjs", "hivemq"])
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_another_client_publishes_is_stored(
    bench: Bench, client: str, version: str, request: pytest.FixtureRequest
) -> None:
    command = request.getfixturevalue(client)
    with serving(bench.proxy_config()) as server:
        arguments = [server.config.host, str(server.port), version, bench.readings("G-1")]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["refused", "unsubscribed"], done.stdout + done.stderr
    expected = [b"qos 0", b"qos 1"] + [b"qos 2"] * (version == "3.1.1")
    assert [record.value() for record in bench.found()] == expected
    counts = server.snapshot().counts
    assert (counts.connects, counts.broken, counts.denied) == (1, 0, 0)
