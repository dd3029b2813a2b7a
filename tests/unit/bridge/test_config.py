"""What is unsafe or contradictory is refused before any network call."""

from __future__ import annotations

import _thread
import contextlib
import gc
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, strategies as st
from paho.mqtt.client import topic_matches_sub

from helpers.bridge import Bridge, BridgeConfig, BridgeError, CommandsConfig, Snapshot, filters
from helpers.bridge.forward import Forward
from helpers.sink.config import producer_settings
from helpers.sink.run import little_garbage
from helpers.topics import TopicError, TopicMapping

ROUTE = TopicMapping("generators/{device}/readings", topic="readings", key="{device}")
KAFKA = {"bootstrap.servers": "127.0.0.1:1"}


@dataclass
class Address:
    host: str = "127.0.0.1"
    port: int = 1
    username: str | None = None
    password: str | None = None
    tls: dict[str, Any] | None = None


def config(**changes: Any) -> BridgeConfig:
    settings: dict[str, Any] = {
        "mqtt": Address(),
        "kafka": KAFKA,
        "client_id": "bridge",
        "routes": (ROUTE,),
        "dead_letter_topic": "dead",
    }
    return BridgeConfig(**settings | changes)


def test_the_producer_never_gives_up_and_waits_for_all() -> None:
    settings = producer_settings(config().kafka)
    assert settings["acks"] == "all"
    assert settings["enable.idempotence"] is True
    assert settings["message.timeout.ms"] == 0


def test_what_the_user_says_about_kafka_counts() -> None:
    kafka = config(kafka={**KAFKA, "linger.ms": 50, "message.timeout.ms": 3000, "acks": "-1"}).kafka
    settings = producer_settings(kafka)
    assert settings["linger.ms"] == 50
    assert settings["message.timeout.ms"] == 3000


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"client_id": ""}, "client id"),
        ({"session_expiry": 0}, "session"),
        ({"session_expiry": 2**33}, "at most 4294967295"),
        ({"routes": ()}, "nothing to carry"),
        ({"routes": ROUTE}, "comma"),
        ({"kafka": {}}, "bootstrap.servers"),
        ({"kafka": {**KAFKA, "acks": 1}}, "acks=1"),
        ({"kafka": {**KAFKA, "acks": "0"}}, "acks=0"),
        ({"kafka": {**KAFKA, "enable.idempotence": "false"}}, "idempotence"),
        ({"kafka": {**KAFKA, "delivery.report.only.error": True}}, "report"),
        ({"dead_letter_topic": "readings"}, "topic of their own"),
        ({"serializer": "schema"}, "registry"),
        ({"registry": {"url": "http://127.0.0.1:1"}}, "registry"),
        ({"share": "g", "sequence": "seq"}, "shared"),
        ({"share": "a/b"}, "group name"),
        ({"receive_maximum": 0}, "receive_maximum"),
        ({"receive_maximum": 65_535}, "receive_maximum"),
        (
            {"routes": (TopicMapping("a/{x}/c", topic="t"), TopicMapping("a/b/{y}", topic="t"))},
            r"a/\+/c and a/b/\+ overlap",
        ),
        ({"byte_budget": 0}, "byte_budget"),
        ({"keep_alive": 0}, "keep-alive"),
        ({"keep_alive": 70_000}, "1 to 65535"),
        ({"mqtt": Address(tls={"insecure": True})}, "insecure"),
        ({"mqtt": Address(tls={"ca_certs": "nowhere.pem"})}, "nowhere.pem"),
        ({"mqtt": Address(tls={"ca_certs": __file__})}, "PEM"),
    ],
)
def test_unsafe_settings_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BridgeError, match=says):
        config(**changes)


@pytest.mark.parametrize(
    "changes",
    [{"dead_letter_topic": "readings_"}, {"dead_letter_topic": "a b"}],
)
def test_names_are_checked(changes: dict[str, Any]) -> None:
    routes = (TopicMapping("g/{device}", topic="readings."),)
    with pytest.raises(TopicError):
        config(routes=routes, **changes)


