"""The lesson's checks, on real brokers: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from helpers.checks import Watch, bridge_by_hand as checks
from helpers.fleet import Fleet, Reading
from helpers.relay import Packet
from tests.integration.checks.speaking import Record, assert_not_yet, commit, connected, leave_session, write

MQTT_FILTERS = ["bridge/#"]
GOOD = list(Fleet(size=3).readings(seconds=4))
POISON = b'{"generatorID":"G-0'


def publish(watch: Watch, messages: list[tuple[str, bytes]]) -> None:
    expected = len(watch.messages("bridge/#")) + len(messages)
    with connected(watch) as client:
        for topic, payload in messages:
            client.publish(f"{watch.here.ns}{topic}", payload, qos=1).wait_for_publish(30)
    assert watch.wait_for(lambda: len(watch.messages("bridge/#")) >= expected, seconds=60)


def keyed(readings: Iterable[Reading]) -> list[Record]:
    return [(each.generator_id, each.to_json(), each.headers()) for each in readings]


DEAD: list[Record] = [("bridge/exercise/G-001", POISON, [("dead-letter.reason", "no JSON")])]


class Line:
    """What passed a relay: the exercise's client received a message every 50 ms, and acknowledged it after a while."""

    def __init__(self, watch: Watch, *, after: float | None = 60.0, count: int = len(GOOD) + 1) -> None:
        def packet(kind: str, at: float) -> Packet:
            client = f"{watch.here.ns}bridge-exercise"
            return Packet(kind=kind, to_broker=kind == "PUBACK", size=4, at=at, client=client)

        times = [time.monotonic() + 0.05 * number for number in range(count)]
        self._packets = [packet("PUBLISH", each) for each in times]
        self._packets += [] if after is None else [packet("PUBACK", each + after) for each in times]

    @property
    def now(self) -> float:
        return time.monotonic()

    def packets(self, *, since: float) -> list[Any]:
        return [each for each in self._packets if each.at >= since]


