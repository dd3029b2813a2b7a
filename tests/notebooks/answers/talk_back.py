"""Answers to the exercises."""

from tests.notebooks.bank import Exercise, Wrong

PAIR = '({"do": "start"}, {"do": "set_load", "kw": 75})'
EXPIRES = "str(time.time() + 120)"
NUMBER = "uuid4().hex"
VALUE = "value=json.dumps(command)"
TOMBSTONE = 'producer.produce(f"{ns}commands-desired", key="Y-002", value=None)\n'
STATE = 'json.dumps({"running": True, "kw": 30})'
DONE = '"done" if known else "no such command"'
WAIT = "assert subscribed.wait(10)"

EXERCISES = [
    Exercise(
        cell="order-exercise",
        misconception="A command that was stored was obeyed.",
        needs=[
            "prepare",
            "topics",
            "client",
            "beside",
            "device",
            "device-connects",
            "device-obeys",
            "fleet",
            "carry",
            "carry-on",
            "request",
            "replies",
            "listen",
            "ask",
            "expiry",
            "order-device",
        ],
        wrong=[
            Wrong("load first", "start first", {PAIR: f"{PAIR}[::-1]"}),
            Wrong("no time of day", "as time.time() gives it", {f'        "expires": {EXPIRES},\n': ""}),
            Wrong("no time of day", "as time.time() gives it", {EXPIRES: 'time.strftime("%Y-%m-%dT%H:%M:%S")'}),
            Wrong("a duration", "time.time() plus some seconds", {EXPIRES: '"120"'}),
            Wrong("an hour", "at most 300 seconds", {"+ 120": "+ 3600"}),
            Wrong("one number for both", "tell their answers apart", {NUMBER: '"order-1"'}),
            Wrong("no number", "mqtt.correlation-data", {f'        "mqtt.correlation-data": {NUMBER},\n': ""}),
            Wrong("another response topic", "mqtt.response-topic is", {"{generator}/reply": "{generator}/answer"}),
            Wrong("no key", "Pass key=", {"key=generator, ": ""}),
            Wrong("not the JSON that was asked for", "json.dumps()", {VALUE: "value=str(command)"}),
            Wrong("not the JSON that was asked for", "json.dumps()", {'"kw": 75': '"kw": "75"'}),
            Wrong(
                "two partitions", "The key decides", {"key=generator, ": 'key=generator, partition="kw" in command, '}
            ),
            Wrong("asleep", "Is the generator awake?", {"begin()\n": 'begin()\ndevices["G-004"].fall_asleep()\n'}),
        ],
        right={
            "other JSON of the same meaning": {'{"do": "set_load", "kw": 75}': '{"kw": 75.0, "do": "set_load"}'},
            "headers as a list of bytes": {"headers=headers": "headers=[(k, v.encode()) for k, v in headers.items()]"},
            "a flush for each": {VALUE + ", headers=headers)": VALUE + ", headers=headers)\n    producer.flush(10)"},
        },
    ),
    Exercise(
        cell="withdraw-exercise",
        misconception="An empty value deletes a key.",
        needs=[],
        wrong=[
            Wrong("a value that only looks empty", "A tombstone has", {"value=None": 'value=""'}),
            Wrong("a value that only looks empty", "A tombstone has", {"value=None": 'value="null"'}),
            Wrong("not withdrawn at last", "Desire first", {TOMBSTONE: ""}),
            Wrong(
                "not withdrawn at last",
                "Desire first",
                {
                    "for generator in yard": f"{TOMBSTONE}for generator in yard",
                    "value=None)\nprint": "value=None) if False else None\nprint",
                },
            ),
            Wrong("other keys", "one record for each", {'["Y-001", "Y-002"]': '["Y-1", "Y-2"]'}),
            Wrong("other keys", "one record for each", {"key=generator": 'key=f"commands/{generator}/desired"'}),
            Wrong(
                "both withdrawn", "keeps its desired state", {TOMBSTONE: TOMBSTONE + TOMBSTONE.replace("002", "001")}
            ),
            Wrong("another state", "makes it from a dict", {STATE: STATE.replace("30", "300")}),
            Wrong("another state", "makes it from a dict", {STATE: STATE.replace("json.dumps", "str")}),
        ],
        right={
            "withdrawn twice": {TOMBSTONE: 2 * TOMBSTONE},
            "other JSON of the same meaning": {STATE: """'{"kw": 30.0, "running": true}'"""},
        },
    ),
    Exercise(
        cell="device-exercise",
        misconception="An answer goes to a topic that the device knows.",
        needs=[],
        wrong=[
            Wrong(
                "a fixed response topic",
                "the request says where",
                {"message.properties.ResponseTopic": 'f"{ns}commands/X-001/reply"'},
            ),
            Wrong(
                "no correlation data",
                "properties.CorrelationData =",
                {"    properties.CorrelationData = message.properties.CorrelationData\n": ""},
            ),
            Wrong("an exception", "json.loads raises ValueError", {"except ValueError": "except KeyError"}),
            Wrong("done to everything", "Only a ping", {DONE: '"done"'}),
            Wrong(
                "silence",
                "silence is not an answer",
                {"    properties = Properties": "    if not known:\n        return\n    properties = Properties"},
            ),
            Wrong("nobody listens", "Subscribe in on_connect", {"X-001/do": "X-001/ask"}),
            Wrong("nobody listens", "start the client's loop", {"maker.loop_start()\n": "", WAIT: "print(maker)"}),
            Wrong("text in place of JSON", "as JSON", {f'json.dumps({{"answer": {DONE}}})': DONE}),
        ],
        right={
            "another refusal": {f'json.dumps({{"answer": {DONE}}})': '\'{"answer": "done"}\' if known else "no!"'},
            "an error instead": {f'{{"answer": {DONE}}}': '{"answer": "done"} if known else {"error": "what?"}'},
            "at most once": {"qos=1, properties": "qos=0, properties"},
        },
    ),
]
