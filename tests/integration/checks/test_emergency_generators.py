"""The lesson's checks, on a real lab: what a learner may well try instead is turned down with a hint that helps."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from helpers.checks import Watch, emergency_generators as checks
from helpers.fleet import Fault, Fleet
from tests.integration.checks.speaking import assert_not_yet, publish

MQTT_FILTERS = ["fleet/#", "fleet-exercise/#"]
READING, LEAK, SMALL = (f"fleet-exercise/{each}" for each in ("reading", "leak", "small"))


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(size=6, seed=7)


def water_works(fleet: Fleet) -> dict[str, Any]:
    return fleet.step(1)[2].value()


def test_a_reading_of_the_water_works_is_all_exercise_1_wants(watch: Watch, fleet: Fleet) -> None:
    assert "Nothing has come" in checks.exercise_1(watch).reason
    publish(watch, READING, fleet.step(1)[2].to_json())
    assert checks.exercise_1(watch).passed
    publish(watch, READING, json.dumps(water_works(fleet), indent=4).encode())
    assert checks.exercise_1(watch).passed


def test_exercise_1_turns_down_what_is_no_json(watch: Watch, fleet: Fleet) -> None:
    for payload in (str(water_works(fleet)).encode(), repr(fleet.step(1)[2]).encode(), b"\x80"):
        publish(watch, READING, payload)
        result = checks.exercise_1(watch)
        assert "not a JSON object" in result.reason
        assert "json.dumps" in result.hint
    publish(watch, READING, str(water_works(fleet)).encode())
    assert "Single quotes" in checks.exercise_1(watch).hint


@pytest.mark.parametrize(
    ("change", "reason", "hint"),
    [
        ({"seq": 12}, "an extra field, seq", "beside"),
        ({"generatorID": "G-001"}, "a reading of G-001", "generator_id"),
        ({"fuel": "1865.3"}, "not a number", "without quotes"),
        ({"fuel": True}, "not a number", "without quotes"),
        ({"pressure": None}, "not a number", "without quotes"),
    ],
)
def test_exercise_1_turns_down_a_value(
    watch: Watch, fleet: Fleet, change: dict[str, Any], reason: str, hint: str
) -> None:
    publish(watch, READING, json.dumps(water_works(fleet) | change).encode())
    assert_not_yet(checks.exercise_1(watch), reason, hint)


def test_exercise_1_names_a_missing_field(watch: Watch, fleet: Fleet) -> None:
    value = water_works(fleet)
    del value["lon"]
    publish(watch, READING, json.dumps(value).encode())
    assert "lon is missing" in checks.exercise_1(watch).reason


def test_a_misspelt_topic_is_named(watch: Watch, fleet: Fleet) -> None:
    publish(watch, "fleet-exercise/Reading", fleet.step(1)[2].to_json())
    assert "something came to fleet-exercise/Reading" in checks.exercise_1(watch).reason


def test_the_last_answer_counts(watch: Watch, fleet: Fleet) -> None:
    publish(watch, READING, b"nonsense")
    publish(watch, READING, fleet.step(1)[2].to_json())
    assert checks.exercise_1(watch).passed
    publish(watch, READING, b"nonsense")
    assert not checks.exercise_1(watch).passed


def test_the_check_knows_who_leaked_in_the_lesson_and_both_lost_as_much(watch: Watch) -> None:
    night = Fleet(size=12, seed=23, start=datetime(2026, 3, 2, 22, tzinfo=UTC))
    for generator in night:
        generator.stop()
    leaking, robbed = Random(5).sample(sorted(night.generators), 2)  # noqa: S311
    night.switch_on(leaking, Fault.LEAK)
    night.switch_on(robbed, Fault.THEFT, after=3 * 3600, lasting=360)
    readings = list(night.readings(seconds=8 * 3600, every=300))
    assert readings[-1].time.hour == 6
    lost = {each.id: each.initial_fuel - each.fuel for each in night if each.fuel < each.initial_fuel}
    assert lost == pytest.approx({leaking: 240, robbed: 240})

    publish(watch, LEAK, leaking.encode())
    assert checks.exercise_2(watch).passed
    publish(watch, LEAK, f'"{leaking}"\n'.encode())
    assert checks.exercise_2(watch).passed
    publish(watch, LEAK, robbed.encode())
    assert "theft" in checks.exercise_2(watch).reason
    assert "between evening and morning" in checks.exercise_2(watch).hint


@pytest.mark.parametrize(("answer", "hint"), [(b"G-001", "the lists in which it falls"), (b"the mast", "the id alone")])
def test_exercise_2_turns_down(watch: Watch, answer: bytes, hint: str) -> None:
    assert not checks.exercise_2(watch).passed
    publish(watch, LEAK, answer)
    assert_not_yet(checks.exercise_2(watch), hint=hint)


def test_exercise_3_wants_few_bytes_and_no_loss(watch: Watch, fleet: Fleet) -> None:
    assert not checks.exercise_3(watch).passed
    reading = fleet.step(1)[0]
    publish(watch, SMALL, reading.to_json())
    assert "compare" in checks.exercise_3(watch).reason
    publish(watch, "fleet/G-001", b'{"fuel": 3}')
    assert "compare" in checks.exercise_3(watch).reason
    publish(watch, "fleet/G-001", reading.to_json())
    value = reading.value()
    whole = value | {name: round(value[name]) for name in ("temperature", "pressure", "fuel")}

    def answer(value: dict[str, Any], **how: Any) -> Any:
        publish(watch, SMALL, json.dumps(value, **how).encode())
        return checks.exercise_3(watch)

    compact = {"separators": (",", ":")}
    assert answer(whole, **compact).passed
    assert "separators" in answer(value).hint
    assert "How precise" in answer(value, **compact).hint
    assert "separators" in answer(whole).hint
    assert "moved" in answer(whole | {"lat": 45.1, "lon": -20.3}, **compact).reason
    assert "fuel is 0" in answer(whole | {"fuel": 0}, **compact).reason
    assert "temperature is 0" in answer(whole | {"temperature": 0}, **compact).reason
    assert "missing" in answer({"id": "G-001"}, **compact).reason
    assert "a reading of G-003" in answer(whole | {"generatorID": "G-003"}, **compact).reason