class TestExercise1:
    @pytest.fixture(autouse=True)
    def filled(self, watch: Watch) -> None:
        """A session of the client ``bridge-exercise``, made and left empty, and messages that the watch has seen."""
        leave_session(watch, "bridge-exercise")
        publish(watch, [(f"bridge/exercise/{each.generator_id}", each.to_json()) for each in GOOD])
        publish(watch, [("bridge/exercise/G-001", POISON)])

    @pytest.mark.parametrize(
        ("how", "hint"),
        [({"after": None}, "clean_start=False"), ({}, "poll() until each report has come")],
        ids=["nothing was received", "all was acknowledged"],
    )
    def test_nothing_in_kafka(self, watch: Watch, how: dict[str, Any], hint: str) -> None:
        assert_not_yet(checks.exercise_1(watch, Line(watch, **how)), "in Kafka", hint)

    def test_all_carried_and_the_session_empty(self, watch: Watch) -> None:
        write(watch, "bridge-exercise", keyed(GOOD), partitions=3)
        write(watch, "bridge-exercise-dead", DEAD, partitions=3)
        assert checks.exercise_1(watch, Line(watch)).passed

    @pytest.mark.parametrize(
        ("after", "reason", "hint"),
        [
            (0.001, "were acknowledged before", "after the delivery report"),
            (None, "No acknowledgement passed", "Connect to lab_line.host"),
        ],
        ids=["at once", "elsewhere"],
    )
    def test_turns_down_acknowledgements(self, watch: Watch, after: float | None, reason: str, hint: str) -> None:
        line = Line(watch, after=after)
        write(watch, "bridge-exercise", keyed(GOOD), partitions=3)
        write(watch, "bridge-exercise-dead", DEAD, partitions=3)
        assert_not_yet(checks.exercise_1(watch, line), reason, hint)

    def test_repetitions_are_welcome(self, watch: Watch) -> None:
        write(watch, "bridge-exercise", keyed(GOOD[:5] + GOOD), partitions=3)
        write(watch, "bridge-exercise-dead", DEAD * 2, partitions=3)
        assert checks.exercise_1(watch, Line(watch)).passed

    @pytest.mark.parametrize(
        ("stored", "dead", "reason", "hint"),
        [
            (keyed(GOOD[:-1]), DEAD, "1 readings are not in", "poll()"),
            ([*keyed(GOOD), ("G-001", POISON, [])], DEAD, "is not JSON", "dead letter"),
            ([(None, value, []) for _, value, _ in keyed(GOOD)], DEAD, "the key None", "id of its generator"),
            (keyed(GOOD), [], "1 bad messages are not in", "json.loads"),
            (keyed(GOOD), [("x", POISON, [])], "has no reason", "headers="),
            (keyed(GOOD), [*DEAD, ("x", GOOD[0].to_json(), DEAD[0][2])], "more than the 1 bad", "do not belong"),
            (keyed(GOOD[::-1]), DEAD, "not in the order", "order of receipt"),
        ],
    )
    def test_turns_down(self, watch: Watch, stored: list[Record], dead: list[Record], reason: str, hint: str) -> None:
        write(watch, "bridge-exercise", stored, partitions=3)
        write(watch, "bridge-exercise-dead", dead, partitions=3)
        assert_not_yet(checks.exercise_1(watch, Line(watch)), reason, hint)

    @pytest.mark.parametrize(("after", "hint"), [(60.0, "the last report"), (None, "client.ack")])
    def test_messages_that_were_not_acknowledged(self, watch: Watch, after: float | None, hint: str) -> None:
        watch.begin("bridge/exercise/+")
        assert watch.messages() == []
        leave_session(watch, "bridge-exercise", subscribe_to="bridge/exercise/+")
        publish(watch, [(f"bridge/exercise/{each.generator_id}", each.to_json()) for each in GOOD])
        write(watch, "bridge-exercise", keyed(GOOD), partitions=3)
        for _ in range(2):  # the check takes nothing out of the session
            result = checks.exercise_1(watch, Line(watch, after=after))
            assert_not_yet(result, "still holds 12 messages", hint)

    def test_a_session_that_ended(self, watch: Watch) -> None:
        leave_session(watch, "bridge-exercise", expiry=0)
        write(watch, "bridge-exercise", keyed(GOOD), partitions=3)
        write(watch, "bridge-exercise-dead", DEAD, partitions=3)
        for _ in range(2):  # the check leaves no session of its own
            assert_not_yet(checks.exercise_1(watch, Line(watch)), "is gone", "persistent()")


