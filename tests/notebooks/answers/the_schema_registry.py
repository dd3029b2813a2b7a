"""Answers to the exercises."""

from tests.notebooks.bank import Exercise, Wrong

COMPATIBILITY = 'registry.set_compatibility(f"{tank}-value", "BACKWARD")'
SERIALIZED = "serialize(reading, SerializationContext(tank, MessageField.VALUE))"
KEY = "serialize_key(reading.generator_id, SerializationContext(tank, MessageField.KEY))"
READ = "_, reason = read_or_reason(message)"
NARROW = """\
try:
            deserialize(message.value(), SerializationContext(mixed, MessageField.VALUE))
            reason = ""
        except SerializationError as error:
            reason = str(error)"""
NEXT = """\
while unread(consumer, mixed):
        message = next_record(consumer)"""
HEADERS = 'headers=[("dead-letter.reason", reason)],'
HOURS = 'draft["properties"]["hours"] = {"type": "number", "minimum": 0}'
REGISTER = 'registry.register_schema(service_subject, Schema(json.dumps(draft), "JSON"))'
REQUIRE = 'draft["required"].append("hours")\n'
NONE = 'registry.set_compatibility(service_subject, "NONE")\n'
BACKWARD = '\nregistry.set_compatibility(service_subject, "BACKWARD")'

# The broker answers unread() only when it has answered the fetch before it, which waits half a second for more records.
_AT_ONCE = {'"group.id": group,': '"group.id": group, "fetch.wait.max.ms": 20,'}

EXERCISES = [
    Exercise(
        cell="exercise-contract",
        misconception="A schema in the registry makes Kafka check the records.",
        needs=[
            "plain-topic",
            "plain-write",
            "reader-tools",
            "plain-read",
            "contract",
            "register",
            "serializer",
            "serializing-producer",
            "predict-wire",
            "reveal-wire",
            "deserializer",
            "rogue-own",
            "predict-rogue",
            "reveal-rogue",
            "read-or-reason",
            "start-over",
        ],
        wrong=[
            Wrong("the registry's default compatibility", "set_compatibility", {COMPATIBILITY: ""}),
            Wrong("JSON without a frame", "Let JSONSerializer", {SERIALIZED: "json.dumps(reading.value())"}),
            Wrong(
                "keys by chance",
                "Pass the generator's id as key=",
                {KEY: "str(number)", "for reading in take(12)": "for number, reading in enumerate(take(12))"},
            ),
            Wrong("too few", "ten or more", {"take(12)": "take(5)"}),
            Wrong("too few", "ten or more", {"take(12)": "12 * take(1)"}),
            Wrong(
                "a subject named like the topic",
                "with -value at the end",
                {'register_schema(f"{tank}-value"': "register_schema(tank", COMPATIBILITY: ""},
                raises="SchemaRegistryError",
            ),
            Wrong(
                "an open schema",
                "Keep additionalProperties",
                {
                    COMPATIBILITY: f'loose = json.dumps(schema | {{"additionalProperties": True}})\n{COMPATIBILITY}',
                    "schema_text": "loose",
                },
            ),
            Wrong(
                "a schema that requires less",
                "keep everything in it",
                {
                    COMPATIBILITY: f'less = json.dumps(schema | {{"required": ["fuel"]}})\n{COMPATIBILITY}',
                    "schema_text": "less",
                },
            ),
            Wrong("no record", "produce to it, and flush", {"take(12)": "take(0)"}),
        ],
        right={
            "registered by the serializer": {', conf={"auto.register.schemas": False}': ""},
            "a serializing producer": """
from confluent_kafka import SerializingProducer

tank = f"{ns}tank-readings"
registry = start_over(tank)
make_topic(tank)
registry.register_schema(f"{tank}-value", Schema(schema_text, "JSON"))
registry.set_compatibility(f"{tank}-value", "BACKWARD")
serializers = {"key.serializer": serialize_key, "value.serializer": JSONSerializer(schema_text, registry, to_dict)}
sender = SerializingProducer({**here.kafka, **serializers})
for reading in take(10):
    sender.produce(tank, key=reading.generator_id, value=reading)
sender.flush(10)
""",
        },
    ),
    Exercise(
        cell="exercise-dead",
        misconception="A record that cannot be read always raises SerializationError.",
        needs=["mixed"],
        faster=_AT_ONCE,
        wrong=[
            Wrong(
                "one kind of error caught",
                "Not every bad record raises SerializationError",
                {READ: NARROW},
                raises="SchemaRegistryError",
            ),
            Wrong("nothing for the end", "while the group is forming", {NEXT: "while message := consumer.poll(0.01):"}),
            Wrong("bad records skipped", "produce its dead letter first", {"if reason:": "if reason and False:"}),
            Wrong("bytes changed", "bytes on unchanged", {"value=message.value(),": "value=message.value()[5:],"}),
            Wrong("no key", "the record's own key", {"key=message.key(),": ""}),
            Wrong("no reason", "Add a header", {HEADERS: ""}),
            Wrong("good ones, too", "Dead-letter only", {"if reason:": "if True:"}),
            Wrong(
                "stopped too early",
                "go on while unread()",
                {NEXT: NEXT.replace("while unread(consumer, mixed)", "for _ in range(9)")},
            ),
            Wrong(
                "stopped too early",
                "go on while unread()",
                {NEXT: NEXT.replace("while unread(consumer, mixed)", "for _ in range(13)")},
            ),
        ],
        right={
            "all headers kept": {HEADERS: 'headers=[("dead-letter.reason", reason), ("dead-letter.by", "me")],'},
            "a partition assigned": {"consumer.subscribe([mixed])": "consumer.assign([TopicPartition(mixed, 0, 0)])"},
            "committed at the end": {
                "consumer.commit(message, asynchronous=False)\nfinally:": "if message.offset() == 14:\n"
                "            consumer.commit(asynchronous=False)\nfinally:",
                "while unread(consumer, mixed)": "for _ in range(15)",
            },
        },
    ),
    Exercise(
        cell="exercise-evolve",
        misconception="A new field must be required, or it is not part of the contract.",
        needs=["service"],
        wrong=[
            Wrong("no second version", "409", {REGISTER: REQUIRE + REGISTER}, raises="SchemaRegistryError"),
            Wrong("no second version", "Register the changed schema", {REGISTER: "print(draft)"}),
            Wrong("no limit", "minimum", {', "minimum": 0': ""}),
            Wrong("no limit", "minimum", {'"minimum"': '"exclusiveMinimum"'}),
            Wrong("a text", '{"type": "number"}', {'"type": "number", "minimum": 0': '"type": "string"'}),
            Wrong("every field allowed", "Keep additionalProperties", {HOURS: 'draft["additionalProperties"] = True'}),
            Wrong("forced through", "set_compatibility", {REGISTER: NONE + REQUIRE + REGISTER}),
            Wrong("forced through and hidden", "Remove hours", {REGISTER: NONE + REQUIRE + REGISTER + BACKWARD}),
            Wrong("outside the properties", "schema's properties", {'draft["properties"]["hours"]': 'draft["hours"]'}),
            Wrong(
                "another field no longer required", "keep everything", {REGISTER: f'draft["required"] = []\n{REGISTER}'}
            ),
        ],
        right={
            "whole hours": {'"number"': '"integer"'},
            "by another rule": {HOURS: 'draft["properties"]["hours"] = {"anyOf": [{"type": "number", "minimum": 0}]}'},
            "with a description": {'"minimum": 0': '"minimum": 0.0, "description": "since the last service"'},
        },
    ),
]
