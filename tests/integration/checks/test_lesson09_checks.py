"""Lesson 09's checks, on real brokers: what a learner may well try is turned down with a hint."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from helpers.checks import Watch, lesson09
from helpers.fleet import Fault, Fleet, Reading
from tests.integration.checks.speaking import Unique, assert_not_yet, commit, write

pytestmark = pytest.mark.without_mqtt
FRAME = struct.pack(">bI", 0, 1)
RAN_HOT = ("G-013", "G-018")


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """Twenty generators for six hours, two of which run hot from the first hour on."""
    fleet = Fleet(20, seed=21, start=datetime.now(UTC) - timedelta(hours=6))
    for generator in list(fleet)[::2]:
        generator.fuel *= 0.5
    for name in RAN_HOT:
        fleet.switch_on(name, Fault.OVERHEATING, after=3600)
    return fleet


@pytest.fixture(scope="module")
def readings(fleet: Fleet) -> list[Reading]:
    return list(fleet.readings(seconds=6 * 3600, every=600))


@pytest.fixture
def log(watch: Watch, readings: list[Reading]) -> list[Reading]:
    """The readings in ``analysts-readings``: some come twice, and the second half-hour of G-001 comes last."""
    late = [each for each in readings if each.generator_id == "G-001" and each.seq in (4, 5)]
    rest = [each for each in readings if each not in late]
    order = [*rest, *rest[100:150], *late]
    write(watch, "analysts-readings", [(each.generator_id, FRAME + each.to_json(), each.headers()) for each in order])
    return order


def answer(watch: Watch, topic: str, *values: dict[str, Any]) -> None:
    write(watch, topic, [(each["generatorID"], json.dumps(each), None) for each in values])


def needed(fleet: Fleet, readings: list[Reading]) -> dict[str, float]:
    newest = {each.generator_id: each.fuel for each in readings}
    tanks = {each.id: each.site.tank_litres for each in fleet}
    return {name: tanks[name] - fuel for name, fuel in newest.items() if fuel < tanks[name] / 2}


# --- exercise 1


def test_the_right_list_for_the_tanker_is_what_exercise_1_wants(
    watch: Watch, log: list[Reading], fleet: Fleet, readings: list[Reading]
) -> None:
    assert log
    assert "no record" in lesson09.exercise_1(watch).reason
    wanted = needed(fleet, readings)
    assert 1 < len(wanted) < len(fleet)
    answer(watch, "analysts-tanker", *({"generatorID": name, "litres": round(x, 1)} for name, x in wanted.items()))
    result = lesson09.exercise_1(watch)
    assert result.passed, result
    assert str(len(wanted)) in result.reason


def test_a_list_with_one_too_few_or_too_many_is_not_it_and_can_be_mended(
    watch: Watch, log: list[Reading], fleet: Fleet, readings: list[Reading]
) -> None:
    assert log
    wanted = needed(fleet, readings)
    first, *rest = ({"generatorID": name, "litres": x} for name, x in wanted.items())
    full = next(each.id for each in fleet if each.id not in wanted)
    answer(watch, "analysts-tanker", *rest)
    assert "missing" in lesson09.exercise_1(watch).reason
    answer(watch, "analysts-tanker", first, {"generatorID": full, "litres": 1})
    result = lesson09.exercise_1(watch)
    assert full in result.reason
    assert "value=None" in result.hint
    write(watch, "analysts-tanker", [(full, None, None)])
    assert lesson09.exercise_1(watch).passed


def test_litres_of_another_moment_are_not_those_of_the_newest_reading(
    watch: Watch, log: list[Reading], fleet: Fleet, readings: list[Reading]
) -> None:
    """Whoever takes the record that came last, or the mean, sees another level."""
    assert log
    wanted = needed(fleet, readings)
    answer(watch, "analysts-tanker", *({"generatorID": name, "litres": x - 40} for name, x in wanted.items()))
    assert "litres" in lesson09.exercise_1(watch).reason
    answer(watch, "analysts-tanker", *({"generatorID": name, "litres": str(x)} for name, x in wanted.items()))
    assert "says '" in lesson09.exercise_1(watch).reason
    answer(watch, "analysts-tanker", *({"generatorID": name, "litres": x} for name, x in wanted.items()))
    assert lesson09.exercise_1(watch).passed


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("G-001", b"12 litres", "not a JSON object"),
        ("G-001", b"[]", "not a JSON object"),
        ("G-001", b'{"generatorID": "G-001"}', "A value is"),
        ("G-002", b'{"generatorID": "G-001", "litres": 2}', "key"),
        (None, b'{"generatorID": "G-001", "litres": 2}', "key"),
    ],
)
def test_a_record_that_the_driver_cannot_read_is_named(
    watch: Watch, log: list[Reading], key: Any, value: bytes, said: str
) -> None:
    assert log
    write(watch, "analysts-tanker", [(key, value, None)])
    result = lesson09.exercise_1(watch)
    assert not result.passed
    assert said in result.reason
    assert result.hint


# --- exercise 2


def hot(log: list[Reading], name: str, *, later: timedelta = timedelta(0)) -> dict[str, Any]:
    began = min(each.time for each in log if each.generator_id == name and each.temperature > 95)
    return {"generatorID": name, "began": (began + later).replace(tzinfo=None).isoformat()}


def test_both_hot_engines_are_what_exercise_2_wants(watch: Watch, log: list[Reading]) -> None:
    assert "no record" in lesson09.exercise_2(watch).reason
    answer(watch, "analysts-hot", hot(log, "G-013"))
    assert "Only G-013" in lesson09.exercise_2(watch).reason
    answer(watch, "analysts-hot", hot(log, "G-018", later=timedelta(minutes=40)))
    result = lesson09.exercise_2(watch)
    assert result.passed, result


def test_an_accusation_is_not_forgotten_until_it_is_taken_back(watch: Watch, log: list[Reading]) -> None:
    answer(
        watch, "analysts-hot", *(hot(log, name) for name in RAN_HOT), {"generatorID": "G-007", "began": "2026-01-01"}
    )
    assert "G-007" in lesson09.exercise_2(watch).reason
    write(watch, "analysts-hot", [("G-007", None, None)])
    assert lesson09.exercise_2(watch).passed


@pytest.mark.parametrize("began", ["yesterday", None, "2026-01-01T00:00:00", 1772431200])
def test_a_wrong_beginning_is_named(watch: Watch, log: list[Reading], began: Any) -> None:
    answer(watch, "analysts-hot", hot(log, "G-018"), {"generatorID": "G-013", "began": began})
    result = lesson09.exercise_2(watch)
    assert not result.passed
    assert result.hint


# --- exercise 3


def influx(watch: Watch, path: str, body: bytes, **parameters: str) -> None:
    server = watch.here.influxdb
    query = urlencode({"db": server.database, **parameters})
    with urlopen(Request(f"{server.url}{path}?{query}", data=body), timeout=10):  # noqa: S310
        pass


def fill(watch: Watch, readings: list[Reading], line: str) -> None:
    """Write one point for each reading; ``line`` is a template of its measurement, tags and fields."""
    influx(watch, "/query", b"", q=f'CREATE DATABASE "{watch.here.influxdb.database}"')
    lines = [
        f"{watch.here.ns}{line.format(id=each.generator_id, temperature=each.temperature, seq=each.seq)} "
        f"{round(each.time.timestamp() * 1000)}"
        for each in readings
    ]
    influx(watch, "/write", "\n".join(lines).encode(), precision="ms")


def read_to(watch: Watch, offset: int) -> None:
    commit(watch, "analysts-coolant", "analysts-readings", {0: offset})


GOOD = "analysts-coolant,generator={id} temperature={temperature}"


@pytest.fixture
def with_influxdb(watch: Watch) -> None:
    if watch.here.influxdb is None:
        pytest.skip("InfluxDB is not installed")


@pytest.mark.usefixtures("with_influxdb")
def test_a_point_for_each_reading_and_a_group_at_the_end_is_what_exercise_3_wants(
    watch: Watch, log: list[Reading], readings: list[Reading]
) -> None:
    fill(watch, log[:50], GOOD)
    assert "50 points" in lesson09.exercise_3(watch).reason
    fill(watch, log, GOOD)
    assert f"{len(log):,} records left" in lesson09.exercise_3(watch).reason
    read_to(watch, len(log) - 3)
    assert "3 records left" in lesson09.exercise_3(watch).reason
    read_to(watch, len(log))
    result = lesson09.exercise_3(watch)
    assert result.passed, result
    assert f"{len(readings):,} readings" in result.reason


@pytest.mark.usefixtures("with_influxdb")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("analysts-coolant,generator={id} heat={temperature}", "no point"),
        ("analysts-coolant temperature={temperature}", "tags are none"),
        ("analysts-coolant,generator={id},seq={seq} temperature={temperature}", "generator, seq"),
    ],
)
def test_points_of_another_shape_are_named(watch: Watch, log: list[Reading], line: str, said: str) -> None:
    fill(watch, log, line)
    read_to(watch, len(log))
    result = lesson09.exercise_3(watch)
    assert not result.passed
    assert said in result.reason
    assert result.hint


@pytest.mark.usefixtures("with_influxdb")
def test_an_empty_influxdb_is_not_yet(watch: Watch, log: list[Reading]) -> None:
    assert log
    assert not lesson09.exercise_3(watch).passed


def test_without_an_influxdb_exercise_3_says_so(here: Any, unique: Unique) -> None:
    assert_not_yet(
        lesson09.exercise_3(Watch(replace(here, ns=f"{unique('ana')}-", influxdb=None))),
        "no InfluxDB",
        "LAB_INFLUXDB_URL",
    )
