"""Checks of lesson 09: a list for the tanker, the engines that ran hot, and a backfill of InfluxDB."""

from __future__ import annotations

import base64
import csv
import json
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from helpers.checks.recorder import Watch
from helpers.checks.result import Result, done, not_yet
from helpers.paths import DATA

_TIMEOUT = 10.0
_FRAME = 5
_HOT = 95.0
# The generators that lesson 09 overheats.
_RAN_HOT = {"G-013", "G-018"}
_TAKE_OFF = "A record with the key and no value takes a generator off the list again."
_LITRES, _LATE_SECONDS = 1.0, 3600


class _RefusedError(Exception):
    """InfluxDB's own words for a query that went wrong, which it sends with status 200."""


def exercise_1(watch: Watch) -> Result:
    """``analysts-tanker`` lists every generator whose newest level is below half a tank, and how much fits in."""
    listed = _listed(watch, "analysts-tanker", "litres")
    if isinstance(listed, Result):
        return listed
    with (DATA / "sites.csv").open(encoding="utf-8", newline="") as file:
        tanks = {row["id"]: float(row["tank_litres"]) for row in csv.DictReader(file)}
    newest: dict[str, tuple[datetime, float]] = {}
    for time, value in _readings(watch):
        if time >= newest.get(value["generatorID"], (time,))[0]:
            newest[value["generatorID"]] = time, value["fuel"]
    wanted = {name: tanks[name] - fuel for name, (_, fuel) in newest.items() if fuel < tanks[name] / 2}
    if missing := sorted(wanted.keys() - listed.keys()):
        return not_yet(
            f"{len(missing)} of {len(wanted)} generators are missing, such as {missing[0]}.",
            "Compare the newest level of each generator with half of its tank_litres.",
        )
    if extra := sorted(listed.keys() - wanted.keys()):
        return not_yet(
            f"{extra[0]} is on the list, and its tank is more than half full by its newest reading.",
            f"arg_max(fuel, time) is the newest level. {_TAKE_OFF}",
        )
    for name, litres in wanted.items():
        said = listed[name]["litres"]
        if not isinstance(said, int | float) or abs(said - litres) > _LITRES:
            return not_yet(
                f"The tank of {name} takes {litres:,.0f} litres, and the list says {said!r}.",
                "It is tank_litres less the newest fuel. The last record of a key counts, so send it again.",
            )
    return done(f"{len(wanted)} tanks are below half, and the tanker knows how much each of them takes.")


def exercise_2(watch: Watch) -> Result:
    """``analysts-hot`` names the two overheated engines, and since when."""
    listed = _listed(watch, "analysts-hot", "began")
    if isinstance(listed, Result):
        return listed
    if extra := sorted(listed.keys() - _RAN_HOT):
        return not_yet(
            f"{extra[0]} is named, and it had no hour of heat.",
            f"One wild value is not a hot engine: take the median of an hour. {_TAKE_OFF}",
        )
    if len(listed) < len(_RAN_HOT):
        return not_yet(f"Only {', '.join(listed)} is named.", "There are two: look at all generators, over both days.")
    readings = _readings(watch)
    for name, value in listed.items():
        mine = [(time, each) for time, each in readings if each["generatorID"] == name]
        began = min(time for time, each in mine if each["temperature"] > _HOT)
        try:
            said = datetime.fromisoformat(str(value["began"]))
        except ValueError:
            return not_yet(f"{value['began']!r} is not a time.", "ISO 8601, such as 2026-03-02T06:00:00: isoformat().")
        said = said.replace(tzinfo=UTC) if said.tzinfo is None else said
        if abs((said - began).total_seconds()) > _LATE_SECONDS:
            return not_yet(
                f"{name} is said to be hot from {said:%H:%M}, and its first hot reading is of {began:%H:%M}.",
                "began is the earliest time with more than 95 °C, in UTC.",
            )
    return done("Both engines are found, and nobody else is accused.")


