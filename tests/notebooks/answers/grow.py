"""Answers to the exercises, right and wrong."""

from __future__ import annotations

from tests.notebooks.bank import Exercise, Wrong

_TOOLS = ["tools", "share-tools"]
_PROXY = ["tools", "share-tools", "packets", "proxy", "trial"]
_STEP = "def step(producer, message, acknowledge):\n    {}\n\n\nawait trial(step)"
_PRODUCE = 'producer.produce("grow-proxied", message.payload, key=message.topic, on_delivery={})'
_RETURN_RELEASE = "    except Busy:\n        return AcknowledgeType.RELEASE\n"

EXERCISES = [
    Exercise(
        cell="exercise-1",
        misconception="When produce() has returned, Kafka has the record.",
        needs=_PROXY,
        wrong=[
            Wrong("nothing is acknowledged", "Who calls acknowledge", _STEP.format(_PRODUCE.format("None"))),
            Wrong("at once", "only queues", _STEP.format(f"{_PRODUCE.format('None')}\n    acknowledge()")),
            Wrong("at once", "only queues", _STEP.format(f"acknowledge()\n    {_PRODUCE.format('None')}")),
            Wrong("at once", "only queues", {"on_delivery=report": "on_delivery=acknowledge()"}),
            Wrong("errors too", "may bring an error", {"        if error is None:\n            ": "        "}),
            Wrong("errors too", "may bring an error", {"if error is None": "if error is None or error"}),
            Wrong("nothing is produced", "Produce each message", _STEP.format("acknowledge()")),
            Wrong(
                "only some",
                "not only some",
                {"if error is None:": "if error is None and int(message.payload.split()[0]) < 11:"},
            ),
            Wrong("another payload", "unchanged", {"message.payload, ": ""}),
            Wrong("another payload", "unchanged", {"message.payload, ": "str(message.payload), "}),
            Wrong("another payload", "unchanged", {"message.payload, ": "message.payload.split()[0], "}),
            Wrong("another payload", "unchanged", {"message.payload, ": 'b"", '}),
        ],
        right={
            "a lambda": _STEP.format(_PRODUCE.format("lambda error, _: None if error else acknowledge()")),
            "a returned error": {
                "        if error is None:\n            acknowledge()": (
                    "        if error:\n            return\n        acknowledge()"
                )
            },
        },
    ),
    Exercise(
        cell="exercise-2",
        misconception="Enough for a good day is enough.",
        needs=["tools"],
        wrong=[
            Wrong("no topic", "make() creates one", 'admin.delete_topics(["grow-orders"])["grow-orders"].result(20)'),
            Wrong("too few for a good day", "on a good day", 'make("grow-orders", partitions=1)'),
            Wrong("too few for a good day", "on a good day", 'make("grow-orders", partitions=3)'),
            Wrong("too few after an outage", "these ten seconds", 'make("grow-orders", partitions=4)'),
            Wrong("too many", "more than twice", 'make("grow-orders", partitions=11)'),
            Wrong("too many", "more than twice", 'make("grow-orders", partitions=40)'),
        ],
        right={
            "twice as many": 'make("grow-orders", partitions=10)',
            "some more": 'make("grow-orders", partitions=7)',
        },
    ),
    Exercise(
        cell="exercise-3",
        misconception="Accept what worked, and release everything else.",
        needs=[*_TOOLS, "jobs", "crew"],
        wrong=[
            Wrong("nothing is done", "work(record) does one", {"        work(record)\n": "        pass\n"}),
            Wrong("busy is accepted", "Which answer does that", {_RETURN_RELEASE: "    except Busy:\n        pass\n"}),
            Wrong("busy is accepted", "Which answer does that", {"AcknowledgeType.RELEASE": "AcknowledgeType.REJECT"}),
            Wrong("poison comes again", "means never", {"AcknowledgeType.REJECT": "AcknowledgeType.RELEASE"}),
            Wrong("poison is accepted", "poison never will be", {"AcknowledgeType.REJECT": "AcknowledgeType.ACCEPT"}),
            Wrong(
                "done twice", "called once", {"        work(record)\n": "        work(record)\n        work(record)\n"}
            ),
            Wrong("few workers", "crew() takes a number", {"workers=3": "workers=2"}),
            Wrong("no workers", "and then crew", {"\n\n\ncrew(handle, workers=3)": ""}),
        ],
        right={
            "five workers": {"workers=3": "workers=5"},
            "one answer": {
                _RETURN_RELEASE: "    except Busy:\n        answer = AcknowledgeType.RELEASE\n        return answer\n"
            },
        },
    ),
]
