"""Profiles whose images have no stand-in: EMQX's bridge, and the later versions of InfluxDB."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.lab.services import mqtt
from tests.compose import traces
from tests.compose.stack import FILE, SERVICES, Stack

_WITHIN = 60


@pytest.fixture(scope="module")
def stack(new_stack: Callable[[], Stack], *, real_images: bool) -> Stack:
    if not real_images:
        pytest.skip("by design: there are no stand-ins for these images")
    stack = new_stack()
    stack.up()
    return stack


def test_compose_accepts_the_file_with_every_profile(new_stack: Callable[[], Stack]) -> None:
    read = json.loads(new_stack().compose("--profile", "*", "config", "--format", "json"))
    assert set(read["services"]) == set(SERVICES)


def test_emqx_writes_to_kafka_also_when_the_topic_was_made_again(stack: Stack) -> None:
    stack.up("emqx", profiles=["emqx"])
    kafka = traces.kafka_conf(stack.port["kafka"])
    emqx: Any = mqtt.MQTT.local(stack.port["emqx"], "compose")
    for payload in (b"first", b"again"):  # lesson 07 deletes the topic when it begins
        traces.make_topic(kafka, "bridge-emqx")
        client = mqtt.client(emqx)
        with mqtt.connected(client, emqx):
            deadline = time.monotonic() + _WITHIN
            while traces.first_record(kafka, "bridge-emqx", within=2) is None and time.monotonic() < deadline:
                client.publish("bridge/emqx/G-001", payload, qos=1).wait_for_publish(10)
        assert traces.first_record(kafka, "bridge-emqx") == payload
        traces.delete_topic(kafka, "bridge-emqx")


@pytest.mark.parametrize("name", ["influxdb2", "influxdb3"])
def test_lesson_10_runs_on_a_later_influxdb(stack: Stack, tmp_path: Path, name: str) -> None:
    stack.up(name, profiles=[name])
    env = {**stack.env, **advised(name), "LAB_HOME": str(tmp_path)}
    env["LAB_INFLUXDB_URL"] = f"http://127.0.0.1:{stack.port[name]}"
    command = [str(Path(sys.executable).with_name("lab")), "run", "10"]
    answer = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def advised(name: str) -> dict[str, str]:
    """The variables that the comment above a service says to set."""
    comment = FILE.read_text(encoding="utf-8").split(f"\n  {name}:\n")[0].splitlines()[-1]
    return dict(re.findall(r"(LAB_\w+)=(\S+)", comment))
