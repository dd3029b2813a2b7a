"""Answers to the exercises: a retained message, a last will, and a session that waits."""

from tests.notebooks.bank import Exercise, Wrong

BEGIN_1 = 'watch.forget("delivery/notice/G-003", retained=True)\nnotice = f"{ns}delivery/notice/G-003"\n'
BEGIN_2 = """
guard = new_client("delivery-guard", via=line, reconnect_on_failure=False)
watch.forget("delivery/guard/status", retained=True)
status = f"{ns}delivery/guard/status"
"""
BEGIN_3 = """
sunday = new_client("delivery-sunday")
connect(sunday)
leave(sunday)
"""
LEAVE = "leave(clerk)"
OFFLINE = 'guard.publish(status, "offline", qos=1, retain=True).wait_for_publish(10)'
WILL = 'guard.will_set(status, "offline", qos=1, retain=True)\n'
ONLINE = 'guard.publish(status, "online", qos=1, retain=True)'
SESSION = "properties=properties(PacketTypes.CONNECT, SessionExpiryInterval=3600)"

EXERCISES = [
    Exercise(
        cell="exercise-1",
        misconception="QoS 1 or 2 makes the broker keep a message for those who come later.",
        needs=["clients", "clients-made", "clients-used"],
        wrong=[
            Wrong("not retained", "Which argument of publish()", {", retain=True": ""}),
            Wrong("not retained", "receives nothing", {"qos=1, retain=True": "qos=2"}),
            Wrong("another text", "Publish half full the same", {"half full": "half empty"}),
            Wrong(
                "another text",
                "Publish half full the same",
                {LEAVE: 'clerk.publish(notice, "full", qos=1, retain=True).wait_for_publish(10)\n' + LEAVE},
            ),
            Wrong(
                "cleared again",
                "clears the topic",
                {LEAVE: 'clerk.publish(notice, b"", qos=1, retain=True).wait_for_publish(10)\n' + LEAVE},
            ),
            Wrong("nothing came to the topic", "Check the spelling", {'notice/G-003"\nc': 'Notice/G-003"\nc'}),
            Wrong(
                "nothing came to the topic",
                "Nothing was published",
                BEGIN_1
                + """
clerk = new_client("delivery-clerk")
clerk.will_set(notice, "half full", qos=1, retain=True)
connect(clerk)
leave(clerk)
""",
            ),
        ],
        right={
            "QoS 0, and a word before it": BEGIN_1
            + """
clerk = new_client("delivery-clerk")
connect(clerk)
for text in (b"full", b"half full"):
    clerk.publish(notice, text, retain=True)
leave(clerk)
""",
            "as a will": BEGIN_1
            + """
clerk = new_client("delivery-clerk", via=line, reconnect_on_failure=False)
clerk.will_set(notice, "half full", qos=1, retain=True)
connect(clerk, via=line)
line.cut()
""",
        },
    ),
    Exercise(
        cell="exercise-2",
        misconception="The broker publishes the will whenever a client is gone, and a will is retained by itself.",
        needs=["clients", "clients-made", "clients-used"],
        wrong=[
            Wrong("nothing published", "publish online there first", BEGIN_2 + WILL + "connect(guard, via=line)"),
            Wrong("no will", "will_set() comes before", {WILL: ""}),
            Wrong(
                "no will",
                "no will was published",
                {
                    WILL: "",
                    "wait_for_publish(10)": f"wait_for_publish(10)\n{WILL}",
                },
            ),
            Wrong("a will that is not retained", "A will can be retained", {WILL: WILL.replace(", retain=True", "")}),
            Wrong("a will of other words", "payload must be offline", {'"offline"': '"gone"'}),
            Wrong(
                "online is not retained",
                "Publish the status as a retained",
                {ONLINE: ONLINE.replace(", retain=True", "")},
            ),
            Wrong("not through the line", "line.host and line.port", {", via=line": ""}),
            Wrong("left", "Leave it connected", {"wait_for_publish(10)": "wait_for_publish(10)\nleave(guard)"}),
            Wrong(
                "offline already",
                "The line is still up",
                {"wait_for_publish(10)": f"wait_for_publish(10)\n{OFFLINE}"},
            ),
        ],
        right={
            "online in on_connect, and again after a cut": """
guard = new_client("delivery-guard", via=line)
watch.forget("delivery/guard/status", retained=True)
status = f"{ns}delivery/guard/status"
published = Queue()
guard.on_connect = lambda client, *_: client.publish(status, b"online", retain=True)
guard.on_publish = lambda *_: published.put("yes")
guard.will_set(status, b"offline", retain=True)
guard.connect(line.host, line.port)
guard.loop_start()
published.get(timeout=10)
""",
            "another client, with a session": BEGIN_2
            + """
guard = new_client("delivery-watchman", via=line, reconnect_on_failure=False)
guard.will_set(status, "offline", qos=2, retain=True)
connect(guard, via=line, keepalive=5, properties=properties(PacketTypes.CONNECT, SessionExpiryInterval=60))
guard.publish(status, "online", qos=2, retain=True).wait_for_publish(10)
""",
        },
    ),
    Exercise(
        cell="exercise-3",
        misconception="A subscription outlives the client's connection.",
        needs=["clients", "clients-made", "clients-used"],
        wrong=[
            Wrong("no session that outlives the connection", "see SessionExpiryInterval", BEGIN_3),
            Wrong("no session that outlives the connection", "has no session", {", " + SESSION: ""}),
            Wrong("no session that outlives the connection", "has no session", {"3600": "0"}),
            Wrong("too few topics", "however many levels", {"sunday/#": "sunday/+"}),
            Wrong("too few topics", "gets nothing", {'subscribe(sunday, f"{ns}delivery/sunday/#", qos=1)\n': ""}),
            Wrong("a subscription with QoS 0", "The subscription has a QoS", {"qos=1": "qos=0"}),
            Wrong("stayed", "Let the client disconnect", {"qos=1)\nleave(sunday)": "qos=1)"}),
        ],
        right={
            "plain paho, QoS 2": BEGIN_3
            + """
plain = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"{ns}delivery-sunday", protocol=mqtt.MQTTv5)
plain.on_connect = lambda client, *_: client.subscribe(f"{ns}delivery/sunday/#", 2)
plain.on_subscribe = lambda client, *_: client.disconnect()
session = properties(PacketTypes.CONNECT, SessionExpiryInterval=600)
plain.connect(here.mqtt.host, here.mqtt.port, clean_start=False, properties=session)
plain.loop_forever()
""",
            "a session that ends when the client says so, never": {"3600": "0xFFFFFFFF", "sunday/#": "#"},
        },
    ),
]
