"""Checks of lesson 02: a fleet published well, a dashboard that drew it, and a sorter that survives bad payloads."""

from __future__ import annotations

import json
import uuid

from helpers.checks.brokers import MqttClient, json_object
from helpers.checks.recorder import Recorder, Seen
from helpers.checks.result import Result, done, not_yet

_FIELDS = {"generatorID", "lat", "lon", "temperature", "pressure", "fuel"}
_FLEET = [f"G-00{number}" for number in range(1, 7)]
_BESIDE = ("seq", "time", "boot")
_BAD = (b"\x80 nonsense", b"", b"[500]", b"null", b'{"generatorID": "T"}', b'{"fuel": "lots"}')
_SORTED_WITHIN = 1.5


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
    for name, message in latest.items():
        beside = dict(message.user_properties)
        if absent := [key for key in _BESIDE if key not in beside]:
            return not_yet(
                f"The reading in depot/{name} has no user property {absent[0]}.",
                "reading.headers() is the list; publish takes properties=.",
            )
    return done("Six readings came to six topics, each with seq, time and boot as user properties.")


def exercise_2(recorder: Recorder) -> Result:
    """The learner's dashboard drew points of all six generators, from readings that were really published."""
    recorder.settle()
    drawn = _last_by_level(recorder, "depot/drawn/+")  # the latest: earlier attempts do not count against it
    if not drawn:
        return not_yet(
            "Your dashboard drew nothing.",
            "Subscribe in on_connect, and append the message to inbox in on_message.",
        )
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


def exercise_3(recorder: Recorder) -> Result:
    """The learner's sorter answers good and bad payloads, and keeps running."""
    name = f"T-{uuid.uuid4().hex[:6]}"

    def answers(pile: str) -> list[bytes]:
        return [each.payload for each in recorder.messages(f"depot/{pile}/{name}")]

    def came(pile: str, count: int) -> bool:
        return recorder.wait_for(lambda: len(answers(pile)) >= count, seconds=_SORTED_WITHIN)

    with MqttClient(recorder.here) as client:
        client.publish(f"depot/in/{name}", b'{"fuel": 500.5}')
        if not came("fuel", 1):
            return _no_sorter(recorder, name)
        for count, payload in enumerate(_BAD, start=1):
            client.publish(f"depot/in/{name}", payload)
            if not came("bad", count):
                return not_yet(
                    f"Your sorter gave no answer to the payload {payload!r}.",
                    "An exception in on_message ends the network thread. Catch ValueError and TypeError around read.",
                )
        client.publish(f"depot/in/{name}", b'{"fuel": 499}')
        came("fuel", 2)
    fuel = [_float(each) for each in answers("fuel")]
    if fuel == [500.5, 499] and len(answers("bad")) == len(_BAD):
        return done("Your sorter put two good readings and six bad ones where they belong, and is still running.")
    return not_yet(
        f"From 500.5 and 499 litres your sorter made {[each[:40] for each in answers('fuel')]}.",
        "Publish the number alone, json.dumps(fuel), and answer each message only once: try, except, else.",
    )


def _no_sorter(recorder: Recorder, name: str) -> Result:
    if recorder.messages(f"depot/bad/{name}"):
        return not_yet("Your sorter called a good reading bad.", 'The payload was {"fuel": 500.5}.')
    if other := [each for each in recorder.messages("depot/fuel/#") if not each.topic.endswith(name)]:
        return not_yet(
            f"The reading came from depot/in/{name}, but the answer went to {_plain(recorder, other[-1].topic)}.",
            "The last level of the answer's topic must be the last level of message.topic.",
        )
    return not_yet(
        f"A good reading sent to depot/in/{name} got no answer.",
        "Set on_connect and on_message, connect, call loop_start, and leave the sorter connected.",
    )


def _nothing_published(recorder: Recorder) -> Result:
    mine = [_plain(recorder, each.topic) for each in recorder.messages("depot/#")]
    mine = [each for each in mine if not each.startswith(("depot/drawn/", "depot/in/", "depot/fuel/", "depot/bad/"))]
    if mine:
        return not_yet(f"Something came to {mine[-1]}, but nothing to depot/G-001.", "The topic ends with the id.")
    return not_yet("Nothing has come to depot/<id> since the first cell.", "Build the topic, and publish with qos=1.")


def _reading_problem(name: str, message: Seen) -> Result | None:
    try:
        value = json.loads(message.payload)
    except ValueError:
        return not_yet(
            f"The message in depot/{name} is not JSON: {message.payload[:40]!r}.", "reading.to_json() is the payload."
        )
    if not isinstance(value, dict) or set(value) != _FIELDS:
        return not_yet(
            f"The message in depot/{name} is not a complete reading.",
            "It has exactly six fields: reading.to_json(). seq, time and boot travel beside it, as user properties.",
        )
    if value["generatorID"] != name:
        return not_yet(
            f"The message in depot/{name} is a reading of {value['generatorID']}.",
            "Build the topic from reading.generator_id.",
        )
    return None


def _last_by_level(recorder: Recorder, topic_filter: str) -> dict[str, Seen]:
    """The last message of each topic, by the topic's last level."""
    return {each.topic.rsplit("/", 1)[-1]: each for each in recorder.messages(topic_filter)}


def _plain(recorder: Recorder, topic: str) -> str:
    return topic.removeprefix(recorder.here.ns)


def _float(payload: bytes) -> float | None:
    try:
        return float(payload)
    except ValueError:
        return None
