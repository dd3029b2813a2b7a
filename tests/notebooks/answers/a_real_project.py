"""Answers to the exercises, right and wrong."""

from __future__ import annotations

from tests.notebooks.bank import Exercise, Wrong

_FILES = ["day", "rules-folder", "rules", "windows", "by-hand-loop", "job", "worker"]
_OLDER = """\
    if state and reading["time"] <= state["time"]:
        return state, None  # repeated, or late
"""
_HOT = 'hot = reading["temperature"] > (105 if not before else 100)'
_STATE = '{"time": reading["time"], "hot": hot}'
_ALARM = "alarm if hot and not before else None"
# It knows a reading by its boot and number, and takes a late one for a new one.
_BY_NAME = """\
    name = [reading["boot"], reading["seq"]]
    if name in state.get("seen", []):
        return state, None
"""
_SEEN = '{"seen": [*state.get("seen", []), name], "time": reading["time"], "hot": hot}'
_AS_CLASS = """\
note("heat", None)


class Heat:
    def __call__(self, state, reading):
        newest, hot = state.get("newest", 0), state.get("hot", False)
        if reading["time"] > newest:
            newest = reading["time"]
            if hot and reading["temperature"] < 100:
                hot = False
            elif not hot and reading["temperature"] > 105:
                return {"newest": newest, "hot": True}, {name: reading[name] for name in ("generatorID", "time")}
        return {"newest": newest, "hot": hot}, None


try_heat(Heat())
"""
_DRAWN = "arrivals = draw()\n"
_NEEDED = "needed // 60 + 1"
_SICK = "settings = sick()\n"
_GUILTY = "[guilty] = [name for name in DOUBLES if settings[name] == DOUBLES[name]]\n"
_AGAIN = """\
while "pid" not in (settings := sick())["consumer_group"]:
    pass
treat(settings | {"consumer_group": "again-{pid}"})
"""


def _treated(changes: str) -> str:
    """What ``treat`` writes down, without its twenty seconds: for what is wrong whatever the calls are."""
    return f'{_SICK}note("treated", {{"settings": settings | {changes}, "calls": [600.0, 600.0]}})'


EXERCISES = [
    Exercise(
        cell="exercise-1",
        misconception="An alarm is a property of one reading.",
        needs=[*_FILES, "heat-stage"],
        wrong=[
            Wrong("nothing is run", "runs yours", {"try_heat(heat)": ""}),
            Wrong("no alarm", "(state, None) if nothing begins", {_ALARM: "None"}),
            Wrong("every hot reading", "has its call already", {_ALARM: "alarm if hot else None"}),
            Wrong("repeated readings are new", "may come twice", {_OLDER: ""}),
            Wrong("late readings are new", "what is newer", {_OLDER: _BY_NAME, _STATE: _SEEN}),
            Wrong("over at once", "When is an episode over", {_HOT: 'hot = reading["temperature"] > 105'}),
            Wrong("once for each generator", "must be forgotten", {_STATE: _STATE.replace("hot}", "hot or before}")}),
            Wrong("begins too early", "is not an episode", {_HOT: 'hot = reading["temperature"] > 100'}),
            Wrong(
                "a call at the end",
                "with the first reading",
                {_ALARM: "alarm if before and not hot else None", "100)": "106)"},
            ),
            Wrong("no generator", "both of the reading", {'{"generatorID": reading["generatorID"], ': "{"}),
            Wrong(
                "no generator",
                "both of the reading",
                {'{"generatorID": reading["generatorID"], ': '{"generatorID": reading, '},
            ),
        ],
        right={
            "a class": _AS_CLASS,
            "no condition": {_HOT: 'hot = reading["temperature"] > 105 - 5 * before'},
        },
    ),
    Exercise(
        cell="exercise-2",
        misconception="The grace is as long as the longest silence.",
        needs=[*_FILES, "heat-stage", "grace-stage"],
        wrong=[
            Wrong("nothing is tried", "with one", _DRAWN),
            Wrong("no grace", "Without any grace", _DRAWN + "try_grace(0)"),
            Wrong("a minute too few", "beyond the end", {_NEEDED: "needed // 60"}),
            Wrong("one to spare", "Less would do", {_NEEDED: "needed // 60 + 2"}),
            Wrong("to be safe", "waits more than ten", _DRAWN + "try_grace(30)"),
            Wrong("seconds", "Did you count seconds", {_NEEDED: "needed + 60"}),
        ],
        right={
            "too little, then enough": {
                f"try_grace({_NEEDED})": f"for minutes in (needed // 60, {_NEEDED}):\n    try_grace(minutes)"
            },
            "in minutes": {_NEEDED: "int(needed / 60 + 1)"},
        },
    ),
    Exercise(
        cell="exercise-3",
        misconception="What looks odd is what is wrong.",
        needs=[*_FILES, "heat-stage", "grace-stage", "sick-program", "sick-stage", "sick-treat"],
        wrong=[
            Wrong("nothing is run", "runs the worker with yours", _SICK),
            Wrong("nothing is changed", "takes a dict", f"{_SICK}treat(settings)"),
            Wrong("another folder for the state", "wherever the folder is", _treated('{"state_dir": "state"}')),
            Wrong("shorter transactions", "repeated at all", _treated('{"commit_interval": 0.5}')),
            Wrong("everything sound", "The others must stay", _treated('SOUND | {"state_dir": "state"}')),
            Wrong("another value", "with another value", _AGAIN),
            Wrong("no such setting", "Choose from", _treated('{"loglevel": "ERROR"}')),
        ],
        right={
            "by comparison with the sound ones": (
                f"{_SICK}treat(settings | {{name: SOUND[name] for name in SOUND if settings[name] != SOUND[name]}})"
            ),
            "as a new dict": f"{_SICK}{_GUILTY}treat({{**settings, guilty: SOUND[guilty]}})",
        },
    ),
]
