"""The lesson's checks, on real brokers: what a learner may well try is turned down with a hint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import duckdb
import pytest

from helpers.checks import Watch, alarms_and_the_big_screen as checks
from helpers.fleet import Fault, Fleet, Reading, history
from tests.integration.checks.speaking import assert_not_yet, commit, write

pytestmark = pytest.mark.without_mqtt
RAN_HOT = ("G-013", "G-018")


@pytest.fixture(scope="module")
def readings() -> list[Reading]:
    """Twenty generators for six hours, two of which run hot from the first hour on."""
    fleet = Fleet(20, seed=21, start=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6))
    for name in RAN_HOT:
        fleet.switch_on(name, Fault.OVERHEATING, after=3600)
    return list(fleet.readings(seconds=6 * 3600, every=600))


@pytest.fixture
def log(watch: Watch, readings: list[Reading]) -> list[Reading]:
    """The readings in ``alarms-readings``; some come twice."""
    order = [*readings, *readings[100:150]]
    write(watch, "alarms-readings", [(each.generator_id, each.to_json(), each.headers()) for each in order])
    return order


def answer(watch: Watch, topic: str, *values: dict[str, Any]) -> None:
    write(watch, topic, [(each["generatorID"], json.dumps(each), None) for each in values])


# --- exercise 1


def hot(log: list[Reading], name: str, *, later: timedelta = timedelta(0)) -> dict[str, Any]:
    began = min(each.time for each in log if each.generator_id == name and each.temperature > 95)
    return {"generatorID": name, "began": (began + later).replace(tzinfo=None).isoformat()}


def test_both_hot_engines_and_no_other_are_what_exercise_1_wants(watch: Watch, log: list[Reading]) -> None:
    assert_not_yet(checks.exercise_1(watch), "no record")
    answer(watch, "alarms-hot", hot(log, "G-013"))
    assert_not_yet(checks.exercise_1(watch), "G-018 is not on the list", "all generators")
    answer(
        watch,
        "alarms-hot",
        hot(log, "G-018", later=timedelta(minutes=40)),
        hot(log, "G-013") | {"generatorID": "G-007"},
    )
    assert_not_yet(checks.exercise_1(watch), "G-007 did not run hot", "median of an hour")
    write(watch, "alarms-hot", [("G-007", None, None)])
    result = checks.exercise_1(watch)
    assert result.passed, result


def test_a_list_about_an_empty_log_is_not_judged(watch: Watch) -> None:
    answer(watch, "alarms-hot", *({"generatorID": name, "began": "2026-03-02T06:00:00"} for name in RAN_HOT))
    assert_not_yet(checks.exercise_1(watch), "alarms-readings is empty", "begin(hot)")


@pytest.mark.parametrize("began", ["yesterday", None, "2026-01-01T00:00:00", 1772431200])
def test_a_wrong_beginning_is_named(watch: Watch, log: list[Reading], began: Any) -> None:
    answer(watch, "alarms-hot", hot(log, "G-018"), {"generatorID": "G-013", "began": began})
    assert_not_yet(checks.exercise_1(watch))


# --- exercise 2


def alarm(name: str, time: object) -> dict[str, Any]:
    return {"generatorID": name, "time": str(time)}


def test_precision_and_recall_are_measured_on_the_checks_own_cases(watch: Watch) -> None:
    leaks = [each for each in history.cases().truth() if each.fault is Fault.LEAK]
    theft = next(each for each in history.cases().truth() if each.fault is Fault.THEFT)
    noise = next(each for each in history.cases().truth() if each.fault is Fault.NOISE)
    assert len(leaks) == 5
    right = [alarm(each.generator_id, each.began + timedelta(hours=1)) for each in leaks]

    def said(*values: dict[str, Any]) -> Any:
        answer(watch, "alarms-leaks", *values)
        result = checks.exercise_2(watch)
        write(watch, "alarms-leaks", [(each["generatorID"], None, None) for each in values])
        return result

    assert_not_yet(said(*right[:3]), "precision 100%, recall 60%", "slow leaks")
    assert said(*right[:4]).passed
    assert_not_yet(said(*right, alarm(theft.generator_id, theft.began)), "precision 83%, recall 100%", "a theft")
    assert_not_yet(said(*right, alarm(noise.generator_id, noise.began)), "precision 83%", "jittered")
    assert_not_yet(said(*right, alarm("G-001", history.cases().start)), "precision 83%", "oil pressure")
    assert_not_yet(said(alarm("G-001", "noon")), "not a time", "isoformat")
    assert said(*right, *right).passed


# --- exercise 3


@pytest.fixture
def store() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as store:
        yield store


def fill(store: duckdb.DuckDBPyConnection, readings: list[Reading], columns: str = "time, temperature") -> None:
    store.execute(
        "CREATE OR REPLACE TABLE coolant (generator VARCHAR, time TIMESTAMP, temperature DOUBLE, fuel DOUBLE)"
    )
    for each in readings:
        row = [each.generator_id, each.time.replace(tzinfo=None), each.temperature, each.fuel]
        store.execute("INSERT INTO coolant VALUES (?, ?, ?, ?)", row)
    store.execute(f"CREATE OR REPLACE TABLE coolant AS SELECT generator, {columns} FROM coolant")  # noqa: S608


def read_to(watch: Watch, offset: int) -> None:
    commit(watch, "alarms-coolant", "alarms-readings", {0: offset})


def test_each_reading_once_at_its_time_is_what_exercise_3_wants(
    watch: Watch, log: list[Reading], readings: list[Reading], store: duckdb.DuckDBPyConnection
) -> None:
    assert_not_yet(checks.exercise_3(watch, store), "coolant does not exist", "begin_coolant()")
    read_to(watch, len(log))
    for rows, columns, reason, hint in (
        (readings[:50], "time, temperature", f"{len(readings) - 50:,} readings are missing", "from its beginning"),
        (log, "time, temperature", "50 rows repeat", "primary key"),
        (readings, "time, fuel AS temperature", "temperatures are not those of the log", "its own reading"),
        (readings, "time - INTERVAL 1 hour AS time, temperature", "measured nothing", "in UTC"),
        (readings, "TIMESTAMP '1970-01-21' AS time, temperature", "at 1970-01-21", "precision=ms"),
        (readings, "NULL AS time, temperature", "measured nothing", "in UTC"),
        (readings, "time, temperature, fuel", "The columns are generator, time, temperature, fuel", "three"),
    ):
        fill(store, rows, columns)
        assert_not_yet(checks.exercise_3(watch, store), reason, hint)
    fill(store, readings)
    read_to(watch, len(log) - 3)
    assert_not_yet(checks.exercise_3(watch, store), "3 records are left to read", "in that group")
    read_to(watch, len(log))
    result = checks.exercise_3(watch, store)
    assert result.passed, result
    assert f"{len(readings):,} readings" in result.reason


def test_a_table_of_nothing_is_not_a_backfill(watch: Watch, store: duckdb.DuckDBPyConnection) -> None:
    fill(store, [])
    assert_not_yet(checks.exercise_3(watch, store), "alarms-readings is empty", "begin_coolant()")


@pytest.mark.parametrize(
    ("line", "unit", "reason"),
    [
        ("alarms-coolant,generator={0.generator_id} temperature={0.temperature}", 1e3, ""),
        ("alarms-coolant,generator={0.generator_id} temperature={0.temperature}", 1, "measured nothing"),
        ("alarms-coolant,generator={0.generator_id} temperature={0.temperature},fuel={0.fuel}", 1e3, "The columns are"),
        ("alarms-coolant,generator={0.generator_id},seq={0.seq} temperature={0.temperature}", 1e3, "The columns are"),
    ],
)
def test_points_in_influxdb_do_as_well(  # noqa: PLR0917
    watch: Watch, log: list[Reading], store: duckdb.DuckDBPyConnection, line: str, unit: float, reason: str
) -> None:
    server = watch.here.influxdb
    if server is None:
        pytest.skip("InfluxDB is not installed")
    fill(store, [])
    read_to(watch, len(log))
    points = [f"{watch.here.ns}{line.format(each)} {round(each.time.timestamp() * unit)}" for each in log]
    for path, query, body in (
        ("query", {"q": f'CREATE DATABASE "{server.database}"'}, b""),
        ("write", {"precision": "ms"}, "\n".join(points).encode()),
    ):
        url = f"{server.url}/{path}?{urlencode({'db': server.database, **query})}"
        with urlopen(Request(url, data=body), timeout=10):  # noqa: S310
            pass
    result = checks.exercise_3(watch, store)
    assert result.passed == (not reason), result
    assert reason in result.reason
