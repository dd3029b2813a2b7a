"""Answers to the exercises, right and wrong."""

from __future__ import annotations

from tests.notebooks.bank import Exercise, Wrong

_TOOLS = ["brokers", "bridge", "fleet", "analyst", "run", "flow", "panel", "forecast"]
_RUNS = ["line", "queue", "bridge-killed", "leader"]
_BEGUN = 'note("break-receipts", "run", None)'
_SICK = "sick()\n"
_LOST, _RECORDS = 'last["acknowledged"] - last["rows"]', 'last["acknowledged"] - last["records"]'
_ALL = 'patients()\nfor number in "123":\n    note("break-diagnoses", number, {"accident": "line"})'
_OTHER = """\
sick()
settings = json.loads(watch.kafka_records("break-sick")[-1].value())
note("break-finding", "setting", next(name for name, bad in LOSING.items() if settings[name] != bad))
"""


def _found(name: str) -> str:
    return f'sick()\nnote("break-finding", "setting", "{name}")'


EXERCISES = [
    Exercise(
        cell="exercise-1",
        misconception="QoS 1 keeps a reading safe all the way.",
        needs=[*_TOOLS, "line", "leader", "survive"],
        wrong=[
            Wrong("nothing is run", "survive(...) runs", _BEGUN),
            Wrong("QoS 0", "has nothing to send again", {"qos=1": "qos=0"}),
            Wrong("no session that lasts", "while the bridge is away", {"=3600": "=0"}),
            Wrong("no session that lasts", "while the bridge is away", {"=3600": "=2"}),
            Wrong("acknowledged on receipt", "dies with it", {'"stored"': '"received"'}),
            Wrong("acks=1", "lucky today", {'"all"': '"1"'}),
            Wrong("acks=0", "on its way to a dead leader", {'"all"': "0"}),
        ],
        right={
            "acks as a number": {'"all"': "-1"},
            "a session of a day": {"=3600": "=24 * 3600"},
        },
    ),
    Exercise(
        cell="exercise-2",
        misconception="What looks odd is what loses readings.",
        needs=[*_TOOLS, "line", "survive", "sick"],
        wrong=[
            Wrong("nothing is written", "NAME) writes it", _SICK),
            Wrong("linger", "acknowledges later", _found("linger")),
            Wrong("in_flight", "fewer readings at a time", _found("in_flight")),
            Wrong("acks", "another word for all", _found("acks")),
            Wrong("not a setting", "One of qos", _found("bridge")),
            Wrong("not a setting", "One of qos", 'sick()\nnote("break-finding", "setting", ["qos"])'),
            Wrong("a setting that is all right here", "Is that so everywhere", _OTHER),
        ],
        right={
            "by comparison with the safe settings": (
                "sick()\n"
                'settings = json.loads(watch.kafka_records("break-sick")[-1].value())\n'
                "[finding] = [name for name in LOSING if settings[name] == LOSING[name]]\n"
                'note("break-finding", "setting", finding)'
            ),
            "a guess that is corrected": {
                "[finding] =": 'note("break-finding", "setting", "acks")\n[finding] =',
            },
        },
    ),
    Exercise(
        cell="exercise-3",
        misconception="Published minus stored is what was lost.",
        needs=[*_TOOLS, *_RUNS, "survive", "sick", "patients"],
        wrong=[
            Wrong("nothing is written", 'note("break-diagnoses", "1"', "patients()"),
            Wrong("no evidence", "needs accident, lost and repeated", _ALL),
            Wrong("no evidence", "needs accident, lost and repeated", _ALL.replace('{"accident": "line"}', '"line"')),
            Wrong("another accident", "Choose from line", {'"queue" if': '"fleet" if', '"bridge" if': '"fleet" if'}),
            Wrong("always the same accident", "where its curves part", {": accident": ': "leader"'}),
            Wrong("nothing is lost", "not among the rows", {'"lost": lost': '"lost": 0'}),
            Wrong("compared with records", "hide losses", {'"lost": lost': f'"lost": {_RECORDS}'}),
            Wrong("nothing is repeated", "makes no new row", {'"repeated": repeated': '"repeated": 0'}),
        ],
        right={
            "by what was published": {_LOST: 'last["published"] - last["rows"]'},
            "the evidence first": {
                '{"accident": accident, "lost": lost, "repeated": repeated}': (
                    '{"lost": lost, "repeated": repeated, "accident": accident}'
                )
            },
        },
    ),
]
