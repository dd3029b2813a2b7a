"""Checks: commands with answers and deadlines, a withdrawn desire, a device that answers."""

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

_COMMANDS, _REPLIES, _DESIRED, _DEAD = "commands", "commands-replies", "commands-desired", "commands-dead"
_CARRIER = "commands-bridge-do"
_ORDERED = "G-004"
_WANTED = ({"do": "start"}, {"do": "set_load", "kw": 75})
_KEPT, _WITHDRAWN = "Y-001", "Y-002"
_STATE = {"running": True, "kw": 30}
_ASKED = "X-001"
_LONGEST_LIFE = 300.0
_ON_ITS_WAY = 3.0
_ANSWER_WITHIN = 2.0
# What is asked besides a ping, and what an answer lacks if it does not come.
_QUESTIONS = {
    b'{"do": "explode"}': "Refuse what you do not know: silence is not an answer.",
    b"\xf0\x9f not json": "An exception in on_message ends the network thread. json.loads raises ValueError.",
}


def exercise_1(recorder: Recorder) -> Result:
    """G-004 was commanded to start, then to take 75 kW, each with a deadline, and answered both times."""
    records = [each for each in recorder.kafka_records(_COMMANDS) if each.key() == _ORDERED.encode()]
    if len(records) < len(_WANTED):
        return not_yet(f"{_COMMANDS} holds {len(records)} records of {_ORDERED}, not 2.", "Pass key=, and flush.")
    pair = sorted(records, key=lambda each: each.timestamp()[1])[-2:]  # the latest, also of several partitions
    said = [json_object(each.value()) for each in pair]
    if said == [*reversed(_WANTED)]:
        return not_yet(f"{_ORDERED} had to take load before starting.", "The log keeps your order: start first.")
    if said != [*_WANTED]:
        return not_yet(f"The commands say {said}, not {[*_WANTED]}.", "json.dumps() turns a dict into JSON.")
    if pair[0].partition() != pair[1].partition():
        return not_yet("The commands are in two partitions.", "Only one keeps their order. The key decides.")
    return _headed(pair) or _answered(recorder, [header(each, "mqtt.correlation-data") for each in pair])


def _headed(pair: list[Any]) -> Result | None:
    """What is wrong with the headers of two commands, if anything."""
    reply, numbers = f"{_COMMANDS}/{_ORDERED}/reply", [header(each, "mqtt.correlation-data") for each in pair]
    if not all(header(each, "mqtt.response-topic").endswith(reply) for each in pair):
        return not_yet("A command does not say where to answer.", f"mqtt.response-topic is {reply}, with ns in front.")
    if not all(numbers):
        return not_yet("A command has no correlation data.", "Pass mqtt.correlation-data in headers=, as text.")
    if numbers[0] == numbers[1]:
        return not_yet("Both commands have the same correlation data.", "How could you tell their answers apart?")
    return next((problem for each in pair if (problem := _deadline(each))), None)


def _answered(recorder: Recorder, numbers: list[str]) -> Result:
    """Whether the answers with these correlation data are in Kafka and say done."""
    answers: dict[str, object] = {}

    def all_there() -> bool:
        for reply in recorder.kafka_records(_REPLIES):
            answers[header(reply, "mqtt.correlation-data")] = (json_object(reply.value()) or {}).get("answer")
        return all(number in answers for number in numbers)

    if not recorder.wait_for(all_there, seconds=_ON_ITS_WAY):
        return not_yet(f"{_ORDERED} did not answer both commands.", _stuck(recorder))
    refused = [answers[number] for number in numbers if answers[number] != "done"]
    if refused:
        return not_yet(f"{_ORDERED} answered: {refused[0]}.", "begin() wakes a new generator: run the cell again.")
    return done(f"{_ORDERED} started and took 75 kW, and confirmed both.")


