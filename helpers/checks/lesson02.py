"""Checks of lesson 02: a fleet published well, a dashboard that drew it, and a sorter that survives bad payloads."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from helpers.checks.recorder import Seen, Watch, begin
from helpers.checks.result import Result, done, not_yet

_FIELDS = {"generatorID", "lat", "lon", "temperature", "pressure", "fuel"}
_FLEET = [f"G-00{number}" for number in range(1, 7)]
_BESIDE = ("seq", "time", "boot")
_BAD = (b"\x80 nonsense", b"", b"[500]", b"null", b'{"generatorID": "T"}', b'{"fuel": "lots"}')
_SORTED_WITHIN = 1.5


def exercise_1(watch: Watch) -> Result:
    """One whole reading of each generator came to ``depot/<id>``, with seq, time and boot beside it."""
    watch.settle()
    latest = {name: message for name, message in _last_by_level(watch, "depot/+").items() if name in _FLEET}
    if not latest:
        return _nothing_published(watch)
    for name, message in latest.items():
        if problem := _reading_problem(name, message):
            return problem
    if missing := [name for name in _FLEET if name not in latest]:
        return not_yet(f"nothing came to depot/{missing[0]}.", "Publish inside the loop: once for each reading.")
    for name, message in latest.items():
        beside = dict(message.user_properties)
        if absent := [key for key in _BESIDE if key not in beside]:
            return not_yet(
                f"no {absent[0]} travels beside the reading in depot/{name}.",
                "reading.headers() is the list; publish takes the properties as properties=.",
            )
    return done("Six readings came to six topics, each with seq, time and boot beside it.")


def exercise_2(watch: Watch) -> Result:
    """The learner's dashboard drew points of all six generators, of readings that were really published."""
    watch.settle()
    drawn = _last_by_level(watch, "depot/drawn/+")  # the last ones: earlier attempts do not count against a later one
    if not drawn:
        return not_yet(
            "your dashboard drew nothing.",
            "Subscribe in on_connect, and append the message to inbox in on_message.",
        )
    told = {_number(each.payload, "temperature") for each in watch.messages("generators/+")}
    for name, message in drawn.items():
        if _float(message.payload) not in told:
            return not_yet(
                f"for {name} {message.payload[:20]!r} was drawn, and no generator reported that temperature.",
                "Leave update as it is: only on_connect and on_message are missing.",
            )
    if missing := [name for name in _FLEET if name not in drawn]:
        return not_yet(
            f"your dashboard drew {', '.join(sorted(drawn))}, and never {missing[0]}.",
            "One filter is enough for all: which wildcard stands for exactly one level?",
        )
    return done(f"Your dashboard drew {len(watch.messages('depot/drawn/+'))} points of six generators.")


def exercise_3(watch: Watch) -> Result:
    """The learner's sorter answers to good and bad payloads, and lives on."""
    name = f"T-{uuid.uuid4().hex[:6]}"

    def sorted_out(pile: str) -> list[bytes]:
        return [each.payload for each in watch.messages(f"depot/{pile}/{name}")]

    def came(pile: str, count: int) -> bool:
        return watch.wait_for(lambda: len(sorted_out(pile)) >= count, seconds=_SORTED_WITHIN)

    with _publishing(watch) as publish:
        publish(f"depot/in/{name}", b'{"fuel": 500.5}')
        if not came("fuel", 1):
            return _no_sorter(watch, name)
        for count, payload in enumerate(_BAD, start=1):
            publish(f"depot/in/{name}", payload)
            if not came("bad", count):
                return not_yet(
                    f"your sorter said nothing about the payload {payload!r}.",
                    "An exception in on_message ends the network thread. Catch ValueError and TypeError around read.",
                )
        publish(f"depot/in/{name}", b'{"fuel": 499}')
        came("fuel", 2)
    fuel = [_float(each) for each in sorted_out("fuel")]
    if fuel == [500.5, 499] and len(sorted_out("bad")) == len(_BAD):
        return done("Your sorter put two good readings and six bad ones where they belong, and is still alive.")
    return not_yet(
        f"of 500.5 and 499 litres your sorter made {[each[:40] for each in sorted_out('fuel')]}.",
        "Publish the number alone, json.dumps(fuel), and each message to one side only: try, except, else.",
    )


def _no_sorter(watch: Watch, name: str) -> Result:
    if watch.messages(f"depot/bad/{name}"):
        return not_yet("your sorter called a good reading bad.", 'The payload was {"fuel": 500.5}.')
    if other := [each for each in watch.messages("depot/fuel/#") if not each.topic.endswith(name)]:
        return not_yet(
            f"the reading came from depot/in/{name}, and the answer went to {_plain(watch, other[-1].topic)}.",
            "The last level of the answer's topic is the last level of message.topic.",
        )
    return not_yet(
        f"nobody answered a good reading sent to depot/in/{name}.",
        "Set on_connect and on_message, connect, call loop_start, and leave the sorter connected.",
    )


def _nothing_published(watch: Watch) -> Result:
    mine = [_plain(watch, each.topic) for each in watch.messages("depot/#")]
    mine = [each for each in mine if not each.startswith(("depot/drawn/", "depot/in/", "depot/fuel/", "depot/bad/"))]
    if mine:
        return not_yet(f"something came to {mine[-1]}, and nothing to depot/G-001.", "The topic ends with the id.")
    return not_yet("nothing came to depot/<id> since the first cell.", "Publish with qos=1, and build the topic first.")


def _reading_problem(name: str, message: Seen) -> Result | None:
    try:
        value = json.loads(message.payload)
    except ValueError:
        return not_yet(f"depot/{name} holds no JSON: {message.payload[:40]!r}.", "reading.to_json() is the payload.")
    if not isinstance(value, dict) or set(value) != _FIELDS:
        return not_yet(
            f"the message in depot/{name} is not a whole reading.",
            "Six fields, no more and no fewer: reading.to_json(). seq, time and boot travel beside it.",
        )
    if value["generatorID"] != name:
        return not_yet(
            f"depot/{name} holds a reading of {value['generatorID']}.", "Build the topic from reading.generator_id."
        )
    return None


def _last_by_level(watch: Watch, topic_filter: str) -> dict[str, Seen]:
    """The last message of each topic, by the topic's last level."""
    return {each.topic.rsplit("/", 1)[-1]: each for each in watch.messages(topic_filter)}


def _plain(watch: Watch, topic: str) -> str:
    return topic.removeprefix(watch.here.ns)


def _number(payload: bytes, field: str) -> object:
    try:
        value = json.loads(payload)
    except ValueError:
        return None
    return value.get(field) if isinstance(value, dict) else None


def _float(payload: bytes) -> float | None:
    try:
        return float(payload)
    except ValueError:
        return None


@contextmanager
def _publishing(watch: Watch) -> Iterator[Callable[[str, bytes], None]]:
    """A function that publishes ``(topic, payload)`` at QoS 1 and waits for the acknowledgement."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"{watch.here.ns}depot-check-{uuid.uuid4().hex[:8]}",
        protocol=mqtt.MQTTv5,
    )
    begin(client, watch.here.mqtt, keepalive=30)

    def publish(topic: str, payload: bytes) -> None:
        client.publish(f"{watch.here.ns}{topic}", payload, qos=1).wait_for_publish(timeout=5)

    try:
        yield publish
    finally:
        client.disconnect()
        client.loop_stop()
