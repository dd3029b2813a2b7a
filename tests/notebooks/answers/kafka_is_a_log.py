"""Answers to the exercises."""

from tests.notebooks.bank import Exercise, Wrong

PRODUCE = "producer.produce(refuelling, key=reading.generator_id, value=reading.to_json(), headers=reading.headers())"
FOUND = "consumer.commit(offsets=found, asynchronous=False)"
MOVED = """\
moved = [TopicPartition(each.topic, each.partition, each.offset + {}) for each in found]
consumer.commit(offsets=moved, asynchronous=False)"""
RANGE = "set(range(min(numbers), max(numbers) + 1)) - numbers"
REPORT = "producer.produce(missing, key=generator, value=str(seq))"

EXERCISES = [
    Exercise(
        cell="exercise-1",
        misconception="Kafka keeps the order of a topic, whatever the keys are.",
        needs=[
            "missing-topic",
            "create-topic-shown",
            "asynchronous-shown",
            "flush-forgotten-shown",
            "keys-predict",
            "keys-reveal",
        ],
        wrong=[
            Wrong("one partition", "Partitions can be added", {'"log-refuelling", 3,': '"log-refuelling",'}),
            Wrong("a day in seconds", "milliseconds", {"24 * 60 * 60 * 1000": "24 * 60 * 60"}),
            Wrong("records without a key", "What must stay in order?", {"key=reading.generator_id, ": ""}),
            Wrong("a generator in several partitions", "Equal keys", {"key=reading.generator_id": "key=str(uuid4())"}),
            Wrong(
                "a generator in several partitions",
                "Equal keys",
                {"refuelling, key": "refuelling, partition=reading.seq % 3, key"},
            ),
            Wrong("records without headers", "headers=reading.headers()", {", headers=reading.headers()": ""}),
            Wrong("the text of a Python object", "value=reading.to_json()", {"reading.to_json()": "str(reading)"}),
            Wrong("newest first", "the order in which you call produce()", {"in tanks:": "in reversed(tanks):"}),
            Wrong("each reading twice", "write them once", {"in tanks:": "in tanks + tanks:"}),
            Wrong("half of the readings", "flush()", {"in tanks:": "in tanks[:60]:"}),
        ],
        right={
            "a key in bytes": {"24 * 60 * 60 * 1000": "86_400_000", "generator_id": "generator_id.encode()"},
            "partitions chosen by hand": {"key=reading.generator_id": "partition=int(reading.generator_id[-1]) % 3"},
            "one partition of three": {"refuelling, key": "refuelling, partition=1, key"},
        },
    ),
    Exercise(
        cell="exercise-2",
        misconception="What a consumer seeks is where its group goes on.",
        needs=["offsets-for-times", "exercise-2-setup"],
        wrong=[
            Wrong("the beginning of the log", "in milliseconds", {"timestamp() * 1000": "timestamp()"}),
            Wrong(
                "the beginning of the log",
                "offsets_for_times",
                {", moment) for": ", 0) for", "consumer.offsets_for_times": "(lambda places, timeout: places)"},
            ),
            Wrong("the last record that was read", "*next* record", {FOUND: MOVED.format(-1)}),
            Wrong("the first record as done", "that this record is done", {FOUND: MOVED.format(1)}),
            Wrong("one partition only", "several partitions", {"range(3)": "range(1)"}),
            Wrong("nothing committed for the group", "commit(offsets=[...]", {FOUND: "consumer.assign(found)"}),
            Wrong(
                "nothing committed for the group",
                "commit(offsets=[...]",
                {'"group.id": analysts': '"group.id": "log-us"'},
            ),
            Wrong(
                "the consumer read, and committed its own place",
                "enable.auto.commit",
                {FOUND: f"{FOUND}\nconsumer.assign(found)\nprint(len(consumer.consume(27, timeout=10)))"},
            ),
        ],
        right={
            "an administrator sets the offsets": {
                FOUND: "from confluent_kafka import ConsumerGroupTopicPartitions\n\n"
                "place = ConsumerGroupTopicPartitions(analysts, found)\n"
                "[future] = admin.alter_consumer_group_offsets([place]).values()\n"
                "future.result(10)"
            },
            "the offsets from the headers": """
practice = two_shifts()
consumer = Consumer({**here.kafka, "group.id": f"{ns}log-analysts", "enable.auto.commit": False})
late = {}
for record in read_all(practice):
    if dict(record.headers())["shift"] == b"late":
        late.setdefault(record.partition(), record.offset())
consumer.commit(offsets=[TopicPartition(practice, *each) for each in late.items()], asynchronous=False)
consumer.close()
""",
        },
    ),
    Exercise(
        cell="exercise-3",
        misconception="Between two records of a generator at most one reading is missing.",
        needs=["exercise-3-setup"],
        wrong=[
            Wrong(
                "the first of each gap",
                "longer than one reading",
                {RANGE: "{each + 1 for each in numbers} - numbers - {max(numbers) + 1}"},
            ),
            Wrong(
                "one generator only", "More than one generator", {"present.items()": '[("G-002", present["G-002"])]'}
            ),
            Wrong("one beyond the last", "first and last", {"max(numbers) + 1": "max(numbers) + 2"}),
            Wrong("what is there", "Subtract what is there", {RANGE: "numbers"}),
            Wrong(
                "key and value exchanged",
                "key=generator",
                {REPORT: REPORT.replace("generator", "str(seq)", 1).replace("value=str(seq)", "value=generator")},
            ),
            Wrong("key and value exchanged", "key=generator", {"value=str(seq)": 'value=f"seq {seq}"'}),
            Wrong("nothing written", "flush()", {REPORT: "print(generator, seq)"}),
            Wrong("each reported twice", "Report each once", {REPORT: f"{REPORT}\n        {REPORT}"}),
        ],
        right={
            "a fixed range": {RANGE: "set(range(1, 11)) - numbers"},
            "what follows each": {
                RANGE: "{each + step for each in numbers for step in (1, 2) if each + step < max(numbers)} - numbers"
            },
        },
    ),
]