def exercise_3(watch: Watch) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """``analysts-coolant`` has one point for each reading in the log, and its group has nothing left to read."""
    if getattr(watch.here, "influxdb", None) is None:
        return not_yet(
            "there is no InfluxDB here.", "Install influxd or set LAB_INFLUXDB_URL, and run the lesson again."
        )
    measurement = f"{watch.here.ns}analysts-coolant"
    ask = partial(_ask, watch)
    try:
        counted = ask(f'SELECT count("temperature") FROM "{measurement}"')  # noqa: S608 - a name of ours
        tags = [each[-1] for series in ask(f'SHOW TAG KEYS FROM "{measurement}"') for each in series["values"]]
    except (OSError, _RefusedError) as error:
        return not_yet(f"InfluxDB says no: {error}.", "Run the cell of section 5 that defines influx.")
    points = counted[0]["values"][0][1] if counted else 0
    if not points:
        return not_yet(
            "analysts-coolant has no point with a field temperature.",
            "A line is: measurement,tag=value field=number time. Call fill_influx with your function.",
        )
    if tags != ["generator"]:
        return not_yet(f"The tags are {', '.join(tags) or 'none'}.", "There should be one, generator.")
    wanted = len({(value["generatorID"], time) for time, value in _readings(watch)})
    if points != wanted:
        return not_yet(
            f"InfluxDB has {points:,} points, and the log has {wanted:,} readings.",
            "Milliseconds since 1970 are the time of a point. To begin again, run the cell of section 5 that "
            "defines influx: it empties the measurement and forgets the group.",
        )
    behind = _behind(watch, "analysts-coolant", "analysts-readings")
    if behind:
        return not_yet(
            f"The group analysts-coolant has {behind:,} records left to read.",
            "fill_influx commits in the group that you name: analysts-coolant.",
        )
    return done(f"{points:,} readings are points in InfluxDB, and the group has read all there is.")


def _listed(watch: Watch, topic: str, field: str) -> dict[str, dict[str, Any]] | Result:
    """The last value of each key in a topic that the learner fills, or what is wrong with it.

    A record without a value, a tombstone, takes its key off.
    """
    listed: dict[str, dict[str, Any]] = {}
    for record in watch.kafka_records(topic):
        key = (record.key() or b"").decode(errors="replace")
        if record.value() is None:
            listed.pop(key, None)
            continue
        try:
            value = json.loads(record.value())
        except ValueError:
            return not_yet(f"{record.value()!r} is not JSON.", "json.dumps makes JSON of a dict.")
        if not isinstance(value, dict) or {"generatorID", field} - value.keys():
            return not_yet(f"A value is {value!r}.", f"It needs the fields generatorID and {field}.")
        if key != value["generatorID"]:
            return not_yet(f"The key {key!r} stands beside {value['generatorID']!r}.", "Pass key=: the generator's id.")
        listed[key] = value
    return listed or not_yet(f"There is no record in {topic}.", "Produce one for each row of your answer, and flush.")


def _readings(watch: Watch) -> list[tuple[datetime, dict[str, Any]]]:
    """All readings of the lesson's topic, duplicates too, each with the time it was measured."""
    return [
        (datetime.fromisoformat(dict(each.headers())["time"].decode()), json.loads(each.value()[_FRAME:]))
        for each in watch.kafka_records("analysts-readings")
    ]


def _ask(watch: Watch, query: str) -> list[dict[str, Any]]:
    """The series that answer an InfluxQL query. Raises ``OSError`` or ``_RefusedError``."""
    server = watch.here.influxdb  # type: ignore[attr-defined]
    headers = {}
    if server.token:
        headers["Authorization"] = f"Token {server.token}"
    elif server.username:
        pair = base64.b64encode(f"{server.username}:{server.password}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    url = f"{server.url}/query?{urlencode({'db': server.database, 'q': query})}"
    with urlopen(Request(url, headers=headers), timeout=_TIMEOUT, context=server.tls) as answer:  # noqa: S310 - the lab's
        text = answer.read()
    result = (json.loads(text).get("results") if text.strip() else None) or [{}]
    if "error" in result[0]:
        raise _RefusedError(result[0]["error"])
    return list(result[0].get("series", []))


def _behind(watch: Watch, group: str, topic: str) -> int:
    """How many records of ``topic`` the group has not committed."""
    name, group = f"{watch.here.ns}{topic}", f"{watch.here.ns}{group}"
    request = [ConsumerGroupTopicPartitions(group)]
    admin = AdminClient(dict(watch.here.kafka))
    [future] = admin.list_consumer_group_offsets(request, request_timeout=_TIMEOUT).values()
    try:
        committed = {each.partition: each.offset for each in future.result(_TIMEOUT).topic_partitions}
    except KafkaException:
        committed = {}
    consumer = Consumer({**watch.here.kafka, "group.id": group})
    try:
        places = [TopicPartition(name, each) for each in consumer.list_topics(name, _TIMEOUT).topics[name].partitions]
        ends = {each.partition: consumer.get_watermark_offsets(each, timeout=_TIMEOUT)[1] for each in places}
    finally:
        consumer.close()
    return sum(end - max(0, committed.get(partition, 0)) for partition, end in ends.items())
