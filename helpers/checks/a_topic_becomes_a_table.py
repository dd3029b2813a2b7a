"""Checks: a list for the tanker, and a reader that is killed twice."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import datetime
from typing import Any

import duckdb

from helpers.checks.answers import answers, readings
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet
from helpers.paths import DATA

_TAKE_OFF = "To take a generator off the list, produce its key with value=None."
_LITRES, _DEATHS = 1.0, 2


def exercise_1(recorder: Recorder) -> Result:
    """``table-tanker`` lists every generator whose newest level is below half a tank, and how much fits in."""
    log = readings(recorder, "table-readings")
    if not log:
        return not_yet("The topic table-readings is empty.", "begin(tanker) fills it: run the exercise's cell.")
    given = answers(recorder, "table-tanker", "litres")
    if isinstance(given, Result):
        return given
    with (DATA / "sites.csv").open(encoding="utf-8", newline="") as file:
        tanks = {row["id"]: float(row["tank_litres"]) for row in csv.DictReader(file)}
    newest: dict[str, tuple[datetime, float]] = {}
    came_last: dict[str, float] = {}
    for time, value in log:
        name = value["generatorID"]
        newest[name] = max(newest.get(name, (time, value["fuel"])), (time, value["fuel"]))
        came_last[name] = value["fuel"]
    wanted = {name: tanks[name] - fuel for name, (_, fuel) in newest.items() if fuel < tanks.get(name, 0) / 2}
    listed = {each["generatorID"]: each["litres"] for each in given}
    late = "It sent old readings last, so its last record is not its newest reading: compare times, not offsets."
    for name in sorted(wanted.keys() ^ listed.keys()):
        half = f"by its newest reading its tank is {'less' if name in wanted else 'not less'} than half full"
        hint = f"Compare the newest level with half of its tank_litres. {'' if name in wanted else _TAKE_OFF}"
        misled = name in tanks and (came_last.get(name, 0) < tanks[name] / 2) != (name in wanted)
        seen = f"{name} is {'not ' if name in wanted else ''}on the list, but {half}."
        return not_yet(seen, late if misled else hint.strip())
    for name, litres in wanted.items():
        answer = listed[name]
        if not isinstance(answer, int | float) or not abs(answer - litres) <= _LITRES:
            misled = isinstance(answer, int | float) and abs(tanks[name] - came_last[name] - answer) <= _LITRES
            seen = f"The tank of {name} takes {litres:,.0f} litres, but the list says {answer!r}."
            return not_yet(seen, late if misled else "Subtract the newest fuel from tank_litres, and send a number.")
    return done(f"{len(wanted)} tanks are less than half full, and the tanker knows how much each of them takes.")


def exercise_2(recorder: Recorder, store: Any) -> Result:  # noqa: ANN401 - a connection of DuckDB
    """The table ``kept`` in ``store`` has every record of the log once, though its reader was killed twice."""
    try:
        kept = Counter(store.execute('SELECT partition, "offset" FROM kept').fetchall())
        [(deaths,)] = store.execute("SELECT count(*) FROM deaths").fetchall()
    except duckdb.Error as error:
        return not_yet(f"DuckDB answered: {error}.", "Run the exercise's cell: begin_reader() makes its tables.")
    log = {(each.partition(), each.offset()) for each in recorder.kafka_records("table-readings")}
    if not log:
        return not_yet("The topic table-readings is empty.", "begin_reader() fills it: run the exercise's cell.")
    lost, both = len(log - kept.keys()), "One transaction holds both."
    for wrong, seen, hint in (
        (not kept, "The table kept is empty.", "Store the batch in keep, and give keep to run_reader."),
        (len(kept) < kept.total(), f"{kept.total() - len(kept):,} records are in the table twice.",
         f"The rows were stored, and the program died before their offsets were. {both}"),
        (lost, f"{lost:,} of {len(log):,} records are missing.",
         f"The offsets were stored, and the program died before the rows were. {both}"),
        (deaths < _DEATHS, f"The reader died {deaths} times, not twice.",
         "Write through `database`: it is the connection that dies."),
    ):  # fmt: skip
        if wrong:
            return not_yet(seen, hint)
    return done(f"The reader died twice, and each of {len(log):,} records is in the table once.")
