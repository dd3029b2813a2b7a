"""Checks: a fleet published well, a dashboard that drew it, and a sorter that survives bad payloads."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from datetime import datetime

from helpers.checks.brokers import MqttClient, json_object
from helpers.checks.recorder import Recorder, Seen
from helpers.checks.result import Result, done, not_yet
from helpers.fleet import Fleet, Reading

_FIELDS = {"generatorID", "lat", "lon", "temperature", "pressure", "fuel"}
_FLEET = [f"G-00{number}" for number in range(1, 7)]
_BESIDE = ("seq", "time", "boot")
_BAD = (b"\x80 nonsense", b"", b"[500]", b"null", b'{"generatorID": "T"}', b'{"fuel": "lots"}')
_SORTED_WITHIN = 1.5
_LONGEST = 30 * 24 * 3600.0  # seconds; longer takes a while to compute


def exercise_1(recorder: Recorder) -> Result:
    """A complete reading of each generator came to ``depot/<id>``, with seq, time and boot as user properties."""
    recorder.settle()
    latest = {name: message for name, message in _last_by_level(recorder, "depot/+").items() if name in _FLEET}
    if not latest:
        return _nothing_published(recorder)
    for name, message in latest.items():
        if problem := _reading_problem(name, message):
            return problem
    if missing := [name for name in _FLEET if name not in latest]:
        return not_yet(f"Nothing came to depot/{missing[0]}.", "Publish inside the loop: once for each reading.")
    return done("Six readings came to six topics, each with seq, time and boot as user properties.")


def exercise_2(recorder: Recorder) -> Result:
    """The learner's dashboard drew points of all six generators, from readings that were really published."""
    recorder.settle()
    drawn = _last_by_level(recorder, "depot/drawn/+")  # the latest: earlier attempts do not count against it
    if not drawn:
        return not_yet("Your dashboard drew nothing.", "Subscribe in on_connect, append to inbox in on_message.")
    reported = [(json_object(each.payload) or {}).get("temperature") for each in recorder.messages("generators/+")]
    for name, message in drawn.items():
        if _float(message.payload) not in reported:
            return not_yet(
                f"Your dashboard drew {message.payload[:20]!r} for {name}, but no generator reported that temperature.",
                "Leave update as it is: only on_connect and on_message are missing.",
            )
    if missing := [name for name in _FLEET if name not in drawn]:
        return not_yet(
            f"Your dashboard drew {', '.join(sorted(drawn))}, but never {missing[0]}.",
            "One filter is enough for all: which wildcard stands for exactly one level?",
        )
    return done(f"Your dashboard drew {len(recorder.messages('depot/drawn/+'))} points of six generators.")


def exercise_3(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """The learner's sorter answers good and bad payloads, and keeps running."""
    name = f"T-{uuid.uuid4().hex[:6]}"

    def answers(pile: str) -> list[bytes]:
        return [each.payload for each in recorder.messages(f"depot/{pile}/{name}")]

    def came(pile: str, count: int) -> bool:
        return recorder.wait_for(lambda: len(answers(pile)) >= count, seconds=_SORTED_WITHIN)

    began = time.monotonic()
    with MqttClient(recorder.here) as client:
        client.publish(f"depot/in/{name}", b'{"fuel": 500.5}')
        if not came("fuel", 1):
            return _no_sorter(recorder, name, began)
        for count, payload in enumerate(_BAD, start=1):
            client.publish(f"depot/in/{name}", payload)
            if came("bad", count):
                continue
            if came("fuel", 2):
                return not_yet(f"Your sorter took {payload!r} for a reading.", "Is its fuel there, and a number?")
            client.publish(f"depot/in/{name}", b'{"fuel": 499}')
            if came("fuel", 2):
                return not_yet(f"Your sorter was silent about {payload!r}.", "Publish the reason to depot/bad/<id>.")
            return not_yet(
                f"Your sorter gave no answer to the payload {payload!r}, and none to the good reading after it.",
                "An exception in on_message ends the network thread. Catch ValueError and TypeError around read.",
            )
        client.publish(f"depot/in/{name}", b'{"fuel": 499}')
        came("fuel", 2)
        recorder.settle()
    if len(answers("fuel")) + len(answers("bad")) != 2 + len(_BAD):
        return not_yet("Your sorter answered a message twice.", "Answer each message once: try, except, else.")
    if [_float(each) for each in answers("fuel")] == [500.5, 499]:
        return done("Your sorter put two good readings and six bad ones where they belong, and is still running.")
    return not_yet(
        f"From 500.5 and 499 litres your sorter made {[each[:40] for each in answers('fuel')]}.",
        "Publish the number alone, json.dumps(fuel).",
    )


def _no_sorter(recorder: Recorder, name: str, began: float) -> Result:
    if recorder.messages(f"depot/bad/{name}"):
        return not_yet("Your sorter called a good reading bad.", 'The payload was {"fuel": 500.5}.')
    if other := recorder.messages("depot/fuel/#", since=began):
        return not_yet(
            f"The answer to depot/in/{name} is in {other[-1].topic}.", "Keep the last level of message.topic."
        )
    return not_yet(
        f"A good reading sent to depot/in/{name} got no answer.",
        "Set on_connect and on_message, connect, call loop_start, and leave the sorter connected.",
    )


def _nothing_published(recorder: Recorder) -> Result:
    if others := recorder.messages("depot/#"):
        return not_yet(f"Something came to {others[-1].topic}, but not to depot/G-001.", "The topic ends with the id.")
    return not_yet("Nothing has come to depot/<id>.", "Build the topic, and publish with qos=1.")


def _reading_problem(name: str, message: Seen) -> Result | None:
    value, beside = json_object(message.payload), dict(message.user_properties)
    if value is None:
        return not_yet(f"The payload in depot/{name} is not a JSON object.", "reading.to_json() is the payload.")
    if set(value) != _FIELDS:
        return not_yet(
            f"The message in depot/{name} is not a complete reading.",
            "It has exactly six fields: reading.to_json(). seq, time and boot travel beside it, as user properties.",
        )
    if value["generatorID"] != name:
        return not_yet(f"depot/{name} got a reading of {value['generatorID']}.", "Look at reading.generator_id.")
    if absent := [key for key in _BESIDE if key not in beside]:
        return not_yet(f"depot/{name} has no user property {absent[0]}.", "Pass reading.headers() by properties=.")
    measured = _measured(name, beside["time"])
    if measured is None or (value, beside["boot"]) != (measured.value(), measured.boot):
        return not_yet(f"The fleet did not measure {value} at {beside['time']}.", "Change nothing in a reading.")
    return None


def _measured(name: str, time: str) -> Reading | None:
    """What the lesson's fleet measures at a time, however many steps it takes there; None if that is not a time."""
    fleet = Fleet(size=6, seed=7)
    with suppress(ValueError, TypeError):
        seconds = (datetime.fromisoformat(time) - fleet.time).total_seconds()
        if 0 < seconds < _LONGEST:
            return next(each for each in fleet.step(seconds) if each.generator_id == name)
    return None


def _last_by_level(recorder: Recorder, topic_filter: str) -> dict[str, Seen]:
    """The last message of each topic, by the topic's last level."""
    return {each.topic.rsplit("/", 1)[-1]: each for each in recorder.messages(topic_filter)}


def _float(payload: bytes) -> float | None:
    try:
        return float(payload)
    except ValueError:
        return None
