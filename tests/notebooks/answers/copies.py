"""Answers to the exercises, right and wrong."""

from __future__ import annotations

from tests.notebooks.bank import Exercise, Wrong

_CLEAR = 'clear("copies-safe", "copies-receipts")'
_MADE = 'create("copies-safe", copies=3, min_insync_replicas=2)'
_SURVIVED = 'survive({"acks": "all", "enable.idempotence": True})'
_ELECTED = "ElectionType.PREFERRED, None"
_ONE_OF_TWO = (
    "ElectionType.PREFERRED, "
    '[next(TopicPartition("copies-balance", n) for n, each in look("copies-balance").items() if each.replicas[0] == 1)]'
)
_LOST, _WAITING = '"lost": len(acknowledged - stored.keys())', '"waiting": len(sent - acknowledged - stored.keys())'
_REPEATED = '"repeated": sum(times > 1 for times in stored.values())'
_SENT = 'set(names("copies-run-sent")), set(names("copies-run-acknowledged"))'

EXERCISES = [
    Exercise(
        cell="exercise-1",
        misconception="acks=all is safe by itself.",
        needs=["tools", "tools-topics", "trial", "acks-one", "survive"],
        wrong=[
            Wrong("nothing is made", "create() makes it", _CLEAR),
            Wrong("no accident", "survive({...}) does that", {_SURVIVED: 'print("made")'}),
            Wrong("one copy is enough", "How many must there be", {"min_insync_replicas=2": "min_insync_replicas=1"}),
            Wrong("all copies are demanded", "must be dispensable", {"min_insync_replicas=2": "min_insync_replicas=3"}),
            Wrong("acks=1", "The leader alone had them", {_SURVIVED: 'survive({"acks": 1})'}),
            Wrong("acks=0", "does not even ask", {_SURVIVED: 'survive({"acks": 0})'}),
            Wrong("not idempotent", "each batch gets a number", {_SURVIVED: 'survive({"acks": "all"})'}),
            Wrong("given up early", "how long a producer tries", {"True}": 'True, "message.timeout.ms": 600}'}),
        ],
        right={
            "min.insync.replicas as the cluster has it": {", min_insync_replicas=2": ""},
            "acks as a number": {'"all"': "-1"},
        },
    ),
    Exercise(
        cell="exercise-2",
        misconception="A broker that is back does its part again.",
        needs=["tools", "tools-topics", "out-of-balance"],
        wrong=[
            Wrong("nothing moved", "Which kind, and of which topic", "out_of_balance()"),
            Wrong("nothing moved", "Which kind, and of which topic", {"PREFERRED": "UNCLEAN"}),
            Wrong("only one partition", "for the partitions you name, or for all", {_ELECTED: _ONE_OF_TWO}),
            Wrong("a new topic", "Move leaders only", 'out_of_balance()\ncreate("copies-balance", partitions=6)'),
            Wrong("no copies", "Keep them", 'out_of_balance()\ncreate("copies-balance", partitions=6, copies=1)'),
            Wrong("a broker is down", "cluster.start()", "out_of_balance()\ncluster[2].stop()"),
        ],
        right={
            "partition by partition": {
                _ELECTED: 'ElectionType.PREFERRED, [TopicPartition("copies-balance", number) for number in range(6)]'
            },
            "those of one broker": {
                _ELECTED: _ONE_OF_TWO.replace("[next(", "[").replace(" == 1)]", " == 1]"),
            },
        },
    ),
    Exercise(
        cell="exercise-3",
        misconception="What is missing is lost.",
        needs=["tools", "tools-topics", "unknown-run"],
        wrong=[
            Wrong("nothing is written", "Three records", "unknown_run()"),
            Wrong(
                "all that is missing is lost",
                "Only what was acknowledged",
                {_LOST: '"lost": len(sent - stored.keys())'},
            ),
            Wrong("numbers compared", "hide losses", {_LOST: '"lost": len(acknowledged) - stored.total()'}),
            Wrong("copies counted", "one repeated reading", {_REPEATED: '"repeated": stored.total() - len(stored)'}),
            Wrong("a report is all", "only the report was lost", {_WAITING: '"waiting": len(sent - acknowledged)'}),
            Wrong("not stored is waiting", "not send it again", {_WAITING: '"waiting": len(sent - stored.keys())'}),
            Wrong("no numbers", "value=str(number)", {"value=str(number)": 'value="many"'}),
            Wrong(
                "boot ignored",
                "generator, boot and seq",
                {'Counter(names("copies-run-stored"))': 'Counter((g, seq) for g, _, seq in names("copies-run-stored"))'}
                | {_SENT: _SENT.replace("set(names", "set((g, seq) for g, _, seq in names")},
            ),
        ],
        right={
            "a list counted": {_REPEATED: '"repeated": len([name for name in stored if stored[name] > 1])'},
            "frozen sets": {_SENT: _SENT.replace("set(", "frozenset(")},
        },
    ),
]
