"""Answers to the exercises."""

from tests.notebooks.bank import Exercise, Wrong

TAKE = "    entry = SimpleNamespace(message=message, stored=False)\n"
ACK = "client.ack(message.mid, message.qos)"
WHILE = "while time.monotonic() < active + 2:"
KEY = 'json.loads(message.payload)["generatorID"]'
CONNECT = "client.connect(lab_line.host, lab_line.port, clean_start=False, properties=persistent())"

# A bridge without a queue: what on_message does with a message is all that happens to it.
AT_ONCE = """
fill_session()
producer = Producer({{**here.kafka, "enable.idempotence": True, "linger.ms": {linger}}})
active = time.monotonic()


def take(client, userdata, message):
    global active
    active = time.monotonic()
    try:
        topic, key, headers = "bridge-exercise", json.loads(message.payload)["generatorID"], []
    except ValueError as error:
        topic, key, headers = "bridge-exercise-dead", None, [("dead-letter.reason", str(error))]
    producer.produce(f"{{here.ns}}{{topic}}", key=key, value=message.payload, headers=headers)
    {then}


client = new_client("bridge-exercise", via=lab_line)
client.on_message = take
client.connect(lab_line.host, lab_line.port, clean_start=False, properties=persistent())
while time.monotonic() < active + 2:
    client.loop(0.1)
client.disconnect()
print(producer.flush(10))
"""

NAME = "name = name_of(record.key().decode(), record.headers())"
NEW = "if name not in seen:"
PRODUCE = 'to_lab.produce(f"{here.ns}bridge-once", key=record.key(), value=record.value(), headers=record.headers())'
LOOP = """\
for _ in range(sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)):
    record = consumer.poll(10)
    assert record is not None, "Kafka sent nothing for ten seconds"
"""
BEGIN = """\
for place in places:
    place.offset = 0
consumer.assign(places)
"""
PATIENCE = {"time.monotonic() + 20": "time.monotonic() + 2"}

