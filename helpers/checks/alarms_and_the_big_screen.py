"""Checks: the engines that ran hot, an alarm for leaks, and a backfill of a table or of InfluxDB."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import duckdb

from helpers.checks import brokers
from helpers.checks.answers import answers, moment, readings
from helpers.checks.brokers import QueryError, query_influxdb
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet
from helpers.fleet import Fault, history

_HOT, _RAN_HOT = 95.0, {"G-013", "G-018"}  # the generators that data/faults.csv overheats
_HOUR = timedelta(hours=1)
PRECISION, RECALL = 0.95, 0.8
# Why there was an alarm where nothing leaked.
_HINTS = {
    Fault.THEFT: "That was a theft: a leak is slower than any pump, which takes 2,400 litres an hour.",
    Fault.NOISE: "Its gauge jittered: the median of half an hour is calmer than one reading.",
    None: "Nothing was wrong there. An engine burns fuel while it has oil pressure, and may stop between two readings.",
}


def exercise_1(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """``alarms-hot`` names the two overheated engines, and when each began to run hot."""
    given = answers(recorder, "alarms-hot", "began")
    if isinstance(given, Result):
        return given
    listed = {each["generatorID"]: each["began"] for each in given}
    if extra := sorted(listed.keys() - _RAN_HOT):
        return not_yet(f"{extra[0]} did not run hot for an hour.", "One value may be wild: take the median of an hour.")
    if missing := sorted(_RAN_HOT - listed.keys()):
        return not_yet(f"{missing[0]} is not on the list.", "Look at all generators, over both days.")
    if not (log := readings(recorder, "alarms-readings")):
        return not_yet("The topic alarms-readings is empty.", "begin(hot) fills it: run the exercise's cell.")
    for name, began in listed.items():
        first = min(time for time, each in log if each["generatorID"] == name and each["temperature"] > _HOT)
        time = moment(began)
        if time is None:
            return not_yet(f"{began!r} is not a time.", "Use ISO 8601, such as 2026-03-02T06:00:00: isoformat().")
        if abs(time - first) > _HOUR:
            seen = f"The list says {name} ran hot from {time:%d %b %H:%M}, but it did from {first:%d %b %H:%M} UTC."
            return not_yet(seen, "began is the earliest time above 95 °C.")
    return done("Both hot engines are found, and no other is on the list.")


def exercise_2(recorder: Recorder) -> Result:
    """``alarms-leaks`` has the alarms about the fleet of ``history.cases()``; most are right, and most leaks found."""
    given = answers(recorder, "alarms-leaks", "time")
    if isinstance(given, Result):
        return given
    episodes = history.cases().truth()
    leaks = [each for each in episodes if each.fault is Fault.LEAK]
    found, causes = set(), Counter[Fault | None]()
    for value in given:
        time = moment(value["time"])
        if time is None:
            return not_yet(f"{value['time']!r} is not a time.", "Use ISO 8601: time.isoformat().")
        near = [
            each
            for each in episodes
            if each.generator_id == value["generatorID"] and each.began - _HOUR <= time <= (each.ended or time) + _HOUR
        ]
        right = [each for each in near if each in leaks]
        found.update(right)
        causes.update([] if right else [near[0].fault if near and near[0].fault in _HINTS else None])
    precision, recall = 1 - causes.total() / len(given), len(found) / len(leaks)
    seen = f"{len(given)} alarms: precision {precision:.0%}, recall {recall:.0%}."
    if precision < PRECISION:
        return not_yet(seen, _HINTS[causes.most_common(1)[0][0]])
    if recall < RECALL:
        return not_yet(
            seen, "Some leaks were not found. Look at all generators, and at slow leaks too: 20 litres an hour."
        )
    return done(seen)


def exercise_3(recorder: Recorder, store: Any) -> Result:  # noqa: ANN401 - a connection of DuckDB
    """Each reading of the log is in the table ``coolant`` of ``store``, or in InfluxDB, once and at its time."""
    try:
        answer = store.execute("SELECT * FROM coolant")
        columns, rows = [each[0] for each in answer.description], answer.fetchall()
        if not rows and recorder.here.influxdb:
            with suppress(QueryError):  # its database is made with the first points
                for series in query_influxdb(recorder.here, f'SELECT * FROM "{recorder.here.ns}alarms-coolant"'):  # noqa: S608
                    columns, rows = series["columns"], series["values"]
    except duckdb.Error as error:
        return not_yet(f"The database answered: {error}.", "Run the exercise's cell: begin_coolant() makes the table.")
    if sorted(columns) != ["generator", "temperature", "time"]:
        return not_yet(f"The columns are {', '.join(columns)}.", "There should be three: generator, time, temperature.")
    places = [columns.index(each) for each in ("generator", "time", "temperature")]
    stored = {(row[places[0]], moment(row[places[1]])): row[places[2]] for row in rows}
    readings_of = readings(recorder, "alarms-readings")
    log: dict[Any, float] = {(value["generatorID"], time): value["temperature"] for time, value in readings_of}
    if not log:
        return not_yet("The topic alarms-readings is empty.", "begin_coolant() fills it: run the exercise's cell.")
    strange = stored.keys() - log.keys()
    example = min((f"{name} at {time}" for name, time in strange), default="")
    different = [each for each in stored.keys() & log.keys() if stored[each] != log[each]]
    lag = brokers.lag(recorder.here, "alarms-coolant", "alarms-readings")
    for count, seen, hint in (
        (len(strange), f"points are at a time when their generator measured nothing, such as {example}.",
         "Take the time in the header, in UTC. InfluxDB has to know its unit: precision=ms."),
        (len(rows) - len(stored), "rows repeat another one.", "With a primary key they would replace it."),
        (len(log) - len(stored), "readings are missing.", "Read the topic from its beginning to its end."),
        (len(different), "temperatures are not those of the log.", "Take each from its own reading."),
        (lag, "records are left to read for the group alarms-coolant.", "Commit what is written, in that group."),
    ):  # fmt: skip
        if count:
            return not_yet(f"{count:,} {seen}", hint)
    return done(f"{len(stored):,} readings are stored once, at their times, and the group has read everything.")
