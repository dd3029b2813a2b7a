"""What ``lab bridge`` takes for losses, and what it makes of its options."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from helpers.bridge import Counts
from helpers.cli.bridge import bridge
from helpers.cli.carry import losses, mqtt_address
from helpers.cli.topics import make_topics
from helpers.errors import LessonError
from helpers.lab.runtime import ports
from helpers.lab.services.mqtt import MqttEndpoint
from helpers.proxy.counts import Counts as ProxyCounts


@pytest.mark.parametrize("name", ["missing", "sessions_lost", "broker_dropped", "dropped_qos0", "truncated", "unheard"])
def test_whatever_may_be_missing_is_a_loss(name: str) -> None:
    [what] = losses(Counts(**{name: 3, "received": 9}))
    assert what.startswith("3 ")


def test_a_loss_comes_with_what_helps_against_it() -> None:
    lost = losses(ProxyCounts(dropped_qos0=1, truncated=2))
    assert list(lost) == ["1 dropped at QoS 0", "2 dead letters that were cut to fit"]
    assert "MQTT broker" not in "".join(lost.values())  # a proxy has none
    assert "QoS 1" in lost["1 dropped at QoS 0"]
    assert "max.message.bytes" in lost["2 dead letters that were cut to fit"]


def test_what_is_late_or_waits_is_not_lost() -> None:
    assert losses(Counts(received=9, redelivered=1, reconnects=2, dead_lettered=1, looped=1, expired=1)) == {}
    assert losses(Counts(unheard=3), retained=True) == {}


def test_topics_that_kafka_does_not_make_are_named_with_a_remedy() -> None:
    with pytest.raises(LessonError, match="did not make readings, readings-dead: ") as caught:
        make_topics(
            {"bootstrap.servers": f"127.0.0.1:{ports.any_free()}"}, ("readings", "readings-dead"), 6, within=0.1
        )
    assert "leave out --make-topics" in caught.value.remedy


def test_an_option_before_the_way_back_is_not_ignored() -> None:
    answer = CliRunner().invoke(bridge, ["--to", "x", "--json", "back"])
    assert answer.exit_code == 2
    assert "--to, --json must come after 'back'" in answer.output


@pytest.mark.parametrize(
    ("before", "options", "after"),
    [
        (None, {}, None),
        (None, {"tls": True}, {}),
        (None, {"ca_certs": "ca.pem"}, {"ca_certs": "ca.pem"}),
        ({"ca_certs": "a"}, {"certfile": "c", "keyfile": "k"}, {"ca_certs": "a", "certfile": "c", "keyfile": "k"}),
    ],
)
def test_tls_options_add_to_what_the_lab_knows(before: Any, options: dict[str, Any], after: Any) -> None:
    given = {"tls": False, "ca_certs": None, "certfile": None, "keyfile": None, "retain": True} | options
    assert mqtt_address(MqttEndpoint(provider="given", host="h", port=1, tls=before), given).tls == after
    assert given == {"retain": True}
