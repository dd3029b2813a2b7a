"""Checks of lesson 09: a list for the tanker, the engines that ran hot, and a backfill of InfluxDB."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from typing import Any

from helpers.checks import brokers
from helpers.checks.brokers import QueryError, header, json_object, query_influxdb
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet
from helpers.paths import DATA

_FRAME = 5
_HOT = 95.0
# The generators that lesson 09 overheats.
_RAN_HOT = {"G-013", "G-018"}
_TAKE_OFF = "To take a generator off the list, produce its key with value=None."
_LITRES, _LATE_SECONDS = 1.0, 3600


def exercise_1(recorder: Recorder) -> Result:
    """``analysts-tanker`` lists every generator whose latest level is below half a tank, and how much fits in."""
    listed = _listed(recorder, "analysts-tanker", "litres")
    if isinstance(listed, Result):
        return listed
    with (DATA / "sites.csv").open(encoding="utf-8", newline="") as file:
        tanks = {row["id"]: float(row["tank_litres"]) for row in csv.DictReader(file)}
    latest: dict[str, tuple[datetime, float]] = {}
    for time, value in _readings(recorder):
        if time >= latest.get(value["generatorID"], (time,))[0]:
            latest[value["generatorID"]] = time, value["fuel"]
    wanted = {name: tanks[name] - fuel for name, (_, fuel) in latest.items() if fuel < tanks[name] / 2}
    if missing := sorted(wanted.keys() - listed.keys()):
        return not_yet(
            f"{len(missing)} of {len(wanted)} generators are missing from the list, such as {missing[0]}.",
            "Compare the latest level of each generator with half of its tank_litres.",
        )
    if extra := sorted(listed.keys() - wanted.keys()):
        return not_yet(
            f"{extra[0]} is on the list, but by its latest reading its tank is more than half full.",
            f"arg_max(fuel, time) is the latest level. {_TAKE_OFF}",
        )
    for name, litres in wanted.items():
        given = listed[name]["litres"]
        if not isinstance(given, int | float) or abs(given - litres) > _LITRES:
            return not_yet(
                f"The tank of {name} takes {litres:,.0f} litres, but the list says {given!r}.",
                "Subtract the latest fuel from tank_litres. The last record of a key counts, so send a corrected one.",
            )
    return done(f"{len(wanted)} tanks are less than half full, and the tanker knows how much each of them takes.")


def exercise_2(recorder: Recorder) -> Result:
    """``analysts-hot`` names the two overheated engines, and when each began to run hot."""
    listed = _listed(recorder, "analysts-hot", "began")
    if isinstance(listed, Result):
        return listed
    if extra := sorted(listed.keys() - _RAN_HOT):
        return not_yet(
            f"{extra[0]} is on the list, but it did not run hot for an hour.",
            f"A single outlier is not a hot engine: take the median of an hour. {_TAKE_OFF}",
        )
    if len(listed) < len(_RAN_HOT):
        return not_yet(
            f"Only {', '.join(listed)} is on the list.", "There are two: look at all generators, over both days."
        )
    readings = _readings(recorder)
    for name, value in listed.items():
        mine = [(time, each) for time, each in readings if each["generatorID"] == name]
        began = min(time for time, each in mine if each["temperature"] > _HOT)
        try:
            given = datetime.fromisoformat(str(value["began"]))
        except ValueError:
            return not_yet(
                f"{value['began']!r} is not a time.", "Use ISO 8601, such as 2026-03-02T06:00:00: isoformat()."
            )
        given = given.replace(tzinfo=UTC) if given.tzinfo is None else given
        if abs((given - began).total_seconds()) > _LATE_SECONDS:
            return not_yet(
                f"The list says {name} ran hot from {given:%H:%M}, but its first hot reading is from {began:%H:%M}.",
                "began is the earliest time above 95 °C, in UTC.",
            )
    return done("Both hot engines are found, and no other is on the list.")


def exercise_3(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """``analysts-coolant`` has one point for each reading in the log, and its group has nothing left to read."""
    if recorder.here.influxdb is None:
        return not_yet(
            "This exercise needs InfluxDB, but there is no InfluxDB here.",
            "Install influxd or set LAB_INFLUXDB_URL, and run the lesson again.",
        )
    measurement = f"{recorder.here.ns}analysts-coolant"
    try:
        counted = query_influxdb(recorder.here, f'SELECT count("temperature") FROM "{measurement}"')  # noqa: S608 - the name is the lesson's
        tags = [
            each[-1]
            for series in query_influxdb(recorder.here, f'SHOW TAG KEYS FROM "{measurement}"')
            for each in series["values"]
        ]
    except QueryError as error:
        return not_yet(f"InfluxDB answered with an error: {error}.", "Run the cell of section 5 that defines influx.")
    points = counted[0]["values"][0][1] if counted else 0
    if not points:
        return not_yet(
            "analysts-coolant has no point with a field temperature.",
            "A line has the form measurement,tag=value field=number time. Call fill_influx with your function.",
        )
    if tags != ["generator"]:
        return not_yet(f"The tags are {', '.join(tags) or 'none'}.", "There should be one: generator.")
    wanted = len({(value["generatorID"], time) for time, value in _readings(recorder)})
    if points != wanted:
        return not_yet(
            f"InfluxDB has {points:,} points, but the log has {wanted:,} readings.",
            "The time of a point is in milliseconds since 1970. To begin again, run the cell of section 5 that "
            "defines influx: it empties the measurement and deletes the group.",
        )
    if lag := brokers.lag(recorder.here, "analysts-coolant", "analysts-readings"):
        return not_yet(
            f"The group analysts-coolant has {lag:,} records left to read.",
            "fill_influx commits for the group that you name: analysts-coolant.",
        )
    return done(f"{points:,} readings are points in InfluxDB, and the group has read everything.")


def _listed(recorder: Recorder, topic: str, field: str) -> dict[str, dict[str, Any]] | Result:
    """The last value of each key in a topic that the learner fills, or what is wrong with it.

    A tombstone, a record without a value, takes its key off the list.
    """
    listed: dict[str, dict[str, Any]] = {}
    for record in recorder.kafka_records(topic):
        key = (record.key() or b"").decode(errors="replace")
        if record.value() is None:
            listed.pop(key, None)
            continue
        value = json_object(record.value())
        if value is None:
            return not_yet(f"{record.value()!r} is not a JSON object.", "Use json.dumps of a dict.")
        if {"generatorID", field} - value.keys():
            return not_yet(f"A value is {value!r}.", f"It needs the fields generatorID and {field}.")
        if key != value["generatorID"]:
            return not_yet(
                f"A record of {value['generatorID']!r} has the key {key!r}.", "Pass the generator's id as key=."
            )
        listed[key] = value
    return listed or not_yet(f"There is no record in {topic}.", "Produce one for each row of your answer, and flush.")


def _readings(recorder: Recorder) -> list[tuple[datetime, dict[str, Any]]]:
    """All readings of the lesson's topic, duplicates included, each with the time it was measured."""
    return [
        (datetime.fromisoformat(header(each, "time")), json.loads(each.value()[_FRAME:]))
        for each in recorder.kafka_records("analysts-readings")
    ]
