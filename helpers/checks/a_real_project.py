"""Checks: one call for each episode of heat, the smallest grace, the setting that doubles calls."""

from __future__ import annotations

import json
import math
from typing import Any

from helpers.checks.answers import latest
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_RECEIPTS = "operator-receipts"
_BEGINS, _OVER = 105.0, 100.0  # °C
_WINDOW, _WITHIN = 600, 10  # seconds; minutes
_DOUBLES = {
    "processing_guarantee": "at-least-once",
    "consumer_group": "watch-{pid}",
    "isolation.level": "read_uncommitted",
}


def exercise_1(recorder: Recorder) -> Result:
    """Each episode of heat has one alarm, with the time of the reading that began it."""
    run = latest(recorder, _RECEIPTS).get("heat")
    if run is None:
        return not_yet("No rule was run.", "try_heat(heat) runs yours.")
    log = _Log(recorder.kafka_records(f"{run['ns']}operator-readings"))
    raised: list[tuple[str, float]] = []
    for record in recorder.kafka_records(f"{run['ns']}operator-alarms"):
        alarm = json.loads(record.value())
        name: Any = (alarm.get("generatorID"), alarm.get("time")) if isinstance(alarm, dict) else None
        if name not in list(log.degrees):  # whatever is in the alarm, also what cannot be hashed
            return not_yet(f"An alarm is {alarm!r}.", "It needs generatorID and time, both of the reading.")
        if problem := log.superfluous(name, raised):
            return problem
        raised.append(name)
    if not raised:
        return not_yet("There is no alarm.", "heat answers (state, alarm), and (state, None) if nothing begins.")
    for who, spans in log.episodes.items():
        if missed := [began for began, _ in spans if (who, began) not in raised]:
            hint = "What must be forgotten when it is over?" if len(missed) < len(spans) else "What is above 105?"
            return not_yet(f"{who} became hot ({log.degrees[who, missed[0]]} °C), and there was no call.", hint)
    return done(f"{len(raised)} episodes, {len(raised)} calls, in spite of repeated and late readings.")


class _Log:
    """The readings of a run: the temperature of each, those that came late, and the episodes as (began, over)."""

    def __init__(self, records: list[Any]) -> None:
        self.degrees: dict[Any, float] = {}
        self.late: set[tuple[str, float]] = set()
        self.episodes: dict[str, list[tuple[float, float]]] = {}
        newest: dict[str, float] = {}
        for record in records:
            who, at = record.key().decode(), record.timestamp()[1] / 1000
            if at <= newest.get(who, 0.0):
                self.late |= {(who, at)} - self.degrees.keys()
            degrees = self.degrees[who, at] = json.loads(record.value())["temperature"]
            if at <= newest.get(who, 0.0):
                continue
            newest[who], spans = at, self.episodes.setdefault(who, [])
            hot = bool(spans) and spans[-1][1] == math.inf
            if not hot and degrees > _BEGINS:
                spans.append((at, math.inf))
            elif hot and degrees < _OVER:
                spans[-1] = spans[-1][0], at

    def superfluous(self, name: tuple[str, float], raised: list[tuple[str, float]]) -> Result | None:
        """What to say to an alarm that is one too many, or at the wrong time."""
        (who, at), seen = name, f"{name[0]} at {self.degrees[name]} °C"
        began = next((first for first, over in self.episodes[who] if first <= at < over), math.inf)
        between = [self.degrees[who, time] for other, time in self.degrees if other == who and began < time < at]
        mistakes = {
            "A reading may come twice. How do you know that you had it?": name in raised,
            "It came late, and speaks of the past. How do you know what is newer?": name in self.late,
            "It is not an episode: that begins above 105 °C.": began == math.inf,
            "It was below 105 °C in between. When is an episode over?": min(between, default=math.inf) <= _BEGINS,
            "This episode has its call already. What must the state say?": (who, began) in raised,
            "The call comes with the first reading above 105 °C.": at != began,
        }
        hint = next((each for each, made in mistakes.items() if made), None)
        return not_yet(f"There is a call for {seen}.", hint) if hint else None


def exercise_2(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """The smallest grace, in whole minutes, with which no late reading is lost."""
    run = latest(recorder, _RECEIPTS).get("grace")
    if run is None:
        return not_yet("No grace was tried.", "try_grace(minutes) runs the engine with one.")
    minutes, needed = run["minutes"], 0.0
    newest: dict[bytes, float] = {}
    for record in recorder.kafka_records(f"{run['ns']}operator-readings"):
        who, at = record.key(), record.timestamp()[1] / 1000
        newest[who] = max(at, newest.get(who, 0.0))
        needed = max(needed, newest[who] - (at // _WINDOW + 1) * _WINDOW)
    lost = len(recorder.kafka_records(f"{run['ns']}operator-late"))
    if minutes == 0 and lost:
        return not_yet(f"{lost} readings came too late.", "Without any grace a window closes with its last minute.")
    if lost:
        return not_yet(
            f"With {minutes:g} min, {lost} readings came too late.", "How far had time gone on beyond the end?"
        )
    if minutes > 6 * _WITHIN:
        return not_yet(f"Windows wait for {minutes:g} min.", "try_grace takes minutes. Did you count seconds?")
    if minutes > _WITHIN:
        return not_yet(f"Windows wait for {minutes:g} min.", "Nothing is lost, and the operator waits more than ten.")
    if minutes != needed // 60 + 1:
        return not_yet(f"With {minutes:g} min nothing is lost.", "Less would do: whole minutes, from a window's end.")
    return done(f"{minutes:g} min: no reading is lost, and no window waits longer than it must.")


def exercise_3(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """One setting was changed, the guilty one, and each theft has one call in spite of two kills."""
    written = latest(recorder, _RECEIPTS)
    sick, treated = written.get("sick"), written.get("treated")
    if sick is None or treated is None:
        return not_yet("No treatment is written down.", "treat(settings | {...}) runs the worker with yours.")
    changed = {name for name, value in (sick | treated["settings"]).items() if sick.get(name) != value}
    [guilty] = [name for name, value in _DOUBLES.items() if sick[name] == value]
    calls = f"{len(treated['calls'])} calls for {len(set(treated['calls']))} thefts"
    if not changed:
        return not_yet(f"Nothing was changed: {calls}.", "treat takes a dict: settings | {name: value}.")
    if unknown := changed - sick.keys():
        return not_yet(f"{min(unknown)!r} is not one of its settings.", f"Choose from {', '.join(sick)}.")
    if guilty not in changed:
        hints = {
            "state_dir": "Its state comes from the changelog, wherever the folder is.",
            "commit_interval": "Shorter transactions repeat less. What is repeated at all?",
        }
        sound = f"{min(changed)} was right. Which of them lets something out that is not committed, or begins anew?"
        return not_yet(f"{calls}.", hints.get(min(changed), sound))
    if len(changed) > 1:
        return not_yet(f"You changed {len(changed)} settings.", "One was guilty. Which? The others must stay.")
    if len(treated["calls"]) > len(set(treated["calls"])):
        return not_yet(f"{guilty}={treated['settings'][guilty]!r}: {calls}.", "The right setting, with another value.")
    return done(f"It was {guilty}={sick[guilty]!r}. Now two kills, and {calls}.")
