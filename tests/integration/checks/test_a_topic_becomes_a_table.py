"""The lesson's checks, on real brokers: what a learner may well try is turned down with a hint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from helpers.checks import Watch, a_topic_becomes_a_table as checks
from helpers.fleet import Fleet, Reading
from tests.integration.checks.speaking import assert_not_yet, write

pytestmark = pytest.mark.without_mqtt


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """Twenty generators for six hours, half of them with half a tank."""
    fleet = Fleet(20, seed=21, start=datetime.now(UTC) - timedelta(hours=6))
    for generator in list(fleet)[::2]:
        generator.fuel *= 0.5
    return fleet


@pytest.fixture(scope="module")
def readings(fleet: Fleet) -> list[Reading]:
    return list(fleet.readings(seconds=6 * 3600, every=600))


@pytest.fixture
def log(watch: Watch, readings: list[Reading]) -> list[Reading]:
    """The readings in ``table-readings``: some come twice, and the second half-hour of G-001 comes last."""
    late = [each for each in readings if each.generator_id == "G-001" and each.seq in (4, 5)]
    rest = [each for each in readings if each not in late]
    order = [*rest, *rest[100:150], *late]
    write(watch, "table-readings", [(each.generator_id, each.to_json(), each.headers()) for each in order])
    return order


def answer(watch: Watch, *values: dict[str, Any]) -> None:
    write(watch, "table-tanker", [(each["generatorID"], json.dumps(each), None) for each in values])


@pytest.fixture
def wanted(fleet: Fleet, readings: list[Reading]) -> dict[str, float]:
    newest = {each.generator_id: each.fuel for each in readings}
    tanks = {each.id: each.site.tank_litres for each in fleet}
    return {name: tanks[name] - fuel for name, fuel in newest.items() if fuel < tanks[name] / 2}


# --- exercise 1


@pytest.mark.usefixtures("log")
def test_a_list_is_mended_until_it_is_right(watch: Watch, fleet: Fleet, wanted: dict[str, float]) -> None:
    assert_not_yet(checks.exercise_1(watch), "no record", "flush")
    first, *rest = ({"generatorID": name, "litres": x} for name, x in wanted.items())
    full = next(each.id for each in fleet if each.id not in wanted)
    answer(watch, *rest)
    assert_not_yet(checks.exercise_1(watch), "is not on the list")
    answer(watch, first, {"generatorID": full, "litres": 1})
    assert_not_yet(checks.exercise_1(watch), full, "value=None")
    write(watch, "table-tanker", [(full, None, None)])
    result = checks.exercise_1(watch)
    assert result.passed, result
    assert str(len(wanted)) in result.reason


def test_the_level_that_came_last_is_not_the_newest(
    watch: Watch, log: list[Reading], fleet: Fleet, wanted: dict[str, float]
) -> None:
    assert "G-001" in wanted
    came_last = {each.generator_id: each.fuel for each in log}
    tanks = {each.id: each.site.tank_litres for each in fleet}
    answer(watch, *({"generatorID": name, "litres": tanks[name] - came_last[name]} for name in wanted))
    assert_not_yet(checks.exercise_1(watch), "G-001", "compare times, not offsets")


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("given", [lambda x: x - 40, str, lambda _: float("nan"), lambda _: None])
def test_litres_that_are_not_the_newest_are_named(watch: Watch, wanted: dict[str, float], given: Any) -> None:
    answer(watch, *({"generatorID": name, "litres": given(x)} for name, x in wanted.items()))
    assert_not_yet(checks.exercise_1(watch), "but the list says", "Subtract the newest fuel")


@pytest.mark.usefixtures("log")
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
def test_a_record_that_the_driver_cannot_read_is_named(watch: Watch, key: Any, value: bytes, said: str) -> None:
    write(watch, "table-tanker", [(key, value, None)])
    assert_not_yet(checks.exercise_1(watch), said)


def test_an_empty_log_is_named(watch: Watch) -> None:
    assert_not_yet(checks.exercise_1(watch), "table-readings is empty", "begin(tanker)")


def test_a_generator_that_no_list_knows_is_left_out(watch: Watch, wanted: dict[str, float], log: list[Reading]) -> None:
    strange = (log[0].to_json().replace(log[0].generator_id.encode(), b"X-001"), log[0].headers())
    write(watch, "table-readings", [("X-001", *strange)])
    answer(watch, *({"generatorID": name, "litres": x} for name, x in wanted.items()))
    assert checks.exercise_1(watch).passed


# --- exercise 2


@pytest.fixture
def store() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as store:
        yield store


def keep(store: duckdb.DuckDBPyConnection, offsets: list[int], deaths: int = 2) -> None:
    store.execute('CREATE OR REPLACE TABLE kept (partition INTEGER, "offset" BIGINT)')
    store.execute("CREATE OR REPLACE TABLE deaths (dies_at INTEGER)")
    for offset in offsets:
        store.execute("INSERT INTO kept VALUES (0, ?)", [offset])
    for death in range(deaths):
        store.execute("INSERT INTO deaths VALUES (?)", [death])


def test_every_record_once_after_two_deaths_is_what_exercise_2_wants(
    watch: Watch, store: duckdb.DuckDBPyConnection
) -> None:
    assert_not_yet(checks.exercise_2(watch, store), "kept does not exist", "begin_reader()")
    keep(store, [0, 1, 2, 3, 4])
    assert_not_yet(checks.exercise_2(watch, store), "table-readings is empty", "begin_reader()")
    write(watch, "table-readings", [("G-001", str(number), None) for number in range(5)])
    for offsets, deaths, reason, hint in (
        ([], 2, "empty", "run_reader"),
        ([0, 1, 1, 2, 3, 4], 2, "1 records are in the table twice", "before their offsets were"),
        ([0, 1, 3, 4], 2, "1 of 5 records are missing", "before the rows were"),
        ([0, 1, 2, 3, 4], 1, "died 1 times", "the connection that dies"),
    ):
        keep(store, offsets, deaths)
        assert_not_yet(checks.exercise_2(watch, store), reason, hint)
    keep(store, [4, 3, 2, 1, 0])
    result = checks.exercise_2(watch, store)
    assert result.passed, result
