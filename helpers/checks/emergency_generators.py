"""Checks: readings and findings that the learner publishes to MQTT."""

from __future__ import annotations

import re
from typing import Any

from helpers.checks.brokers import json_object
from helpers.checks.recorder import Recorder, Seen
from helpers.checks.result import Result, done, not_yet

_FIELDS = ("generatorID", "lat", "lon", "temperature", "pressure", "fuel")
# The outcome of the seeds in the lesson's cell `night`; a test runs the same fleet and compares.
_LEAKING, _ROBBED = "G-010", "G-005"
_SMALL = 98


def exercise_1(recorder: Recorder) -> Result:
    """The last message to ``fleet-exercise/reading`` is a reading of G-003."""
    payload, value, problem = _reading(recorder, "fleet-exercise/reading", "G-003")
    return problem or done(f"The water works reported {value['fuel']} litres, in {len(payload)} bytes of JSON.")


def exercise_2(recorder: Recorder) -> Result:
    """The last message to ``fleet-exercise/leak`` is the id of the leaking generator."""
    message = _last(recorder, "fleet-exercise/leak")
    if message is None:
        return _nothing(recorder, "fleet-exercise/leak")
    answer = message.payload.decode(errors="replace").strip().strip("\"'")
    if answer == _LEAKING:
        return done(f"{_LEAKING} leaks: its level fell a little from each reading to the next, all night.")
    if answer == _ROBBED:
        return not_yet(
            f"{_ROBBED} lost its fuel within a few minutes, and none before or after. That was a theft.",
            "A leak is slow and never stops. Look at the readings between evening and morning.",
        )
    if re.fullmatch("G-0(0[1-9]|1[0-2])", answer):
        return not_yet(
            f"{answer} has as much fuel in the morning as it had in the evening.",
            "Collect the fuel of each generator in a list, and look for the lists in which it falls.",
        )
    return not_yet(f"{answer[:40]!r} is not the id of one of the twelve.", "Publish the id alone, such as G-001.")


def exercise_3(recorder: Recorder) -> Result:
    """The last message to ``fleet-exercise/small`` is the last one to ``fleet/G-001``, in few bytes."""
    payload, value, problem = _reading(recorder, "fleet-exercise/small", "G-001")
    if problem:
        return problem
    in_full = _in_full(recorder, "G-001")
    if in_full is None:
        return not_yet(
            "No reading has come to fleet/G-001 to compare it with.", "The stub's first hand_in is needed too."
        )
    if wrong := [name for name in ("temperature", "pressure", "fuel") if abs(value[name] - in_full[name]) > 1]:
        seen = f"{wrong[0]} is {value[wrong[0]]}, and in full it is {in_full[wrong[0]]}."
        return not_yet(seen, "Round it to whole units, no further.")
    size = len(payload)
    if size > _SMALL:
        return not_yet(
            f"The message has {size} bytes; {_SMALL} are the limit.",
            "json.dumps has an argument for the separators between fields, and the fuel has many decimals."
            if b", " in payload or b": " in payload
            else "The spaces are gone. How precise must temperature, pressure and fuel be?",
        )
    return done(f"{size} bytes, and everything that matters is still there.")


def _last(recorder: Recorder, topic: str) -> Seen | None:
    recorder.settle()
    return next(reversed(recorder.messages(topic)), None)


def _nothing(recorder: Recorder, topic: str) -> Result:
    if others := recorder.messages("fleet-exercise/#"):
        return not_yet(f"Nothing came to {topic}, but something came to {others[-1].topic}.", "Every character counts.")
    return not_yet(f"Nothing has come to {topic}.", f'hand_in("{topic}", ...) publishes to it.')


def _reading(recorder: Recorder, topic: str, generator: str) -> tuple[bytes, dict[str, Any], Result | None]:
    """The last payload, the reading in it, and what is wrong with that as a reading of ``generator``, if anything."""
    message = _last(recorder, topic)
    if message is None:
        return b"", {}, _nothing(recorder, topic)
    value = json_object(message.payload)
    if value is None:
        hint = "Use reading.to_json(), or json.dumps of reading.value()."
        if message.payload.startswith((b"{'", b"Reading(")):
            hint = "Single quotes are Python, not JSON. Use to_json() or json.dumps."
        return b"", {}, not_yet(f"The payload is not a JSON object: {message.payload[:40]!r}.", hint)
    return message.payload, value, _problem(value, generator, _in_full(recorder, generator))


def _in_full(recorder: Recorder, generator: str) -> dict[str, Any] | None:
    """The last message to ``fleet/<generator>``, or None unless it is a reading of the generator."""
    last = next(reversed(recorder.messages(f"fleet/{generator}")), None)
    value = json_object(last.payload) if last else None
    return value if value and not _problem(value, generator, None) else None


def _problem(value: dict[str, Any], generator: str, heard: dict[str, Any] | None) -> Result | None:
    if missing := [name for name in _FIELDS if name not in value]:
        return not_yet(f"The field {missing[0]} is missing.", f"All six are needed: {', '.join(_FIELDS)}.")
    if extra := [name for name in value if name not in _FIELDS]:
        return not_yet(f"There is an extra field, {extra[0]}.", "Sequence number and time travel beside the value.")
    if text := [name for name in _FIELDS[1:] if type(value[name]) not in {int, float}]:
        return not_yet(f"{text[0]} is {value[text[0]]!r}, not a number.", "JSON writes numbers without quotes.")
    if value["generatorID"] != generator:
        return not_yet(
            f"This is a reading of {value['generatorID']}.", f"Look at reading.generator_id: {generator} is asked for."
        )
    if heard and any(value[name] != heard[name] for name in ("lat", "lon")):
        return not_yet(
            f"{generator} moved to {value['lat']}, {value['lon']}.",
            "Leave the position as it is. Four decimals are accurate to ten metres; fewer would point at a neighbour.",
        )
    return None
