"""Answers to the exercises."""

from tests.notebooks.bank import Exercise, Wrong

GROW = "[done] = admin.create_partitions([NewPartitions(workshop, 4)]).values()\ndone.result(10)\n"
ALTER = "admin.incremental_alter_configs([change])[change].result(10)"
SUBSCRIBE = "auditor.subscribe([expression])"
READ = """\
while left:
    if auditor.poll(10) is None:
        raise TimeoutError("Kafka sent nothing for ten seconds")
    left -= 1
"""
KEY = '"key": "{company}/{device}"'
MAKE = """\
for entry in mapping:
    make_topic(f"{ns}{entry['topic']}", 3)
"""
PAYLOAD = "json.dumps(mapping), qos=1, retain=True)"

EXERCISES = [
    Exercise(
        cell="exercise-workshop",
        misconception="A topic is changed by making it anew, and retention counts seconds.",
        needs=["clients", "clients-connected", "topic-tools", "workshop"],
        wrong=[
            Wrong("thirty days in seconds", "Kafka counts milliseconds", {" * 1000": ""}),
            Wrong("not four partitions", "the new total", {"(workshop, 4)": "(workshop, 3)"}),
            Wrong("not four partitions", "the new total", {GROW: ""}),
            Wrong("not kept for thirty days", "wait for the result", {ALTER: "print(change)"}),
            Wrong("not kept for thirty days", "wait for the result", {"30 * 24": "7 * 24"}),
            Wrong("not kept for thirty days", "wait for the result", {"30 * 24 * 60 * 60 * 1000": "-1"}),
            Wrong(
                "made anew",
                "Change the topic in place",
                {GROW: 'make_topic(workshop, 4, config={"retention.ms": str(thirty_days)})\n'},
            ),
            Wrong("deleted", "begin_workshop() creates it", {GROW: "", ALTER: "drop_topic(workshop)"}),
        ],
        right={
            "retention first": {GROW: "", ALTER: f"{ALTER}\n{GROW}"},
            "partitions by another client": {
                "[done] = admin": "other = AdminClient(here.kafka)\n[done] = other",
                "30 * 24 * 60 * 60 * 1000": "2_592_000_000",
            },
        },
    ),
    Exercise(
        cell="exercise-yards",
        misconception="A list of today's names, or an expression that is a little too wide, is as good.",
        needs=["pattern-watchers", "yards"],
        wrong=[
            Wrong("too wide", "Write out every character", {"yards-.*": "yards.*"}),
            Wrong("too wide", "Write out every character", {"yards-.*": "yards-*"}),
            Wrong(
                "not every yard",
                "one is new each time",
                {
                    SUBSCRIBE: 'auditor.subscribe([f"{ns}yards-north", f"{ns}yards-old.west"])',
                    "re.match(expression, name)": 'name in (f"{ns}yards-north", f"{ns}yards-old.west")',
                },
            ),
            Wrong("not every yard", "one is new each time", {"yards-.*": "yards-[^.]*$"}),
            Wrong(
                "nothing read",
                'An expression begins with "^"',
                {'f"^': 'f"', READ: "print(auditor.poll(2))\n"},
            ),
            Wrong("nothing read", "while the group is forming", {READ: "print(auditor.poll(0.01))\n"}),
            Wrong("nothing read", '"earliest"', {'"earliest"': '"latest"', READ: "print(auditor.poll(2))\n"}),
            Wrong("stopped before the end", "is not the end", {"while left:": "while left > 1:"}),
        ],
        right={
            "another expression": {"yards-.*": "yards[-]"},
            "in batches": {READ: "while left:\n    left -= len(auditor.consume(left, timeout=10))\n"},
            "committed by hand": {
                '"auto.offset.reset"': '"enable.auto.commit": False, "auto.offset.reset"',
                "auditor.close()": "auditor.commit(asynchronous=False)\nauditor.close()",
            },
        },
    ),
    Exercise(
        cell="exercise-design",
        misconception="The last level of the MQTT topic, or the device alone, is a good key.",
        needs=[],
        wrong=[
            Wrong("two machines, one key", "A key may use several names", {KEY: '"key": "{device}"'}),
            Wrong("no key", "go to any partition", {f", {KEY}": ""}),
            Wrong(
                "a topic for each device",
                "Put the device into the key",
                {'-{kind}s"': '-{{company}}-{{device}}"', MAKE: ""},
            ),
            Wrong("alarms among the readings", "Retention is a setting", {'f"design-{kind}s"': '"design-readings"'}),
            Wrong("states forgotten", "a pattern for each kind", {"mapping.append(": "print("}),
            Wrong("everything twice", "Let them differ", {"{{device}}/{kind}": "{{device}}/{{kind}}"}),
            Wrong("not retained", "retain=True", {PAYLOAD: "json.dumps(mapping), qos=1)"}),
            Wrong("not JSON", "a list of objects", {PAYLOAD: "str(mapping), qos=1, retain=True)"}),
            Wrong(
                "no topics",
                "A mapping makes no topics",
                {MAKE: MAKE.replace("make_topic", "drop_topic").replace(", 3)", ")")},
            ),
            Wrong("one partition each", "Give it three or more", {", 3)": ", 1)"}),
            Wrong("a name that Kafka refuses", "letters", {'"design-states"': '"design/states"', MAKE: ""}),
        ],
        right={
            "the whole MQTT topic as the key": {KEY: '"key": "{mqtt_topic}"'},
            "a topic for each company": {
                "design-states": "design-states-{company}",
                MAKE: """\
for topic in ("design-readings", "design-alarms", "design-states-north", "design-states-south"):
    make_topic(f"{ns}{topic}", 4)
""",
            },
        },
    ),
]
