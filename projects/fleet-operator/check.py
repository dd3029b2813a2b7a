"""Did you get it? `uv run python check.py STAGE`: 1 a second machine, 2 a command and its answer, 3 a replay."""

import json
import sys
from collections import Counter

from confluent_kafka.admin import AdminClient

import rules
import settings
from topics import read


def second_machine():
    """Two workers of one group share all partitions, under names of their own."""
    admin = AdminClient({"bootstrap.servers": settings.KAFKA})
    members = admin.describe_consumer_groups([settings.GROUP])[settings.GROUP].result(30).members
    shares = {each.group_instance_id: len(each.assignment.topic_partitions) for each in members}
    if len(shares) < 2:
        return f"Workers of the group: {', '.join(map(str, shares)) or 'none'}. It takes two, with two numbers."
    if 0 in shares.values():
        return f"A worker has nothing to do: {shares}. Wait a moment, or look at the number of partitions."
    twice = [
        name
        for name, times in Counter((each.key(), each.timestamp()) for each in read(settings.WINDOWS)).items()
        if times > 1
    ]
    return f"{len(twice)} windows are there twice: did two workers share a number?" if twice else None


def command_and_answer():
    """Each alarm of a device that knows MQTT 5 has an answer, and the device itself gave it: it knows its boot."""
    alarms = [json.loads(each.value()) for each in read(settings.ALARMS)]
    wanted = Counter((each["generatorID"], each["time"]) for each in alarms if int(each["generatorID"][2:]) % 3)
    boots = {(each.key(), dict(each.headers())["boot"]) for each in read(settings.READINGS)}
    given = [each for each in read(settings.ANSWERS) if (each.key(), dict(each.headers() or []).get("boot")) in boots]
    answers = Counter((each.key().decode(), float(each.value())) for each in given)
    if not wanted:
        return "There was no alarm yet. A thief comes by every few minutes."
    if missing := wanted - answers:
        return f"{len(missing)} of {len(wanted)} alarms have no answer with the device's boot, such as {min(missing)}."
    if wrong := answers.keys() - wanted.keys():
        return f"{min(wrong)} is an answer to no alarm: the value is the alarm's time, from the correlation data."
    return None  # an answer may come twice: the command does, after a kill


def replay():
    """Windows of the past, once more in SQL."""
    import duckdb

    readings = [
        (each.key().decode(), each.timestamp()[1] // 1000, json.loads(each.value())["fuel"])
        for each in read(settings.READINGS)
    ]
    windows = {
        (each.key().decode(), each.timestamp()[1] // 1000): json.loads(each.value()) for each in read(settings.WINDOWS)
    }
    table = duckdb.connect()
    table.execute("CREATE TABLE readings (who VARCHAR, measured BIGINT, fuel DOUBLE)")
    columns = [list(each) for each in zip(*readings, strict=True)] or [[], [], []]
    table.execute("INSERT INTO readings SELECT unnest(?), unnest(?), unnest(?)", columns)
    rows = table.execute(f"""
        SELECT who, began, fuel FROM (
            SELECT who, measured // {rules.WINDOW} * {rules.WINDOW} AS began, arg_max(fuel, measured) AS fuel,
                max(max(measured)) OVER (PARTITION BY who) AS newest
            FROM readings GROUP BY who, began
        ) WHERE began + {rules.WINDOW + settings.GRACE} <= newest
    """).fetchall()
    missing = [row[:2] for row in rows if row[:2] not in windows]
    if missing or not rows:
        return f"{len(missing)} of {len(rows)} windows are not there yet. Does a worker run, with the same NS?"
    wrong = [row for row in rows if windows[row[:2]]["fuel"] != row[2]]
    return f"{len(wrong)} windows differ from SQL, such as {wrong[0]}." if wrong else None


if __name__ == "__main__":
    problem = {"1": second_machine, "2": command_and_answer, "3": replay}[sys.argv[1]]()
    print(f"Not yet. {problem}" if problem else "You got it.")
    sys.exit(bool(problem))
