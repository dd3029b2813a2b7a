"""Lesson 07's checks, on real brokers: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from helpers.checks import Watch, lesson07
from helpers.fleet import Fleet, Reading
from tests.integration.checks.speaking import Record, assert_not_yet, connected, leave_session, write

MQTT_FILTERS = ["bridge/#"]
GOOD = list(Fleet(size=3).readings(seconds=4))
POISON = b'{"generatorID":"G-0'


def publish(watch: Watch, messages: list[tuple[str, bytes]]) -> None:
    with connected(watch) as client:
        for topic, payload in messages:
            client.publish(f"{watch.here.ns}{topic}", payload, qos=1).wait_for_publish(30)
    assert watch.wait_for(lambda: len(watch.messages("bridge/#")) >= len(messages), seconds=30)


def keyed(readings: Iterable[Reading]) -> list[Record]:
    return [(each.generator_id, each.to_json(), each.headers()) for each in readings]


DEAD: list[Record] = [("bridge/exercise/G-001", POISON, [("dead-letter.reason", "no JSON")])]


class TestExercise1:
    @pytest.fixture(autouse=True)
    def filled(self, watch: Watch) -> None:
        """A session of the client ``bridge-exercise``, made and left empty, and messages that the watch has seen."""
        leave_session(watch, "bridge-exercise")
        publish(watch, [(f"bridge/exercise/{each.generator_id}", each.to_json()) for each in GOOD])
        publish(watch, [("bridge/exercise/G-001", POISON)])

    def test_nothing_in_kafka(self, watch: Watch) -> None:
        assert "holds a record" in lesson07.exercise_1(watch).reason

    def test_all_carried_and_the_session_empty(self, watch: Watch) -> None:
        write(watch, "bridge-exercise", keyed(GOOD), partitions=3)
        write(watch, "bridge-exercise-dead", DEAD, partitions=3)
        assert lesson07.exercise_1(watch).passed

    def test_repetitions_are_welcome(self, watch: Watch) -> None:
        write(watch, "bridge-exercise", keyed(GOOD[:5] + GOOD), partitions=3)
        write(watch, "bridge-exercise-dead", DEAD * 2, partitions=3)
        assert lesson07.exercise_1(watch).passed

    @pytest.mark.parametrize(
        ("stored", "dead", "reason"),
        [
            (keyed(GOOD[:-1]), DEAD, "1 of 12 readings are not in"),
            ([*keyed(GOOD), ("G-001", POISON, [])], DEAD, "are not JSON"),
            ([(None, value, []) for _, value, _ in keyed(GOOD)], DEAD, "has the key ''"),
            (keyed(GOOD), [], "1 of 1 bad messages are not in"),
            (keyed(GOOD), [("x", POISON, [])], "has no reason"),
            (keyed(GOOD), [*DEAD, ("x", GOOD[0].to_json(), DEAD[0][2])], "more than the 1 bad"),
            (keyed(GOOD[::-1]), DEAD, "not in the order"),
        ],
    )
    def test_turns_down(self, watch: Watch, stored: list[Record], dead: list[Record], reason: str) -> None:
        write(watch, "bridge-exercise", stored, partitions=3)
        write(watch, "bridge-exercise-dead", dead, partitions=3)
        assert_not_yet(lesson07.exercise_1(watch), reason)

    def test_messages_that_were_not_acknowledged(self, watch: Watch) -> None:
        leave_session(watch, "bridge-exercise", subscribe_to="bridge/exercise/+")
        publish(watch, [(f"bridge/exercise/{each.generator_id}", each.to_json()) for each in GOOD])
        write(watch, "bridge-exercise", keyed(GOOD), partitions=3)
        write(watch, "bridge-exercise-dead", DEAD, partitions=3)
        for _ in range(2):  # the check takes nothing out of the session
            result = lesson07.exercise_1(watch)
            assert not result.passed
            assert "still holds 12 messages" in result.reason


class TestExercise2:
    @pytest.fixture(autouse=True)
    def twice(self, watch: Watch) -> None:
        fleet = Fleet(size=3)
        self.readings = list(fleet.readings(seconds=4))
        fleet.reboot("G-002")
        self.readings += list(fleet.readings(seconds=4))
        write(watch, "bridge-twice", keyed(self.readings[:15] + self.readings[10:]), partitions=3)
        write(watch, "bridge-once", [], partitions=3)

    def test_each_once(self, watch: Watch) -> None:
        assert "is empty" in lesson07.exercise_2(watch).reason
        write(watch, "bridge-once", keyed(self.readings), partitions=3)
        assert lesson07.exercise_2(watch).passed

    def test_turns_down_what_is_there_twice(self, watch: Watch) -> None:
        write(watch, "bridge-once", keyed([*self.readings, self.readings[3]]), partitions=3)
        assert "1 readings are there more than once" in lesson07.exercise_2(watch).reason

    def test_turns_down_what_was_told_by_seq_alone(self, watch: Watch) -> None:
        seen, kept = set(), []
        for each in self.readings:
            if (each.generator_id, each.seq) not in seen:
                seen.add((each.generator_id, each.seq))
                kept.append(each)
        write(watch, "bridge-once", keyed(kept), partitions=3)
        result = lesson07.exercise_2(watch)
        assert "number 1 of G-002" in result.reason
        assert "began again" in result.hint

    def test_turns_down_records_without_headers(self, watch: Watch) -> None:
        write(watch, "bridge-once", [(key, value, []) for key, value, _ in keyed(self.readings)], partitions=3)
        assert "headers boot and seq" in lesson07.exercise_2(watch).reason

    def test_turns_down_another_order(self, watch: Watch) -> None:
        write(watch, "bridge-once", keyed(self.readings[::-1]), partitions=3)
        assert "not in the order" in lesson07.exercise_2(watch).reason


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
        assert "is empty" in lesson07.exercise_3(watch).reason
        write(watch, "bridge-yard", self.carried(), partitions=3)
        write(watch, "bridge-yard-dead", self.dead, partitions=3)
        assert lesson07.exercise_3(watch).passed

    def test_turns_down(self, watch: Watch) -> None:
        write(watch, "bridge-yard", self.carried(key=1), partitions=3)
        write(watch, "bridge-yard-dead", self.dead, partitions=3)
        assert "has the key 'yard'" in lesson07.exercise_3(watch).reason

    def test_turns_down_what_somebody_else_carried(self, watch: Watch) -> None:
        write(watch, "bridge-yard", self.carried(by="topic"), partitions=3)
        assert "without the header mqtt.topic" in lesson07.exercise_3(watch).reason

    def test_turns_down_a_dead_letter_that_is_not_there(self, watch: Watch) -> None:
        write(watch, "bridge-yard", self.carried(), partitions=3)
        assert "bad messages are not in" in lesson07.exercise_3(watch).reason


def test_exercise_3_without_a_message(watch: Watch) -> None:
    assert "Nothing was published" in lesson07.exercise_3(watch).reason
