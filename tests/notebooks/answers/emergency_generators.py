"""Answers to the exercises: a reading, the generator that leaks, and a reading in few bytes."""

from tests.notebooks.bank import Exercise, Wrong

BEGIN_1 = 'topic = "fleet-exercise/reading"\nwatch.forget("fleet-exercise/#")\n'
BEGIN_2 = 'topic = "fleet-exercise/leak"\nwatch.forget("fleet-exercise/#")\n'
BEGIN_3 = """
topic = "fleet-exercise/small"
watch.forget("fleet-exercise/#")
reading = fleet.step(1)[0]
hand_in("fleet/G-001", reading.to_json())
value = reading.value()
"""
ROUND = 'for field in ("temperature", "pressure", "fuel"):\n    value[field] = round(value[field])\n'
COMPACT = 'hand_in(topic, json.dumps(value, separators=(",", ":")))\n'
NEEDS = ["first-reading", "sizes", "hand-in"]

EXERCISES = [
    Exercise(
        cell="reading-exercise",
        misconception="What Python prints of a value is JSON.",
        needs=NEEDS,
        wrong=[
            Wrong(
                "text as Python prints it", "Single quotes are Python", {"reading.to_json()": "str(reading.value())"}
            ),
            Wrong("text as Python prints it", "Single quotes are Python", {"reading.to_json()": "repr(reading)"}),
            Wrong("another generator", "a reading of G-004", {"G-003": "G-004"}),
            Wrong(
                "no JSON object",
                "Use reading.to_json(), or json.dumps",
                BEGIN_1 + "hand_in(topic, json.dumps([each.value() for each in fleet.step(1)]))",
            ),
            Wrong(
                "a field too many",
                "Sequence number and time travel beside the value",
                {"reading.to_json()": "json.dumps(reading.value() | dict(reading.headers()))"},
            ),
            Wrong(
                "a field left out",
                "All six are needed",
                {"reading.to_json()": 'json.dumps({"generatorID": "G-003", "fuel": reading.fuel})'},
            ),
            Wrong(
                "numbers as text",
                "numbers without quotes",
                {"reading.to_json()": "json.dumps({name: str(each) for name, each in reading.value().items()})"},
            ),
            Wrong(
                "values made up",
                "Leave the position as it is",
                {"reading.to_json()": 'json.dumps(dict.fromkeys(reading.value(), 1) | {"generatorID": "G-003"})'},
            ),
            Wrong("another topic", "Every character counts", {"fleet-exercise/reading": "fleet-exercise/Reading"}),
            Wrong("nothing published", "publishes to it", BEGIN_1 + "reading = fleet.step(1)[2]"),
        ],
        right={
            "by its place, with spaces": BEGIN_1 + "hand_in(topic, json.dumps(fleet.step(60)[2].value(), indent=2))",
            "in a loop": BEGIN_1
            + """
for reading in fleet.readings(seconds=2):
    if reading.generator_id == "G-003":
        hand_in(topic, reading.to_json())
""",
        },
    ),
    Exercise(
        cell="leak-exercise",
        misconception="What a tank holds in the morning tells who stole from it and which one leaks.",
        needs=["fleet-map", *NEEDS, "panel", "night"],
        wrong=[
            Wrong("the robbed one", "That was a theft", BEGIN_2 + 'hand_in(topic, "G-005")'),
            Wrong("one that lost nothing", "as much fuel in the morning", BEGIN_2 + 'hand_in(topic, "G-001")'),
            Wrong("one that lost nothing", "as much fuel in the morning", BEGIN_2 + 'hand_in(topic, "G-012")'),
            Wrong(
                "not an id", "Publish the id alone", BEGIN_2 + 'hand_in(topic, json.dumps({"generatorID": "G-010"}))'
            ),
            Wrong("not an id", "Publish the id alone", BEGIN_2 + 'hand_in(topic, "G-013")'),
            Wrong("not an id", "Publish the id alone", BEGIN_2 + 'hand_in(topic, "G-10")'),
            Wrong("another topic", "Every character counts", BEGIN_2 + 'hand_in("fleet-exercise/leaks", "G-010")'),
            Wrong("nothing published", "publishes to it", BEGIN_2 + 'print("G-010")'),
        ],
        right={
            "as JSON": BEGIN_2 + 'hand_in(topic, json.dumps("G-010"))',
            "by the longest time between the first loss and the last": BEGIN_2
            + """
frame = pd.DataFrame({"id": each.generator_id, "fuel": each.fuel} for each in night_readings)
steps = frame.groupby("id")["fuel"].nunique()
hand_in(topic, steps.idxmax())
""",
        },
    ),
    Exercise(
        cell="small-exercise",
        misconception="A message is as small as its values.",
        needs=NEEDS,
        wrong=[
            Wrong(
                "the spaces are still there",
                "an argument for the separators",
                BEGIN_3 + ROUND + "hand_in(topic, json.dumps(value))",
            ),
            Wrong("the decimals are still there", "How precise must", BEGIN_3 + COMPACT),
            Wrong(
                "shorter names",
                "All six are needed",
                BEGIN_3 + ROUND + "value = {name[:3]: each for name, each in value.items()}\n" + COMPACT,
            ),
            Wrong("values far off", "no further", {"round(value[field])": "round(value[field], -2)"}),
            Wrong("values far off", "no further", {"round(value[field])": "0"}),
            Wrong(
                "the position rounded",
                "fewer would point at a neighbour",
                {'("temperature", "pressure", "fuel")': '("lat", "lon", "temperature", "pressure", "fuel")'},
            ),
            Wrong(
                "no JSON object",
                "Use reading.to_json(), or json.dumps",
                BEGIN_3 + 'hand_in(topic, struct.pack("<5s5f", b"G-001", *list(value.values())[1:]))',
            ),
            Wrong(
                "another generator",
                "G-001 is asked for",
                {"for field in": 'value["generatorID"] = "G-002"\nfor field in'},
            ),
            Wrong("nothing published", "publishes to it", BEGIN_3 + ROUND),
        ],
        right={
            "cut off, not rounded": BEGIN_3 + ROUND.replace("round(", "int(") + COMPACT,
            "an hour later, the spaces taken out": "fleet.step(3600)\n"
            + BEGIN_3
            + ROUND
            + 'hand_in(topic, json.dumps(value).replace(" ", "").encode())',
        },
    ),
]
