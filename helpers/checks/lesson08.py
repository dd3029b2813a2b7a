"""Checks of lesson 08: commands with answers and deadlines, a withdrawn desire, a device that answers."""

from __future__ import annotations

import json
import time
import uuid
from functools import partial
from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.checks import brokers
from helpers.checks.brokers import MqttClient, header, json_object
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_COMMANDS, _REPLIES, _DESIRED = "commands", "commands-replies", "commands-desired"
_ORDERED = "G-004"
_WANTED = ({"do": "start"}, {"do": "set_load", "kw": 75})
_KEPT, _WITHDRAWN = "Y-001", "Y-002"
_STATE = {"running": True, "kw": 30}
_ASKED = "X-001"
_LONGEST_LIFE = 300.0
_ON_ITS_WAY = 3.0
_ANSWER_WITHIN = 2.0


def exercise_1(recorder: Recorder) -> Result:
    """G-004 was commanded to start and to take 75 kW, each with a deadline, and answered both times."""
    records = [record for record in recorder.kafka_records(_COMMANDS) if record.key() == _ORDERED.encode()]
    if not records:
        return not_yet(
            f"{_COMMANDS} holds no record with the key {_ORDERED}.", "Pass key= to produce, and flush at the end."
        )
    last = {json.dumps(json_object(record.value())): record for record in records}
    for wanted in _WANTED:
        if json.dumps(wanted) not in last:
            return not_yet(
                f"No record for {_ORDERED} says {json.dumps(wanted)}.", f"The last one says {list(last)[-1][:60]}."
            )
    pair = [last[json.dumps(wanted)] for wanted in _WANTED]
    return _headed(pair) or _answered(recorder, [header(record, "mqtt.correlation-data") for record in pair])


def _headed(pair: list[Any]) -> Result | None:
    """What is wrong with the headers of two commands, if anything."""
    numbers = [header(record, "mqtt.correlation-data") for record in pair]
    if not all(numbers) or not all(header(record, "mqtt.response-topic") for record in pair):
        return not_yet(
            "A record lacks its response topic or its correlation data.",
            "Pass headers= a dict with mqtt.response-topic, mqtt.correlation-data and expires.",
        )
    if numbers[0] == numbers[1]:
        return not_yet("Both records have the same correlation data.", "How could you tell their answers apart?")
    return next((problem for record in pair if (problem := _deadline(record))), None)


def _answered(recorder: Recorder, numbers: list[str]) -> Result:
    """Whether the answers with these correlation data are in Kafka and say done."""
    answers: dict[str, object] = {}

    def all_there() -> bool:
        for reply in recorder.kafka_records(_REPLIES):
            answers[header(reply, "mqtt.correlation-data")] = (json_object(reply.value()) or {}).get("answer")
        return all(number in answers for number in numbers)

    if not recorder.wait_for(all_there, seconds=_ON_ITS_WAY):
        return not_yet(
            f"{_ORDERED} did not answer both commands.",
            f"Is it awake, and is the response topic commands/{_ORDERED}/reply, with ns in front?",
        )
    refused = [answers[number] for number in numbers if answers[number] != "done"]
    if refused:
        return not_yet(f"{_ORDERED} answered: {refused[0]}.", "Start it first; then it can take 75 kW.")
    return done(f"{_ORDERED} started and took 75 kW, and confirmed both.")


def exercise_2(recorder: Recorder) -> Result:
    """Y-001 has a desired state in Kafka and MQTT; that of Y-002 was withdrawn."""
    records = recorder.kafka_records(_DESIRED)
    values = {key: [r.value() for r in records if r.key() == key.encode()] for key in (_KEPT, _WITHDRAWN)}
    if problem := _desired_in_kafka(values):
        return problem
    deadline = time.monotonic() + _ON_ITS_WAY
    while True:
        retained = brokers.retained(recorder.here, "commands/+/desired")
        kept = {topic.split("/")[-2]: payload for topic, payload in retained.items()}
        if (_KEPT in kept and _WITHDRAWN not in kept) or time.monotonic() > deadline:
            break
    if json_object(kept.get(_KEPT)) != _STATE:
        return not_yet(
            f"Kafka is as it should be, but MQTT does not have the desired state of {_KEPT}.",
            "Is the bridge of section 2 still running? Run its cell again.",
        )
    if _WITHDRAWN in kept:
        return not_yet(
            f"Kafka is as it should be, but MQTT still keeps {kept[_WITHDRAWN]!r} for {_WITHDRAWN}.",
            "The bridge of section 2 publishes a tombstone as an empty retained message. Is it still running?",
        )
    return done(f"{_KEPT} will find its desired state when it wakes. {_WITHDRAWN} no longer has one, in Kafka or MQTT.")


