"""What a message looks like in Kafka, what a dead letter keeps of it, and what the counts prove."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import mqtt5
import pytest
from hypothesis import given, strategies as st

from helpers.bridge import Counts, Snapshot
from helpers.bridge.sequences import Sequences
from helpers.sink import records
from helpers.sink.routes import Routes
from helpers.sink.serialize import PoisonError, parse_json
from helpers.topics import TopicMapping

SEQ = [("seq", "12"), ("boot", "b1")]
NOW = records.Moment.now()
ORIGIN = records.header("mqtt.topic", "g/G-001")


def publish(
    payload: bytes = b"{}", properties: list[tuple[str, str]] | None = None, **more: object
) -> mqtt5.PublishPacket:
    settings = {"qos": mqtt5.QoS.AT_LEAST_ONCE, "packet_id": 1, "user_properties": properties, **more}
    return mqtt5.PublishPacket("g/G-001", payload, **settings)  # type: ignore[arg-type]


def test_user_properties_come_first_and_provenance_cannot_be_forged() -> None:
    found = records.headers(publish(properties=[*SEQ, ("mqtt.topic", "forged")]), ORIGIN)
    assert found == [*SEQ, ("mqtt.topic", "forged"), ("mqtt.topic", "g/G-001")]
    assert dict(found)["mqtt.topic"] == "g/G-001"


def test_all_headers_on_request() -> None:
    received = records.Moment.now()
    packet = publish(duplicate=True, correlation_data=b"c1")
    found = dict(records.headers(packet, ORIGIN) + records.flags(packet, received))
    assert {name: found[name] for name in ("mqtt.qos", "mqtt.retain", "mqtt.dup")} == {
        "mqtt.qos": "1",
        "mqtt.retain": "0",
        "mqtt.dup": "1",
    }
    assert found["mqtt.correlation-data"] == b"c1"
    assert found["mqtt.received"] == received.header[1]
    assert abs(int(str(found["mqtt.received"])) / 1000 - time.time()) < 10


def test_the_device_s_time_is_the_record_s_when_credible() -> None:
    now = datetime.now(UTC)
    stamp = records.timestamp(publish(properties=[("time", now.isoformat())]), "time")
    assert stamp == int(now.timestamp() * 1000)
    elsewhere = now.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    assert records.timestamp(publish(properties=[("time", elsewhere.isoformat())]), "time") == stamp


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "1970-01-01T00:00:00Z",
        pytest.param((datetime.now(UTC) + timedelta(hours=2)).isoformat(), id="two hours ahead"),
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
        pytest.param(datetime.now(UTC).astimezone().replace(tzinfo=None).isoformat(), id="no offset"),
        pytest.param(datetime.now(UTC).astimezone().date().isoformat(), id="a date alone"),
    ],
)
def test_a_time_that_is_not_credible_gives_way_to_now(value: str) -> None:
    assert records.timestamp(publish(properties=[("time", value)]), "time") == 0


def test_a_dead_letter_holds_the_original_bytes_and_the_reason() -> None:
    value, key, headers, truncated = records.dead_letter(publish(b"\xff\xfe", SEQ), NOW, "not JSON", 1_000_000)
    assert key == b"g/G-001"
    assert (value, truncated) == (b"\xff\xfe", False)
    assert dict(headers)["dead-letter.reason"] == b"not JSON"
    assert dict(headers)["seq"] == "12"


def test_a_dead_letter_too_large_for_kafka_tells_length_and_digest() -> None:
    payload = bytes(range(256)) * 8192
    value, _, headers, truncated = records.dead_letter(publish(payload, SEQ), NOW, "too large", 1_000_000)
    assert truncated
    assert payload.startswith(value)
    assert len(value) == records.TRUNCATED
    assert dict(headers)["dead-letter.length"] == str(len(payload))
    assert dict(headers)["dead-letter.sha256"] == hashlib.sha256(payload).hexdigest()
    assert dict(headers)["seq"] == "12"


@given(
    payload=st.binary(max_size=5000),
    user_properties=st.lists(st.tuples(st.text("ab", max_size=9), st.text("äx", max_size=2000)), max_size=6),
    topic=st.text("aü/", min_size=1, max_size=9000),
    reason=st.text("xü", max_size=5000),
    correlation_data=st.none() | st.binary(max_size=3000),
    limit=st.integers(records.SMALLEST, 20_000),
)
def test_a_dead_letter_always_fits(*, payload: bytes, topic: str, reason: str, limit: int, **more: Any) -> None:
    packet = mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1, **more)
    value, key, headers, truncated = records.dead_letter(packet, NOW, reason, limit)
    size = sum(
        len(name.encode()) + len(part if isinstance(part, bytes) else str(part).encode()) for name, part in headers
    )
    assert len(value) + len(key) + size + 60 <= limit
    assert payload.startswith(value)
    assert truncated or (value, key) == (payload, topic.encode())


@given(st.text())
def test_a_reason_is_short_and_can_be_shown(text: str) -> None:
    text = f"\ud800\0{text}" * 3
    shown = records.shorten(text, 100)
    assert len(shown) <= 100
    assert shown.isprintable()
    assert shown.encode()


def test_u0000_passes_the_c_client_as_bytes() -> None:
    assert records.header("trace", "a\0b") == ("trace", b"a\0b")
    assert records.header("tr\0ace", "ab") == (r"tr\x00ace", b"ab")
    assert Routes((TopicMapping("g/{device}", topic="t", key="{device}"),))["g/a\0b"] == (
        "t",
        b"a\0b",
        [("mqtt.topic", b"g/a\0b")],
    )


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"\xff", b"NaN", b'{"a": Infinity}', "{}".encode("utf-16"), b"[" * 99999]
)
def test_what_is_not_json_is_poison(payload: bytes) -> None:
    with pytest.raises(PoisonError):
        parse_json(payload)


def test_gaps_are_told_per_device_and_boot() -> None:
    sequences = Sequences()
    seen = [("a", "1", 5), ("a", "1", 6), ("b", "1", 1), ("a", "1", 9), ("a", "1", 9), ("a", "1", 6), ("a", "2", 3)]
    assert [sequences.note(*each) for each in seen] == [0, 0, 0, 2, 0, 0, 0]
    assert sequences.note("a", "2", 5) == 1
    assert sequences.missing == 3


def test_what_comes_late_is_missing_no_more() -> None:
    sequences = Sequences()
    assert [sequences.note("a", "1", number) for number in (1, 5, 3, 3, 2, 1, 4, 6)] == [0, 3, -1, 0, -1, 0, -1, 0]
    assert sequences.missing == 0


def test_a_counter_that_wraps_or_begins_again_is_not_a_gap() -> None:
    sequences = Sequences()
    assert [sequences.note("a", "1", number) for number in (5, 2**64 - 1, 6, 8)] == [0, 0, 0, 1]
    assert sequences.missing == 1


@given(st.permutations(range(8)))
def test_what_is_missing_does_not_depend_on_the_order(numbers: list[int]) -> None:
    sequences = Sequences()
    came = numbers[:5]
    for number in came:
        sequences.note("a", "1", number)
    # The first one to come may be the middle of a stream: nobody can know what was before it.
    expected = [each for each in range(came[0], max(came)) if each not in came]
    assert sequences.missing == len(expected)


def test_a_snapshot_is_a_row_and_a_line() -> None:
    counts = Counts(received=5, produced=4, acked=3, sessions_lost=1)
    snapshot = Snapshot(
        state="carrying",
        counts=counts,
        in_flight=2,
        held=9,
        oldest_unacked=1.0,
        stalled=True,
        last_error="Kafka is down",
    )
    assert snapshot.as_dict()["produced"] == 4
    assert "1 SESSIONS LOST" in snapshot.line()
    assert snapshot.line().endswith("STALLED: Kafka is down")
    assert replace(snapshot, last_error="", oldest_unacked=42.0).line().endswith("STALLED: no answer for 42 s")


def test_every_acknowledged_message_is_on_the_line() -> None:
    counts = Counts(received=9, produced=4, dead_lettered=2, truncated=1, looped=3, acked=9)
    line = Snapshot(
        state="ended", counts=counts, in_flight=0, held=0, oldest_unacked=0.0, stalled=False, last_error=""
    ).line()
    for part in ("9 received", "4 produced", "2 dead-lettered", "1 TRUNCATED", "3 CAME FROM KAFKA", "9 acked"):
        assert part in line
