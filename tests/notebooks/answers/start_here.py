"""Answers to the exercises: a greeting on each broker."""

from tests.notebooks.bank import Exercise, Wrong

BEGIN_1 = 'topic = f"{here.ns}hello/me"\nwatch.forget("hello/#")\n'
BEGIN_2 = """
topic = f"{here.ns}hello-me"
while topic in admin.list_topics(timeout=15).topics:
    admin.delete_topics([topic])[topic].exception(timeout=15)
producer = Producer({**here.kafka})
"""
MAKE = "admin.create_topics([NewTopic(topic, num_partitions=1)])[topic].result(timeout=15)\n"
PUBLISH = 'client.publish(topic, "Hello from me", qos=1)'
PRODUCE = 'producer.produce(topic, value="Hello from me")'

EXERCISES = [
    Exercise(
        cell="greet-exercise",
        misconception="What publish() was called with has reached the broker, connected or not, whatever the topic.",
        needs=["mqtt-client"],
        wrong=[
            Wrong("nothing reached the broker", "Connect, call loop_start", BEGIN_1),
            Wrong(
                "nothing reached the broker",
                "Nothing has come to hello/me",
                {"client.connect(here.mqtt.host, here.mqtt.port)\n": "", "(timeout=10)": "(timeout=0.5)"},
                raises="RuntimeError",
            ),
            Wrong(
                "nothing reached the broker",
                "Connect, call loop_start",
                {
                    f"sent = {PUBLISH}": "client.subscribe(topic)",
                    "sent.wait_for_publish(timeout=10)\n": "",
                    "sent.is_": "client.is_",
                    "published()": "connected()",
                },
            ),
            Wrong("another topic", "something came to hello/Me", {"hello/me": "hello/Me"}),
            Wrong("another topic", "something came to hello/me/", {"hello/me": "hello/me/"}),
            Wrong("another topic", "something came to hello/world", {"hello/me": "hello/world"}),
            Wrong("no text", "second argument", {', "Hello from me"': ""}),
            Wrong("no text", "it was empty", {'"Hello from me"': '" "'}),
        ],
        right={
            "published when the connection is there, without an acknowledgement": BEGIN_1
            + """
client = new_client("hello-me")
client.on_connect = lambda client, *_: client.publish(topic, b"Good morning")
client.on_publish = lambda client, *_: client.disconnect()
client.connect(here.mqtt.host, here.mqtt.port)
client.loop_forever()
""",
            "paho's function for one message": BEGIN_1
            + """
import paho.mqtt.publish

paho.mqtt.publish.single(topic, "Hello", qos=2, hostname=here.mqtt.host, port=here.mqtt.port)
""",
        },
    ),
    Exercise(
        cell="keep-exercise",
        misconception="A Kafka topic appears when somebody writes to it, as an MQTT topic does.",
        needs=["mqtt-client", "kafka-topic", "kafka-produce"],
        wrong=[
            Wrong(
                "the topic was not made",
                "create_topics returns",
                BEGIN_2 + 'Producer({**here.kafka}).produce(topic, value="Hello from me")',
            ),
            Wrong("another name", "hello_me does", BEGIN_2 + 'topic = f"{here.ns}hello_me"\n' + MAKE + PRODUCE),
            Wrong("the record never left", "call flush(10)", BEGIN_2 + MAKE),
            Wrong(
                "the record never left",
                "it is empty",
                BEGIN_2 + MAKE + 'Producer({**here.kafka}).produce(topic, value="Hello from me")',
            ),
            Wrong("a record without a value", "Pass the text as value=", {"value=": "key="}),
            Wrong("a record without a value", "a record without a value", {'"Hello from me"': '""'}),
            Wrong(
                "written to another topic",
                "produce's first argument",
                {PRODUCE: PRODUCE.replace("topic", "kafka_topic")},
            ),
        ],
        right={
            "several partitions, a key, two records": BEGIN_2
            + """
admin.create_topics([NewTopic(topic, num_partitions=3)])[topic].exception(timeout=15)
for name in ("Ana", "Ben"):
    producer.produce(topic, f"Hello from {name}", name)
producer.flush(10)
""",
            "a producer of one's own, and its report": BEGIN_2
            + MAKE
            + """
own = Producer({**here.kafka, "acks": "all"})
own.produce(topic, b"Hello", on_delivery=lambda error, record: print(error, record.offset()))
own.flush(10)
""",
        },
    ),
]