def _desired_in_kafka(values: dict[str, list[bytes | None]]) -> Result | None:
    """What is wrong with the yard's records in Kafka, if anything."""
    for key, written in values.items():
        if not written:
            return not_yet(
                f"{_DESIRED} holds no record with the key {key}.", "Produce one record for each, and flush at the end."
            )
        if not any(json_object(value) == _STATE for value in written):
            return not_yet(
                f"No record of {key} says {json.dumps(_STATE)}.", "Use json.dumps of a dict, as desire() does."
            )
    if json_object(values[_KEPT][-1]) != _STATE:
        return not_yet(f"The last record of {_KEPT} says something else.", f"{_KEPT} keeps its desired state.")
    if values[_WITHDRAWN][-1] is not None:
        hint = "An empty value and the text null are still values. A tombstone has value=None."
        return not_yet(f"The last record of {_WITHDRAWN} has a value: {values[_WITHDRAWN][-1]!r}.", hint)
    return None


def exercise_3(recorder: Recorder) -> Result:
    """The learner's X-001 answers a ping with done and anything else with a refusal, on the response topic."""
    reply = f"commands/{_ASKED}/reply-{uuid.uuid4().hex[:8]}"  # a topic that the learner cannot know
    with MqttClient(recorder.here) as client:
        client.subscribe(reply)
        ask = partial(_ask, client, f"{recorder.here.ns}{reply}")
        ping = ask(b'{"do": "ping"}')
        if ping is None:
            return not_yet(
                f"A ping to commands/{_ASKED}/do got no answer.",
                "Subscribe in on_connect, and leave the client's loop running. Publish the answer to "
                "message.properties.ResponseTopic, with message.properties.CorrelationData.",
            )
        if ping.get("answer") != "done":
            return not_yet(f"The answer to a ping was {ping}.", 'It should be {"answer": "done"}, as JSON.')
        for question in (b'{"do": "explode"}', b"\xf0\x9f not json"):
            answer = ask(question)
            if answer is None:
                return not_yet(
                    f"A ping was answered, but {question!r} was not.",
                    "An exception in on_message ends the network thread. json.loads raises ValueError.",
                )
            if answer.get("answer", "done") == "done":
                return not_yet(
                    f"{question!r} was answered with {answer}.",
                    "Only a ping is answered with done. Refuse everything else.",
                )
    return done(f"{_ASKED} answered three questions correctly, each on its response topic.")


def _deadline(record: Message) -> Result | None:
    """What is wrong with a record's deadline, if anything."""
    text = header(record, "expires")
    try:
        expires = float(text)
    except ValueError:
        return not_yet(f"The header expires is {text!r}.", "It is a time as time.time() gives it, as text.")
    kind, written = record.timestamp()
    life = expires - written / 1000 if kind != TIMESTAMP_NOT_AVAILABLE else 1.0
    if not 0 < life <= _LONGEST_LIFE:
        return not_yet(
            f"A command's deadline is {life:.0f} s after the record was written.",
            "Use time.time() plus some seconds, at most 300.",
        )
    return None


def _ask(client: MqttClient, response_topic: str, question: bytes) -> dict[str, Any] | None:
    """X-001's answer with the right correlation data, ``{}`` if it is not a JSON object; None if none came."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    number = uuid.uuid4().hex[:8].encode()
    properties.ResponseTopic, properties.CorrelationData = response_topic, number
    client.publish(f"commands/{_ASKED}/do", question, properties)
    deadline = time.monotonic() + _ANSWER_WITHIN
    while (left := deadline - time.monotonic()) > 0:
        message = client.next(within=left)
        if message is not None and getattr(message.properties, "CorrelationData", None) == number:
            return json_object(bytes(message.payload)) or {}
    return None
