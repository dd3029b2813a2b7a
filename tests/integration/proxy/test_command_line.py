"""``lab proxy`` as one types it: it drains, it is killed, and nothing that was acknowledged is missing."""

from __future__ import annotations

import json
import re
import signal
import sys
import urllib.request
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers.lab.runtime import ports
from tests.integration.bridge.support import Devices
from tests.integration.bridge.test_command_line import Command
from tests.integration.proxy.support import Bench
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="by design: signals are a POSIX idea")


@pytest.fixture
def env(bench: Bench, lab_env: dict[str, str]) -> dict[str, str]:
    """The bench's Kafka as a given one; the rest is the tests' lab's."""
    given = {"LAB_KAFKA_PROVIDER": "", "LAB_KAFKA_BOOTSTRAP_SERVERS": bench.kafka.kafka["bootstrap.servers"]}
    return {**lab_env, **given, "LAB_NAMESPACE": bench.name}


def test_a_proxy_is_killed_and_another_one_drains(bench: Bench, env: dict[str, str]) -> None:
    port = ports.any_free()
    arguments = ["proxy", "--port", str(port), "--from", "x/{device}/readings", "--to", "readings", "--make-topics"]
    address = SimpleNamespace(host="127.0.0.1", port=port, username=None, password=None, tls=None)
    with Command(env, *arguments) as proxy:
        wait_until(lambda: "carrying" in proxy.said, "the proxy listens")
        devices = Devices(address, f"{bench.name}-x")
        devices.publish(5_000)
        proxy.end(signal.SIGKILL)
    with Command(env, *arguments, "--json", "--metrics", "0") as proxy:
        devices.settle()
        devices.publish(100)
        devices.settle()
        (url,) = re.findall(r"http://\S+/metrics", proxy.said)
        wait_until(lambda: metrics(url)["proxy_acked_total"] >= 100, "the count of what is acknowledged grows")
        wait_until(lambda: metrics(url)["proxy_connections"] == 1, "the device is connected")
        devices.close()
        assert proxy.end(signal.SIGTERM) == 0, proxy.said
    (line,) = [line for line in proxy.said.splitlines() if line.startswith("{")]
    ledger = json.loads(line)
    assert ledger["state"] == "ended"
    # A device that lost its connection in between sent some again: these were received twice and acknowledged once.
    assert ledger["received"] >= ledger["acked"] >= 100
    assert bench.result(devices).missing == []


def metrics(url: str) -> dict[str, float]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {sample.name: sample.value for each in families for sample in each.samples}


def test_a_proxy_without_its_topics_says_what_to_do(env: dict[str, str]) -> None:
    proxy = Command(env, "proxy", "--to", "nowhere").start()
    assert proxy.wait() == 1
    assert "create it first" in proxy.said, proxy.said
    assert "Traceback" not in proxy.said