def test_filters_and_topics() -> None:
    made = config(
        share="bridges", routes=(ROUTE, TopicMapping("g/#", topic="other"), TopicMapping("h/+", topic="other"))
    )
    assert made.filters == (
        "$share/bridges/generators/+/readings",
        "$share/bridges/g/#",
        "$share/bridges/h/+",
    )
    assert made.kafka_topics == ("readings", "other", "dead")


def test_a_filter_that_another_one_covers_is_not_subscribed_to_and_ends() -> None:
    made = config(routes=(ROUTE, TopicMapping("generators/#", topic="other")), unsubscribe=("old/+",))
    assert made.filters == ("generators/#",)
    assert made.former_filters == ("old/+", "generators/+/readings")
    assert config(share="g").former_filters == ("generators/+/readings",)


def test_a_topic_that_no_filter_matches_is_a_matter_of_configuration() -> None:
    made = config(unsubscribe=("$share/g/old/+",))
    for topic in ("generators//readings", "generators/x/readings", "old/x"):
        made.check_expected(topic)
    with pytest.raises(BridgeError, match="earlier configuration"):
        made.check_expected("older/x")


LEVELS = st.lists(st.sampled_from(["a", "b", "", "+", "$x"]), min_size=1, max_size=3)
FILTERS = st.builds(lambda levels, rest: "/".join(levels + rest), LEVELS, st.sampled_from([[], ["#"]])) | st.just("#")
NAMES = ["/".join(parts) for size in (1, 2, 3, 4) for parts in itertools.product(["a", "b", "", "$x"], repeat=size)]


@given(one=FILTERS, other=FILTERS)
def test_filters_overlap_and_cover_as_brokers_match(one: str, other: str) -> None:
    mine, theirs = ({name for name in NAMES if topic_matches_sub(each, name)} for each in (one, other))
    assert filters.overlap(one, other) == bool(mine & theirs)
    assert not filters.covers(one, other) or theirs <= mine
    assert filters.covers("a/#", one) == all(topic_matches_sub("a/#", name) for name in mine)


def test_secrets_are_not_printed() -> None:
    made = config(kafka={**KAFKA, "sasl.password": "hush"})
    assert "hush" not in repr(made)


def test_settings_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        BridgeConfig(Address(), KAFKA, "bridge", (ROUTE,))  # type: ignore[misc]


def commands(**changes: Any) -> CommandsConfig:
    settings: dict[str, Any] = {
        "mqtt": Address(),
        "kafka": KAFKA,
        "client_id": "back",
        "group_id": "back",
        "route": TopicMapping("generators/{device}/commands", topic="commands", key="{device}"),
    }
    return CommandsConfig(**settings | changes)


def test_commands_are_committed_by_hand_only() -> None:
    assert commands().consumer_settings()["enable.auto.commit"] is False
    with pytest.raises(BridgeError, match="PUBACK"):
        commands(kafka={**KAFKA, "enable.auto.commit": True})


@pytest.mark.parametrize(
    "route",
    [
        TopicMapping("g/{device}/commands", topic="commands"),
        TopicMapping("g/{device}/{what}", topic="commands", key="{device}"),
        TopicMapping("g/{device}/+", topic="commands", key="{device}"),
        TopicMapping("g/{device}", topic="commands", key="x-{device}"),
    ],
    ids=str,
)
def test_a_mapping_that_cannot_be_reversed_is_refused(route: TopicMapping) -> None:
    with pytest.raises(TopicError):
        commands(route=route)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"expiry": 0}, "above zero"),
        ({"expiry": 2**33}, "at most 4294967295"),
        ({"expiry": float("nan")}, "invalid"),
        ({"retries": -1}, "retries"),
        ({"group_id": ""}, "group id"),
        ({"client_id": ""}, "client id"),
        ({"kafka": {}}, "bootstrap.servers"),
        ({"dead_letter_topic": "commands"}, "topic of their own"),
        ({"keep_alive": 0}, "keep-alive"),
        ({"mqtt": Address(tls={"ca_certs": "nowhere.pem"})}, "nowhere.pem"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BridgeError, match=says):
        commands(**changes)


