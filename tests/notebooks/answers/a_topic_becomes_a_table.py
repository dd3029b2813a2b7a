"""Answers to the exercises."""

from __future__ import annotations

from tests.notebooks.bank import Exercise, Wrong

SETUP = [
    "past", "road", "feed", "consumer", "rows", "duckdb", "store", "predict-crash", "reveal-crash",
    "exactly-once", "read-on", "clean", "replay", "question",
]  # fmt: skip

EXERCISES = [
    Exercise(
        cell="tanker-exercise",
        misconception="The record that came last is the newest reading.",
        needs=[*SETUP, "tanker-topic"],
        wrong=[
            Wrong(
                "the newest by offset",
                "compare times, not offsets",
                {
                    "FROM clean JOIN sites": "FROM levels JOIN sites",
                    "arg_max(fuel, time)": 'arg_max(fuel, "offset")',
                },
            ),
            Wrong(
                "nothing is sent", "Produce one for each row", {"    producer.produce(tanker": "    dict(name=tanker"}
            ),
            Wrong("no key", "Pass the generator's id as key=", {"key=generator_id, ": ""}),
            Wrong("text that is not JSON", "Use json.dumps of a dict", {"json.dumps(": "str("}),
            Wrong(
                "another name for the field", "fields generatorID and litres", {'"litres": round': '"liters": round'}
            ),
            Wrong(
                "what is in the tank, not what it takes",
                "Subtract the newest fuel from tank_litres",
                {"tank_litres - arg_max(fuel, time) AS": "arg_max(fuel, time) AS"},
            ),
            Wrong(
                "below a quarter instead of half",
                "Compare the newest level with half of its tank_litres.",
                {"0.5 * tank_litres": "0.3 * tank_litres"},
            ),
            Wrong(
                "every generator",
                "produce its key with value=None",
                {"    HAVING arg_max(fuel, time) < 0.5 * tank_litres\n": ""},
            ),
        ],
        right={
            "in Python": """
begin(tanker)
tanks = dict(store.sql("SELECT generator_id, tank_litres FROM sites").fetchall())
newest = {}
for name, _, fuel in store.sql("SELECT generator_id, time, fuel FROM clean ORDER BY time").fetchall():
    newest[name] = fuel
for name, fuel in newest.items():
    if fuel * 2 < tanks[name]:
        producer.produce(tanker, key=name, value=json.dumps({"litres": tanks[name] - fuel, "generatorID": name}))
producer.flush(10)
""",
            "all of them first, then the full ones taken off": """
begin(tanker)
for name, tank, fuel in store.sql(
    "SELECT generator_id, tank_litres, arg_max(fuel, time) FROM measured JOIN sites USING (generator_id) GROUP BY ALL"
).fetchall():
    producer.produce(tanker, key=name, value=json.dumps({"generatorID": name, "litres": tank - fuel}))
    if fuel >= tank / 2:
        producer.produce(tanker, key=name, value=None)
producer.flush(10)
""",
        },
    ),
    Exercise(
        cell="reader-exercise",
        misconception="If two steps stand in the right order, a death between them does no harm.",
        needs=[*SETUP, "tanker-topic", "reader-run"],
        wrong=[
            Wrong(
                "rows first, then offsets, without a transaction",
                "died before their offsets were",
                {
                    "    with transaction(database):\n        append": "    append",
                    "        database.executemany": "    database.executemany",
                },
            ),
            Wrong(
                "offsets first, then rows",
                "died before the rows were",
                """
begin_reader()


def keep(database, batch):
    nexts = [list(each) for each in next_offsets(batch).items()]
    database.executemany("INSERT OR REPLACE INTO kept_offsets VALUES (?, ?)", nexts)
    append(database, "kept", batch)


run_reader(keep)
""",
            ),
            Wrong(
                "rows first, then offsets, without a transaction",
                "died before their offsets were",
                {"        database.executemany": "    database.executemany"},
            ),
            Wrong(
                "past the connection that dies",
                "it is the connection that dies",
                {
                    "with transaction(database)": "with transaction(store)",
                    "append(database": "append(store",
                    "database.executemany": "store.executemany",
                },
            ),
            Wrong("nothing is kept", "Store the batch in keep", {'        append(database, "kept", batch)\n': ""}),
            Wrong(
                "the stage is not set", "begin_reader() makes its tables", 'store.execute("DROP TABLE IF EXISTS kept")'
            ),
        ],
        right={
            "its own BEGIN and COMMIT": """
begin_reader()


def keep(database, batch):
    database.execute("BEGIN")
    for each in next_offsets(batch).items():
        database.execute("INSERT OR REPLACE INTO kept_offsets VALUES (?, ?)", each)
    append(database, "kept", batch)
    database.execute("COMMIT")


run_reader(keep)
""",
            "an identity instead of a transaction": """
begin_reader()
store.execute('CREATE UNIQUE INDEX once ON kept (partition, "offset")')


def keep(database, batch):
    store.register("batch", pd.DataFrame(rows(batch))[LEVEL])
    database.execute("SELECT 1")
    store.execute('INSERT OR IGNORE INTO kept SELECT * FROM batch')
    nexts = [list(each) for each in next_offsets(batch).items()]
    database.executemany("INSERT OR REPLACE INTO kept_offsets VALUES (?, ?)", nexts)


run_reader(keep)
""",
        },
    ),
]
