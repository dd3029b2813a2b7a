"""Answers to the exercises: a fleet published well, a dashboard, and a sorter that survives bad payloads."""

from tests.notebooks.bank import Exercise, Wrong

BEGIN_1 = """
watch.forget("depot/#")
depot = new_client("depot-publisher")
depot.connect(here.mqtt.host, here.mqtt.port, keepalive=30)
depot.loop_start()
"""
TOPIC, PAYLOAD = "depot/{reading.generator_id}", "reading.to_json(), qos=1"
HEADERS = "properties.UserProperty = reading.headers()"
SUBSCRIBE = 'client.subscribe(f"{here.ns}generators/+")'
APPEND = "    inbox.append(message)\n"
FUEL = 'f"{here.ns}depot/fuel/{generator_id}"'
BAD = 'f"{here.ns}depot/bad/{generator_id}"'
READ = 'fuel = read(message.payload)["fuel"]'

EXERCISES = [
    Exercise(
        cell="publish-exercise",
        misconception="The topic says what kind of message it is, and everything else belongs into the payload.",
        needs=["new-client", "publish-designs"],
        wrong=[
            Wrong("nothing published", "Build the topic", BEGIN_1),
            Wrong("one topic for all", "The topic ends with the id", {TOPIC: "depot"}),
            Wrong("one topic for all", "The topic ends with the id", {TOPIC: "depot/readings"}),
            Wrong("one generator only", "Publish inside the loop", {"fleet.step(1)": "fleet.step(1)[:1]"}),
            Wrong("no user properties", "Pass reading.headers()", {HEADERS: "", ", properties=properties": ""}),
            Wrong("no user properties", "no user property time", {"reading.headers()": "reading.headers()[:1]"}),
            Wrong(
                "not the six fields",
                "exactly six fields",
                {PAYLOAD: "json.dumps(reading.value() | dict(reading.headers())), qos=1"},
            ),
            Wrong(
                "not the six fields", "not a complete reading", {PAYLOAD: 'json.dumps({"fuel": reading.fuel}), qos=1'}
            ),
            Wrong("not JSON", "reading.to_json() is the payload", {PAYLOAD: "str(reading.value()), qos=1"}),
            Wrong(
                "readings under another's topic",
                "Look at reading.generator_id",
                {TOPIC: "depot/G-00{7 - int(reading.generator_id[-1])}"},
            ),
            Wrong(
                "values made up", "Change nothing", {PAYLOAD: 'json.dumps(reading.value() | {"fuel": 500.0}), qos=1'}
            ),
            Wrong(
                "values made up",
                "Change nothing",
                {"reading.headers()": '[("seq", "1"), ("time", "now"), ("boot", "1")]'},
            ),
            Wrong(
                "values made up",
                "Change nothing",
                {PAYLOAD: "json.dumps(reading.value() | {'fuel': round(reading.fuel)}), qos=1"},
            ),
        ],
        right={
            "an hour later, formatted for people, and retained": {
                "fleet.step(1)": "fleet.step(3600)",
                PAYLOAD: "json.dumps(reading.value(), indent=2), qos=2, retain=True",
            },
            "a message and a property more": BEGIN_1
            + """
sent = []
for reading in fleet.readings(seconds=2):
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("unit", "l"), *reading.headers()]
    sent.append(depot.publish(f"{here.ns}depot/{reading.generator_id}", reading.to_json(), 1, properties=properties))
for each in sent:
    each.wait_for_publish(10)
""",
        },
    ),
    Exercise(
        cell="dashboard-exercise",
        misconception="A filter is a topic, or the beginning of one; and once subscribed, messages are kept somewhere.",
        needs=["new-client", "publish-designs", "publish-fleet", "dashboard"],
        faster={"seconds=5": "seconds=1.5"},
        wrong=[
            Wrong("nothing in the inbox", "Subscribe in on_connect", {SUBSCRIBE: "pass"}),
            Wrong("nothing in the inbox", "append to inbox", {APPEND: "    pass\n"}),
            Wrong("nothing in the inbox", "drew nothing", {'generators/+")': 'generators")'}),
            Wrong(
                "nothing in the inbox",
                "drew nothing",
                {APPEND: "    inbox.append(message.payload)\n"},
                raises="AttributeError",
            ),
            Wrong("some generators only", "never G-002", {"generators/+": "generators/G-001"}),
            Wrong(
                "some generators only",
                "never G-003",
                {SUBSCRIBE: 'client.subscribe([(f"{here.ns}generators/G-001", 0), (f"{here.ns}generators/G-002", 0)])'},
            ),
            Wrong("another figure", "Leave update as it is", {'reading["temperature"]': 'reading["fuel"]'}),
            Wrong("another figure", "no generator reported", {'json.dumps(reading["temperature"])': '"99.9"'}),
        ],
        right={
            "all levels below, and the other end of the deque": {
                "generators/+": "generators/#",
                "inbox.append": "inbox.appendleft",
                "inbox.popleft": "inbox.pop",
            },
            "six subscriptions": {
                SUBSCRIBE: 'client.subscribe([(f"{here.ns}generators/G-00{number}", 1) for number in range(1, 7)])'
            },
        },
    ),
    Exercise(
        cell="sorter-exercise",
        misconception="A message is what the sender promised, and an exception in a callback shows.",
        needs=["new-client", "loop", "listening", "publish-designs", "careful"],
        wrong=[
            Wrong("no sorter", "Set on_connect and on_message", {"sorter.on_message = sort\n": ""}),
            Wrong(
                "no sorter",
                "leave the sorter connected",
                {"assert sorter_ready.wait(10)": "sorter_ready.wait(10)\nsorter.disconnect()"},
            ),
            Wrong("the wrong level", "Keep the last level", {'split("/")[-1]': 'split("/")[-2]'}),
            Wrong(
                "everything is bad",
                'The payload was {"fuel"',
                {'read(message.payload)["fuel"]': 'read(message)["fuel"]'},
            ),
            Wrong(
                "dies of a bad payload",
                "ends the network thread",
                {"(ValueError, TypeError)": "KeyError"},
            ),
            Wrong("dies of a bad payload", "[500]", {"(ValueError, TypeError)": "ValueError"}),
            Wrong(
                "silent about bad payloads",
                "Publish the reason",
                {f"client.publish({BAD}, str(error), qos=1)": "pass"},
            ),
            Wrong(
                "trusts any fuel",
                "Is its fuel there",
                {
                    'read(message.payload)["fuel"]': 'json.loads(message.payload)["fuel"]',
                    "(ValueError, TypeError)": "(ValueError, TypeError, KeyError)",
                },
            ),
            Wrong("the number wrapped", "Publish the number alone", {"json.dumps(fuel)": 'json.dumps({"fuel": fuel})'}),
            Wrong(
                "answers twice",
                "Answer each message once",
                {"    try:\n": f"    client.publish({BAD}, b'so far')\n    try:\n"},
            ),
        ],
        right={
            "with a check of its own": """
sorter = new_client("depot-sorter")


def sort(client, userdata, message):
    pile, text = "bad", "not a reading"
    try:
        fuel = dict(json.loads(message.payload)).get("fuel")
        if isinstance(fuel, (int, float)):
            pile, text = "fuel", fuel
    except Exception as error:
        text = repr(error)
    client.publish(message.topic.replace("/in/", f"/{pile}/"), text)


sorter.on_message = sort
sorter.connect(here.mqtt.host, here.mqtt.port)
granted = threading.Event()
sorter.on_subscribe = lambda *_: granted.set()
sorter.on_connect = lambda client, *_: client.subscribe(f"{here.ns}depot/in/#")
sorter.loop_start()
granted.wait(10)
""",
            "the callback of one filter": {
                "sorter.on_message = sort": 'sorter.message_callback_add(f"{here.ns}depot/in/+", sort)',
                "json.dumps(fuel)": 'f"{fuel:.2f}"',
            },
        },
    ),
]