EXERCISES = [
    Exercise(
        cell="session-exercise",
        misconception="A message may be acknowledged when it was handed to the producer.",
        needs=["scratch", "client", "program", "session-tools", "session-filled"],
        wrong=[
            Wrong(
                "acknowledged before it is stored",
                "paho acknowledges when on_message returns",
                AT_ONCE.format(linger=5, then="producer.poll(0)"),
            ),
            Wrong(
                "acknowledged before it is stored",
                "Acknowledge after the delivery report",
                {TAKE: f"{TAKE}    {ACK}\n", f"        {ACK}": "        print(message.mid)"},
            ),
            Wrong("never acknowledged", "Call client.ack", {ACK: "print(message.mid)"}),
            Wrong("no session asked for", "without persistent()", {", properties=persistent()": ""}),
            Wrong("the session discarded", "clean_start=False and", {"clean_start=False": "clean_start=True"}),
            Wrong(
                "past the line",
                "Connect to lab_line.host",
                {"lab_line.host, lab_line.port": "here.mqtt.host, here.mqtt.port"},
            ),
            Wrong(
                "killed by poison",
                "An exception in on_message ends the loop",
                {"except (ValueError, KeyError, TypeError)": "except KeyError"},
                raises="JSONDecodeError",
            ),
            Wrong("another key", "the id of its generator", {KEY: f"{KEY} + message.topic"}),
            Wrong(
                "poison dropped",
                "Catch the error of json.loads, and produce",
                {"    def stored(": "    if headers:\n        entry.stored = True\n        return\n\n    def stored("},
            ),
            Wrong("dead letters without a reason", "Pass headers=", {", headers=headers": ""}),
            Wrong(
                "stopped after sixty",
                "They still wait in the session",
                {WHILE: "acked = []\nwhile len(acked) < 60:", ACK: f"acked.append({ACK})"},
            ),
            Wrong(
                "disconnected before the last reports",
                "Disconnect when the last report has come",
                {
                    "waiting = deque()": "waiting, received = deque(), []",
                    TAKE: f"{TAKE}    received.append(entry)\n",
                    WHILE: "while len(received) < 200:",
                },
            ),
        ],
        right={
            "one after the other": AT_ONCE.format(linger=0, then="assert producer.flush(10) == 0"),
            "on the network thread": {
                TAKE: TAKE.replace("stored=False", "stored=False, client=client"),
                CONNECT: f"{CONNECT}\nclient.loop_start()",
                "    client.loop(0.1)\n    safe.poll(0)": "    safe.poll(0.1)",
            },
            "in the order of the reports": {
                "        entry.stored = True": f"        {ACK}\n        waiting.remove(entry)",
            },
        },
    ),
    Exercise(
        cell="twice-exercise",
        misconception="A sequence number is the name of a reading.",
        needs=["twice"],
        wrong=[
            Wrong("nothing taken out", "remember those that you have written", {NEW: "if True:"}),
            Wrong("the value as the name", "equal values", {NAME: "name = record.value()"}),
            Wrong("without the boot", "What else is in the headers", {NAME: f"{NAME}[::2]"}),
            Wrong("without the generator", "Every generator counts", {NAME: f"{NAME}[2]"}),
            Wrong("without the generator", "Every generator counts", {NAME: f"{NAME}[1:]"}),
            Wrong("headers lost", "Pass on headers", {", headers=record.headers())": ")"}),
            Wrong("keys lost", "Pass on key", {"key=record.key(), value": "value"}),
            Wrong("value changed", "unchanged", {"value=record.value()": 'value=record.value() + b" "'}),
            Wrong("not read to the end", "up to the end offsets", {LOOP: "while record := consumer.poll(0.01):\n"}),
            Wrong(
                "not read to the end",
                'Begin at "earliest"',
                {'"earliest"': '"latest"', LOOP: "while record := consumer.poll(3):\n"},
            ),
            Wrong("not all written", "flush it at the end", {NEW: "if name not in seen and len(seen) < 100:"}),
            Wrong("all written twice", "begin with write_twice()", {PRODUCE: f"{PRODUCE}\n        {PRODUCE}"}),
        ],
        right={
            "all headers as the name": {NAME: "name = record.key(), *map(tuple, record.headers())"},
            "the highest number of each boot": {
                "seen = set()": "highest = {}",
                NEW: "if name[2] > highest.get(name[:2], 0):",
                "seen.add(name)": "highest[name[:2]] = name[2]",
            },
            "without a group": {
                'consumer.subscribe([f"{here.ns}bridge-twice"])\n': "",
                "for _ in range(": BEGIN + "for _ in range(",
            },
        },
    ),
    Exercise(
        cell="yard-exercise",
        misconception="A bridge knows by itself what the key is, and what is poison.",
        needs=["helper-refuses", "yard"],
        wrong=[
            Wrong(
                "nothing can arrive in the topic",
                "The pattern is",
                {"/readings": "/reading", **PATIENCE},
                raises="BridgeError",  # from the second time on, the session has two filters
            ),
            Wrong(
                "nothing can arrive in the topic",
                "The pattern is",
                {'topic=f"{here.ns}bridge-yard"': 'topic=f"{here.ns}bridge-once"'},
            ),
            Wrong(
                "a key that is not the generator", "the id of its generator", {'key="{device}"': 'key="{mqtt_topic}"'}
            ),
            Wrong("a key that is not the generator", "the id of its generator", {', key="{device}"': ""}),
            Wrong("no serializer", 'serializer="json"', {'    serializer="json",\n': ""}),
            Wrong("nothing published", "Call publish_yard()", {"    publish_yard()\n": "", **PATIENCE}),
            Wrong(
                "carried by hand",
                "Use helpers.bridge",
                """
begin_yard()
publish_yard()
for each in Fleet(size=6).readings(seconds=20):
    to_lab.produce(f"{here.ns}bridge-yard", key=each.generator_id, value=each.to_json())
print(to_lab.flush(10))
""",
            ),
        ],
        right={
            "another name for the level": {"{device}": "{generator}"},
            "more patience": {"    deadline = time.monotonic() + 20\n": "", " and time.monotonic() < deadline": ""},
        },
    ),
]