def _stuck(recorder: Recorder) -> str:
    """Where commands without an answer are, as a hint."""
    # A record of an earlier try may become a dead letter late; without a key it is one of those.
    if dead := [each for each in recorder.kafka_records(_DEAD) if each.key() == _ORDERED.encode()]:
        return f"The bridge put a command into {_DEAD}: {header(dead[-1], 'dead-letter.reason')}"
    if brokers.lag(recorder.here, _CARRIER, _COMMANDS):
        return "The bridge has stopped: it has not carried all commands. begin() starts it again."
    return "The bridge has carried them. Is the generator awake? begin() wakes it."


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
            f"Kafka is right, but MQTT does not have the desired state of {_KEPT}.", "begin() starts the bridge."
        )
    if _WITHDRAWN in kept:
        return not_yet(
            f"Kafka is right, but MQTT still keeps {kept[_WITHDRAWN]!r} for {_WITHDRAWN}.",
            "The bridge publishes a tombstone as an empty retained message. begin() starts it.",
        )
    return done(f"{_KEPT} will find its desired state when it wakes. {_WITHDRAWN} no longer has one, in Kafka or MQTT.")


def _desired_in_kafka(values: dict[str, list[bytes | None]]) -> Result | None:
    """What is wrong with the yard's records in Kafka, if anything."""
    for key, written in values.items():
        if not written:
            return not_yet(f"{_DESIRED} holds no record with the key {key}.", "Produce one record for each, and flush.")
        if not any(json_object(value) == _STATE for value in written):
            return not_yet(f"No record of {key} says {json.dumps(_STATE)}.", "json.dumps() makes it from a dict.")
    if json_object(values[_KEPT][-1]) != _STATE:
        return not_yet(f"The last record of {_KEPT} says something else.", f"{_KEPT} keeps its desired state.")
    if values[_WITHDRAWN][-1] is not None:
        hint = "An empty value and the text null are still values. A tombstone has value=None."
        if json_object(values[_WITHDRAWN][-1]) == _STATE:
            hint = f"Desire first, then withdraw: the last record of {_WITHDRAWN} counts. It is one without a value."
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
            return _unanswered(recorder, reply)
        if (json_object(ping) or {}).get("answer") != "done":
            return not_yet(f"The answer to a ping was {ping!r}.", 'It should be {"answer": "done"}, as JSON.')
        for question, hint in _QUESTIONS.items():
            answer = ask(question)
            if answer is None:
                return not_yet(f"A ping was answered, but {question!r} was not.", hint)
            if (json_object(answer) or {}).get("answer") == "done":
                return not_yet(f"{question!r} was answered with {answer!r}.", "Only a ping is answered with done.")
    return done(f"{_ASKED} answered three questions correctly, each on its response topic.")


def _unanswered(recorder: Recorder, reply: str) -> Result:
    """Why a ping that asked for an answer on the topic ``reply`` got none."""
    if recorder.messages(reply):
        hint = "Publish with the request's: properties.CorrelationData = message.properties.CorrelationData."
        return not_yet("The answer to a ping did not have its correlation data.", hint)
    if elsewhere := recorder.messages(f"commands/{_ASKED}/reply", since=time.monotonic() - _ANSWER_WITHIN - 1):
        hint = "Publish the answer to message.properties.ResponseTopic: the request says where."
        return not_yet(f"A ping was answered on {elsewhere[-1].topic}, which is not the response topic.", hint)
    hint = "Subscribe in on_connect, and start the client's loop. An error in on_message ends it."
    return not_yet(f"A ping to commands/{_ASKED}/do got no answer.", hint)


def _deadline(record: Message) -> Result | None:
    """What is wrong with a record's deadline, if anything."""
    text = header(record, "expires")
    try:
        expires = float(text)
    except ValueError:
        return not_yet(f"The header expires is {text!r}.", "It is a time as time.time() gives it, as text.")
    kind, written = record.timestamp()
    life = expires - written / 1000 if kind != TIMESTAMP_NOT_AVAILABLE else 1.0
    if life <= 0:
        return not_yet("A command had expired when it was written.", "Its deadline is time.time() plus some seconds.")
    if life > _LONGEST_LIFE:
        return not_yet(f"A command is good for {life:,.0f} s.", "Its deadline is at most 300 seconds away.")
    return None


def _ask(client: MqttClient, response_topic: str, question: bytes) -> bytes | None:
    """X-001's answer with the right correlation data, or None if none came."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    number = uuid.uuid4().hex[:8].encode()
    properties.ResponseTopic, properties.CorrelationData = response_topic, number
    client.publish(f"commands/{_ASKED}/do", question, properties)
    deadline = time.monotonic() + _ANSWER_WITHIN
    while (left := deadline - time.monotonic()) > 0:
        if (message := client.next(within=left)) and getattr(message.properties, "CorrelationData", None) == number:
            return bytes(message.payload)
    return None