class TestExercise2:
    @pytest.fixture(autouse=True)
    def twice(self, watch: Watch) -> None:
        fleet = Fleet(size=3)
        self.readings = list(fleet.readings(seconds=4))
        fleet.reboot("G-002")
        self.readings += list(fleet.readings(seconds=4))
        self.readings.append(replace(self.readings[-1], seq=self.readings[-1].seq + 1))  # of the same value
        write(watch, "bridge-twice", keyed(self.readings[:15] + self.readings[10:]), partitions=3)
        write(watch, "bridge-once", [], partitions=3)

    def test_each_once(self, watch: Watch) -> None:
        assert_not_yet(checks.exercise_2(watch), "25 readings are missing", '"earliest"')
        write(watch, "bridge-once", keyed(self.readings), partitions=3)
        assert checks.exercise_2(watch).passed

    def test_turns_down_what_is_there_twice(self, watch: Watch) -> None:
        write(watch, "bridge-once", keyed([*self.readings, self.readings[3]]), partitions=3)
        assert_not_yet(checks.exercise_2(watch), "1 readings are there more than once", "Generator, boot and seq")

    @pytest.mark.parametrize(
        ("identity", "hint"),
        [
            (lambda each: (each.generator_id, each.seq), "began again"),
            (lambda each: each.seq, "Every generator counts"),
            (lambda each: (dict(each.headers())["boot"], each.seq), "Every generator counts"),
            (lambda each: each.to_json(), "equal values"),
        ],
        ids=["generator and seq", "seq", "boot and seq", "value"],
    )
    def test_turns_down_what_was_taken_for_one(self, watch: Watch, identity: Any, hint: str) -> None:
        kept = {identity(each): each for each in reversed(self.readings)}
        write(watch, "bridge-once", keyed(list(kept.values())[::-1]), partitions=3)
        assert_not_yet(checks.exercise_2(watch), "readings are missing", hint)

    @pytest.mark.parametrize(("unread", "hint"), [(1, "up to the end offsets"), (0, "flush it")])
    def test_turns_down_what_is_not_all(self, watch: Watch, unread: int, hint: str) -> None:
        write(watch, "bridge-once", keyed(self.readings[:9]), partitions=3)
        ends = Counter(record.partition() for record in watch.kafka_records("bridge-twice"))
        commit(watch, "bridge-once", "bridge-twice", {each: end - unread for each, end in ends.items()})
        assert_not_yet(checks.exercise_2(watch), "16 readings are missing", hint)

    @pytest.mark.parametrize(
        ("change", "reason", "hint"),
        [
            (lambda key, value, _headers: (key, value, []), "lacks the header", "headers="),
            (lambda _key, value, headers: (None, value, headers), "no key", "key="),
            (lambda key, value, headers: (key, value + b" ", headers), "another value", "value="),
        ],
        ids=["no headers", "no key", "another value"],
    )
    def test_turns_down_changed_records(self, watch: Watch, change: Any, reason: str, hint: str) -> None:
        write(watch, "bridge-once", [change(*each) for each in keyed(self.readings)], partitions=3)
        assert_not_yet(checks.exercise_2(watch), reason, hint)

    def test_turns_down_another_order(self, watch: Watch) -> None:
        write(watch, "bridge-once", keyed(self.readings[::-1]), partitions=3)
        assert "not in the order" in checks.exercise_2(watch).reason


class TestExercise3:
    @pytest.fixture(autouse=True)
    def published(self, watch: Watch) -> None:
        self.messages = [(f"bridge/yard/{each.generator_id}/readings", each.to_json()) for each in GOOD]
        self.bad = [("bridge/yard/G-001/readings", b"battery low")]
        publish(watch, [*self.messages, *self.bad])
        self.dead: list[Record] = [("x", b"battery low", [("dead-letter.reason", "no JSON")])]

    def carried(self, *, by: str = "mqtt.topic", key: int = 2) -> list[Record]:
        return [(topic.split("/")[key], payload, [(by, topic)]) for topic, payload in self.messages]

    def test_carried(self, watch: Watch) -> None:
        assert "is empty" in checks.exercise_3(watch).reason
        write(watch, "bridge-yard", self.carried(), partitions=3)
        write(watch, "bridge-yard-dead", self.dead, partitions=3)
        assert checks.exercise_3(watch).passed

    def test_turns_down(self, watch: Watch) -> None:
        write(watch, "bridge-yard", self.carried(key=1), partitions=3)
        write(watch, "bridge-yard-dead", self.dead, partitions=3)
        assert_not_yet(checks.exercise_3(watch), "the key b'yard'", "id of its generator")

    def test_turns_down_a_part(self, watch: Watch) -> None:
        write(watch, "bridge-yard", self.carried()[:-2], partitions=3)
        assert_not_yet(checks.exercise_3(watch), "2 readings are not in", "counts.acked is 13")

    def test_turns_down_what_somebody_else_carried(self, watch: Watch) -> None:
        write(watch, "bridge-yard", self.carried(by="topic"), partitions=3)
        assert "without the header mqtt.topic" in checks.exercise_3(watch).reason

    def test_turns_down_a_dead_letter_that_is_not_there(self, watch: Watch) -> None:
        write(watch, "bridge-yard", self.carried(), partitions=3)
        assert "bad messages are not in" in checks.exercise_3(watch).reason


def test_exercise_3_without_a_message(watch: Watch) -> None:
    assert "Nothing was published" in checks.exercise_3(watch).reason
