"""Answers to the exercises."""

from __future__ import annotations

from tests.notebooks.bank import Exercise, Wrong

SETUP = ["log", "consumer", "rows", "key", "predict-twice", "reveal-twice", "rates", "errors", "hours", "first-alarm"]
STAGE = [*SETUP, "begin"]

EXERCISES = [
    Exercise(
        cell="hot-exercise",
        misconception="A value above the limit is a hot engine.",
        needs=STAGE,
        wrong=[
            Wrong(
                "one hot value",
                "take the median of an hour",
                """
begin(hot)
for generator, began in store.sql(
    "SELECT generator, min(time) FROM readings WHERE temperature > 95 GROUP BY generator"
).fetchall():
    producer.produce(hot, key=generator, value=json.dumps({"generatorID": generator, "began": began.isoformat()}))
producer.flush(10)
""",
            ),
            Wrong("nothing is sent", "Produce one for each row", {"    producer.produce(hot": "    dict(name=hot"}),
            Wrong("no key", "Pass the generator's id as key=", {"key=generator, ": ""}),
            Wrong(
                "only the first day", "over both days", {"WHERE temperature > 95 AND": "WHERE generator < 'G-015' AND"}
            ),
            Wrong("a time of day", "isoformat()", {"began.isoformat()": 'f"{began:%d.%m. %H:%M}"'}),
            Wrong("when it was hot last", "the earliest time above 95", {"min(time) AS began": "max(time) AS began"}),
            Wrong("another field", "the fields generatorID and began", {'"began": began': '"since": began'}),
        ],
        right={
            "in Python": """
begin(hot)
hot_for, began = {}, {}
for row in store.sql("SELECT generator, time, temperature FROM readings ORDER BY time").fetchall():
    name, at, degrees = row
    hot_for[name] = hot_for.get(name, 0) + 1 if degrees > 95 else 0
    if hot_for[name] == 1:
        first = at
        began.setdefault(name, []).append(at)
    if hot_for[name] == 12:
        value = json.dumps({"generatorID": name, "began": began[name][-1].isoformat() + "Z"})
        producer.produce(hot, key=name, value=value)
producer.flush(10)
""",
            "by the mean of an hour": {"median(temperature)": "avg(temperature)"},
        },
    ),
    Exercise(
        cell="leaks-exercise",
        misconception="Any loss is a leak, if one looks closely enough.",
        needs=[*STAGE, "cases"],
        wrong=[
            Wrong("nothing is sent", "Produce one for each row", {"        producer.produce(": "        dict(name="}),
            Wrong(
                "engines that run",
                "An engine burns fuel while it has oil pressure",
                {"before == after == 0 and ": "", "5 < rate < 200": "5 < rate"},
            ),
            Wrong(
                "thefts, too",
                "a leak is slower than any pump",
                """
read = begin_cases()
for row, litres, hours in steps(read):
    if litres > 600 * hours:
        value = json.dumps({"generatorID": row.generator, "time": row.time.isoformat()})
        producer.produce(leaks, key=row.generator, value=value)
producer.flush(10)
""",
            ),
            Wrong(
                "gauges that jitter",
                "the median of half an hour is calmer",
                """
read = begin_cases()
for row, litres, hours in steps(read):
    if litres < 0 and row.pressure == 0:
        value = json.dumps({"generatorID": row.generator, "time": row.time.isoformat()})
        producer.produce(leaks, key=row.generator, value=value)
producer.flush(10)
""",
            ),
            Wrong(
                "some of the generators", "at slow leaks too", {"if same == name and": 'if same == name < "G-010" and'}
            ),
            Wrong("the name only", "the fields generatorID and time", {', "time": end.isoformat()': ""}),
            Wrong("seconds of the day", "time.isoformat()", {"end.isoformat()": "end.second"}),
        ],
        right={
            "step by step": """
read = begin_cases()
standing, lost = {}, {}
last = {}
for row in read:
    before = last.get(row.generator)
    last[row.generator] = row
    if before is None or row.pressure or before.pressure or not 1 < before.fuel - row.fuel < 10:
        standing[row.generator] = 0
        continue
    standing[row.generator] = standing.get(row.generator, 0) + 1
    if standing[row.generator] >= 3:
        value = {"time": f"{row.time}", "generatorID": row.generator}
        producer.produce(leaks, key=row.generator, value=json.dumps(value))
producer.flush(10)
""",
            "with hours instead of halves": {"row.time.minute // 30 * 30": "0"},
        },
    ),
    Exercise(
        cell="coolant-exercise",
        misconception="Each row is written once, since each record is read once.",
        needs=[*STAGE, "coolant-begin"],
        wrong=[
            Wrong(
                "no primary key",
                "With a primary key they would replace it",
                {", PRIMARY KEY (generator, time)": "", "INSERT OR REPLACE": "INSERT"},
            ),
            Wrong(
                "nothing is written",
                "Read the topic from its beginning to its end",
                {'    store.execute("INSERT': '    str("INSERT'},
            ),
            Wrong(
                "a time in 1970",
                "Take the time in the header",
                {"SELECT generator, time, temperature": "SELECT generator, TIMESTAMP '1970-01-01', temperature"},
            ),
            Wrong(
                "the fuel instead",
                "Take each from its own reading",
                {"SELECT generator, time, temperature": "SELECT generator, time, fuel"},
            ),
            Wrong(
                "a second field",
                "There should be three",
                {
                    "temperature DOUBLE, PRIMARY": "temperature DOUBLE, fuel DOUBLE, PRIMARY",
                    "SELECT generator, time, temperature": "SELECT generator, time, temperature, fuel",
                },
            ),
            Wrong("another group", "Commit what is written, in that group", {'"alarms-coolant"': '"alarms-other"'}),
            Wrong("no table", "begin_coolant() makes the table", "begin_coolant()"),
        ],
        right={
            "from the table that is there": """
begin_coolant()
store.execute("CREATE TABLE coolant AS SELECT generator, time, temperature FROM readings")
read_on("alarms-coolant", lambda rows: None)
""",
            "the first stays": {
                "rows):\n": "rows):\n    assert rows\n",
                "INSERT OR REPLACE": "INSERT OR IGNORE",
            },
        },
    ),
]