def test_nothing_listens_so_entering_fails_and_leaves_nothing_running() -> None:
    bridge = Bridge(config(), ready_within=0.5)
    with pytest.raises(BridgeError, match="not ready"), bridge:
        pytest.fail("the bridge said it was ready")
    assert bridge.snapshot().state == "ended"


@pytest.mark.parametrize("make", [config, commands])
def test_a_misspelt_kafka_setting_is_named_at_once(make: Callable[..., BridgeConfig | CommandsConfig]) -> None:
    bridge = Bridge(make(kafka={**KAFKA, "acsk": "all"}))
    with pytest.raises(BridgeError, match="acsk"), bridge:
        pytest.fail("the bridge said it was ready")


@pytest.mark.parametrize("registry", [{"ulr": "http://127.0.0.1:1"}, {"url": "127.0.0.1:1"}])
def test_a_wrong_registry_setting_is_named_at_once(registry: dict[str, Any]) -> None:
    with pytest.raises(BridgeError, match="url"):
        Bridge(config(serializer="schema", registry=registry))


def test_ctrl_c_while_entering_leaves_nothing_running() -> None:
    bridge = Bridge(config(), ready_within=60)

    def interrupt() -> None:
        while bridge.snapshot().state != "waiting for Kafka":
            time.sleep(0.01)
        _thread.interrupt_main()

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt), bridge:
        pytest.fail("the bridge said it was ready")
    assert bridge.snapshot().state == "ended"


def test_reports_that_cannot_be_written_do_not_end_the_bridge(caplog: pytest.LogCaptureFixture) -> None:
    reported = []

    def report(snapshot: Snapshot) -> None:
        reported.append(snapshot)
        if len(reported) < 4:
            raise OSError(28, "No space left on device") if len(reported) % 2 else SystemExit(1)

    runner = Forward(config(), report, 0.0)
    for _ in range(5):
        runner._report()
    assert len(reported) == 5, "it tries again: the disk may have room later"
    assert [each.message for each in caplog.records] == [
        "bridge: cannot report, and goes on without: [Errno 28] No space left on device"
    ]


def test_the_last_of_two_bridges_restores_how_python_collects_garbage() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    gc.set_threshold(500, *before[0][1:])
    try:
        with little_garbage():
            with little_garbage():
                assert gc.get_threshold()[0] > 500
                assert gc.get_freeze_count() > 0
            assert gc.get_threshold()[0] > 500
        assert (gc.get_threshold()[0], gc.get_freeze_count()) == (500, before[1])
    finally:
        gc.set_threshold(*before[0])


def test_what_another_froze_stays_frozen() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with little_garbage():
            pass
        assert gc.get_freeze_count() > frozen // 2, "a few of them have ended since"
    finally:
        gc.unfreeze()


def test_connections_without_progress_are_one_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    """The MQTT broker takes each connection, and ends it before anything was acknowledged."""
    runner, stalled = Forward(config(stall_after=1e-9)), []

    def run_connection(_: object) -> None:
        runner._note_ready()
        stalled.append(runner.snapshot().stalled)
        if len(stalled) == 3:
            runner._note_progress()
            stalled.append(runner.snapshot().stalled)
        raise ConnectionResetError("again")

    monkeypatch.setattr("helpers.bridge.runner.Connection", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(runner, "_pause", lambda: None)
    monkeypatch.setattr(runner, "_run_connection", run_connection)
    for _ in range(4):
        runner._connect_once()
    assert stalled == [False, True, True, False, False]
    assert runner.snapshot().state == "connecting"


def test_an_outage_of_hours_does_not_end_the_bridge() -> None:
    """The pause doubles with each failure, up to its longest, however many there were."""
    runner = Forward(config())
    runner.stop.set()
    for _ in range(2000):
        runner._pause()
