"""Checks of lesson 01: readings and findings that the learner publishes to MQTT."""

from __future__ import annotations

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
    message = _last(recorder, "fleet-exercise/reading")
    if message is None:
        return _nothing(recorder, "fleet-exercise/reading")
    value, problem = _reading(message.payload)
    if problem:
        return problem
    if value["generatorID"] != "G-003":
        return not_yet(
            f"This is a reading of {value['generatorID']}.", "The water works is G-003: look at reading.generator_id."
        )
    return done(f"The water works reported {value['fuel']} litres, in {len(message.payload)} bytes of JSON.")


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
    if answer.startswith("G-"):
        return not_yet(
            f"{answer} has as much fuel in the morning as it had in the evening.",
            "Collect the fuel of each generator in a list, and look for the lists in which it falls.",
        )
    return not_yet(f"{answer[:40]!r} is not an id.", "Publish the id alone, such as G-001.")


def exercise_3(recorder: Recorder) -> Result:
    """The last message to ``fleet-exercise/small`` is an accurate reading of G-001 in few bytes."""
    message = _last(recorder, "fleet-exercise/small")
    if message is None:
        return _nothing(recorder, "fleet-exercise/small")
    value, problem = _reading(message.payload)
    if problem:
        return problem
    original = next((json_object(each.payload) for each in reversed(recorder.messages("fleet/G-001"))), None)
    if original is not None and (unlike := _unlike(value, original)):
        return unlike
    size = len(message.payload)
    if size > _SMALL:
        return not_yet(
            f"The message has {size} bytes; {_SMALL} are the limit.",
            "json.dumps has an argument for the separators between fields, and the fuel has many decimals."
            if b", " in message.payload or b": " in message.payload
            else "The spaces are gone. How precise must temperature, pressure and fuel be?",
        )
    return done(f"{size} bytes, and everything that matters is still there.")


def _unlike(value: dict[str, Any], original: dict[str, Any]) -> Result | None:
    """What is wrong with ``value`` as a rounded reading of the generator that sent ``original``, if anything."""
    if value["generatorID"] != original["generatorID"]:
        return not_yet(f"This is a reading of {value['generatorID']}.", "fleet.step(1)[0] is the reading of G-001.")
    if (value["lat"], value["lon"]) != (original["lat"], original["lon"]):
        return not_yet(
            f"The generator moved to {value['lat']}, {value['lon']}.",
            "Leave the position as it is. Four decimals are accurate to ten metres; fewer would point at a neighbour.",
        )
    # More than rounding and a few minutes of running can explain.
    limits = {"temperature": 3, "pressure": 12, "fuel": 60}
    wrong = next((name for name, limit in limits.items() if abs(value[name] - original[name]) > limit), None)
    if wrong is None:
        return None
    return not_yet(
        f"{wrong} is {value[wrong]}, but G-001 last reported {original[wrong]} to fleet/G-001.",
        "Take a reading now and round it to whole units. If the fleet has run on, run the cell with hand_in again.",
    )


def _last(recorder: Recorder, topic: str) -> Seen | None:
    recorder.settle()
    return next(reversed(recorder.messages(topic)), None)


def _nothing(recorder: Recorder, topic: str) -> Result:
    others = {each.topic.removeprefix(recorder.here.ns) for each in recorder.messages("fleet-exercise/#")}
    near = [each for each in sorted(others) if each.lower().strip("/") == topic]
    if near:
        return not_yet(f"Nothing came to {topic}, but something came to {near[0]}.", "Every character counts.")
    return not_yet(f"Nothing has come to {topic} since the first cell.", f'hand_in("{topic}", ...) publishes to it.')


def _reading(payload: bytes) -> tuple[dict[str, Any], Result | None]:
    """The value in ``payload``, and what is wrong with it, if anything."""
    value = json_object(payload)
    if value is None:
        hint = (
            "Single quotes are Python, not JSON. Use tojson_object() or json.dumps."
            if payload.startswith((b"{'", b"Reading("))
            else "Use reading.tojson_object(), or json.dumps of reading.value()."
        )
        return {}, not_yet(f"The payload is not a JSON object: {payload[:40]!r}.", hint)
    if missing := [name for name in _FIELDS if name not in value]:
        return {}, not_yet(f"The field {missing[0]} is missing.", f"All six are needed: {', '.join(_FIELDS)}.")
    if extra := [name for name in value if name not in _FIELDS]:
        return {}, not_yet(
            f"There is an extra field, {extra[0]}.", "Sequence number and time travel beside the value, not in it."
        )
    numbers = [
        name for name in _FIELDS[1:] if isinstance(value[name], bool) or not isinstance(value[name], int | float)
    ]
    if numbers:
        return {}, not_yet(
            f"{numbers[0]} is {value[numbers[0]]!r}, not a number.", "In JSON, numbers stand without quotes."
        )
    return value, None
