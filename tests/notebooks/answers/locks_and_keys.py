"""Answers to the exercises, right and wrong."""

from __future__ import annotations

from tests.notebooks.bank import Exercise, Wrong

_BEGIN = "begin_analyst()\n"
_TOPIC = 'right("analyst", AclOperation.READ, ResourceType.TOPIC, "locks-tank")'
_GROUP = 'right("analyst", AclOperation.READ, ResourceType.GROUP, "analyst-", ResourcePatternType.PREFIXED)'
_PUBLISH, _SUBSCRIBE = 'publish=["fleet/G-003/readings", "fleet/G-003/status"]', 'subscribe=["fleet/G-003/commands"]'
_NO_TOPIC = 'begin_trucks()\nadmin.delete_topics(["locks-trucks"])["locks-trucks"].result(20)'

EXERCISES = [
    Exercise(
        cell="exercise-1",
        misconception="To read a topic takes a right for the topic.",
        needs=["tools", "kafka-tools", "scram", "seed", "acl", "analyst"],
        wrong=[
            Wrong("no rights", "reading needs two", "begin_analyst()"),
            Wrong("no right for the topic", "The right is called READ", f"{_BEGIN}allow({_GROUP})"),
            Wrong("no right for a group", "A right with ResourceType.GROUP", f"{_BEGIN}allow({_TOPIC})"),
            Wrong("one group of that name", "which pattern is that", {", ResourcePatternType.PREFIXED": ""}),
            Wrong("all topics", "A star stands for all", {'"locks-tank"': '"*"'}),
            Wrong("all topics", "A star stands for all", {'"locks-tank"': '"locks-", ResourcePatternType.PREFIXED'}),
            Wrong("all groups", "the analyst's own", {'"analyst-", ResourcePatternType.PREFIXED': '"*"'}),
            Wrong(
                "everything with the topic",
                "may write too",
                {"AclOperation.READ, ResourceType.TOPIC": "AclOperation.ALL, ResourceType.TOPIC"},
            ),
            Wrong(
                "it may delete",
                "no other right than READ",
                f"{_BEGIN}allow({_TOPIC}, {_GROUP}, {_TOPIC.replace('READ', 'DELETE')})",
            ),
            Wrong("everybody", "every user", {'right("analyst"': 'right("*"'}),
        ],
        right={
            "one after the other": f"{_BEGIN}allow({_TOPIC})\nallow({_GROUP})",
            "DESCRIBE as well": f"{_BEGIN}allow({_TOPIC}, {_GROUP}, {_TOPIC.replace('READ', 'DESCRIBE')})",
        },
    ),
    Exercise(
        cell="exercise-2",
        misconception="A device that cannot do harm is well set up, and one that works is too.",
        wrong=[
            Wrong("it speaks for others", "the device's name", 'secured.permit("G-003", publish="#", subscribe="#")'),
            Wrong("no commands", "what it may receive", 'secured.permit("G-003")'),
            Wrong("no commands", "what it may receive", {f", {_SUBSCRIBE}": ""}),
            Wrong("something is not published", "more than one filter", {', "fleet/G-003/status"': ""}),
            Wrong("something is not published", "more than one filter", {f"{_PUBLISH}, ": ""}),
            Wrong("it speaks for others", "the device's name", {'"fleet/G-003/readings"': '"fleet/+/readings"'}),
            Wrong("all commands", "meant for it", {'["fleet/G-003/commands"]': '"fleet/#"'}),
            Wrong("all commands", "meant for it", {'["fleet/G-003/commands"]': '"#"'}),
        ],
        right={
            "all below its name": {_PUBLISH: 'publish="fleet/G-003/#"', _SUBSCRIBE: 'subscribe="fleet/G-003/#"'},
            "a level below its name": {_PUBLISH: 'publish="fleet/G-003/+"'},
        },
    ),
    Exercise(
        cell="exercise-3",
        misconception="Somebody without a login is out.",
        needs=["tools", "kafka-tools", "scram", "seed", "acl", "trucks"],
        wrong=[
            Wrong("still connected", "looked at with each request", "begin_trucks()"),
            Wrong("still connected", "looked at with each request", {'take_away("truck-1")\n': ""}),
            Wrong(
                "still connected",
                "looked at with each request",
                'begin_trucks()\nset_password("truck-1", "another one")',
            ),
            Wrong("only the rights", "is truck-1's too", {'\nforget("truck-1")': ""}),
            Wrong("truck-2 is stopped", "Only truck-1 was stolen", {"truck-1": "truck-2"}),
            Wrong("truck-2 is stopped", "Only truck-1 was stolen", {'take_away("truck-1")': 'take_away("truck-2")'}),
            Wrong("no topic", "records must stay", _NO_TOPIC),
        ],
        right={
            "another password": {'forget("truck-1")': 'set_password("truck-1", "another one")'},
            "first the login": 'begin_trucks()\nforget("truck-1")\ntake_away("truck-1")',
        },
    ),
]
