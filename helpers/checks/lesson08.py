"""Checks of lesson 08: commands with answers and deadlines, a withdrawn desire, a device that answers."""

from __future__ import annotations

import json
import threading
import time
import uuid
from queue import Empty, Queue
from typing import Any, Self

import paho.mqtt.client as mqtt
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.checks.recorder import Here, Watch, begin
from helpers.checks.result import Result, done, not_yet

_COMMANDS, _REPLIES, _DESIRED = "commands", "commands-replies", "commands-desired"
_ORDERED = "G-004"
_WANTED = ({"do": "start"}, {"do": "set_load", "kw": 75})
_KEPT, _WITHDRAWN = "Y-001", "Y-002"
_STATE = {"running": True, "kw": 30}
_ASKED = "X-001"
_LONGEST_LIFE = 300.0
_ON_ITS_WAY = 3.0
_TIMEOUT = 10.0
_RETAINED_WITHIN = 1.0
_ANSWER_WITHIN = 2.0


def exercise_1(watch: Watch) -> Result:
    """G-004 was told to start and to take 75 kW, each with an answer and a deadline, and it did."""
    records = [record for record in watch.kafka_records(_COMMANDS) if record.key() == _ORDERED.encode()]
    if not records:
        return not_yet(
            f"{_COMMANDS} holds no record with the key {_ORDERED}.", "produce takes a key. And flush at the end."
        )
    last = {json.dumps(_json(record.value())): record for record in records}
    for wanted in _WANTED:
        if json.dumps(wanted) not in last:
            return not_yet(
                f"no record for {_ORDERED} says {json.dumps(wanted)}.", f"The last one says {list(last)[-1][:60]}."
            )
    pair = [last[json.dumps(wanted)] for wanted in _WANTED]
    return _headed(pair) or _answered(watch, [_header(record, "mqtt.correlation-data") for record in pair])


def _headed(pair: list[Any]) -> Result | None:
    """What is wrong with the headers of two commands, if anything."""
    numbers = [_header(record, "mqtt.correlation-data") for record in pair]
    if not all(numbers) or not all(_header(record, "mqtt.response-topic") for record in pair):
        return not_yet(
            "a record lacks its response topic or its correlation data.",
            "headers= takes a dict: mqtt.response-topic, mqtt.correlation-data, expires.",
        )
    if numbers[0] == numbers[1]:
        return not_yet("both records have the same correlation data.", "How would you tell their answers apart?")
    return next((problem for record in pair if (problem := _deadline(record))), None)


def _answered(watch: Watch, numbers: list[str]) -> Result:
    """Whether the answers with these correlation data are in Kafka, and say done."""
    answers: dict[str, object] = {}

    def all_there() -> bool:
        for reply in watch.kafka_records(_REPLIES):
            answers[_header(reply, "mqtt.correlation-data")] = (_json(reply.value()) or {}).get("answer")
        return all(number in answers for number in numbers)

    if not watch.wait_for(all_there, seconds=_ON_ITS_WAY):
        return not_yet(
            f"{_ORDERED} was ordered, and did not answer both times.",
            f"Is it awake, and is the response topic commands/{_ORDERED}/reply, with ns in front?",
        )
    refused = [answers[number] for number in numbers if answers[number] != "done"]
    if refused:
        return not_yet(f"{_ORDERED} answered: {refused[0]}.", "Start it first. Then it can carry 75 kW.")
    return done(f"{_ORDERED} started and took 75 kW, and said so both times.")


def exercise_2(watch: Watch) -> Result:
    """Y-001 has a desired state in Kafka and MQTT; Y-002 had one, and has none any more."""
    records = watch.kafka_records(_DESIRED)
    values = {key: [r.value() for r in records if r.key() == key.encode()] for key in (_KEPT, _WITHDRAWN)}
    if problem := _desired_in_kafka(values):
        return problem
    kept: dict[str, bytes] = {}
    watch.wait_for(lambda: _settled(watch.here, kept), seconds=_ON_ITS_WAY)
    if _json(kept.get(_KEPT)) != _STATE:
        return not_yet(
            f"Kafka is as it should be, and MQTT keeps nothing for {_KEPT}.",
            "Does the bridge of section 2 still run? Run its cell again.",
        )
    if _WITHDRAWN in kept:
        return not_yet(
            f"Kafka is as it should be, and MQTT still keeps {kept[_WITHDRAWN]!r} for {_WITHDRAWN}.",
            "The bridge of section 2 publishes a tombstone as an empty retained message. Does it still run?",
        )
    return done(f"{_KEPT} will find its desired state when it wakes. For {_WITHDRAWN} there is none, on either side.")


def _desired_in_kafka(values: dict[str, list[bytes | None]]) -> Result | None:
    """What is wrong with the records of the yard, if anything."""
    for key, written in values.items():
        if not written:
            return not_yet(f"{_DESIRED} holds no record with the key {key}.", "One record each, and flush at the end.")
        if not any(_json(value) == _STATE for value in written):
            return not_yet(
                f"no record of {key} says {json.dumps(_STATE)}.", "json.dumps of a dict, as desire() does it."
            )
    if _json(values[_KEPT][-1]) != _STATE:
        return not_yet(f"the last record of {_KEPT} is another one.", f"{_KEPT} keeps its desired state.")
    if values[_WITHDRAWN][-1] is not None:
        hint = "An empty value or the text null is still a value. value=None is none."
        return not_yet(f"the last record of {_WITHDRAWN} has a value: {values[_WITHDRAWN][-1]!r}.", hint)
    return None


def exercise_3(watch: Watch) -> Result:
    """Whoever is X-001 answers a ping with done, and nonsense with something else, where it was asked to."""
    with _Asker(watch.here) as asker:
        ping = asker.ask(b'{"do": "ping"}')
        if ping is None:
            return not_yet(
                f"a ping to commands/{_ASKED}/do got no answer.",
                "Subscribe in on_connect, and leave the client's loop running. The answer goes to "
                "message.properties.ResponseTopic, with message.properties.CorrelationData.",
            )
        if ping.get("answer") != "done":
            return not_yet(f"the answer to a ping was {ping}.", 'It should be {"answer": "done"}, as JSON.')
        for question in (b'{"do": "explode"}', b"\xf0\x9f no json"):
            answer = asker.ask(question)
            if answer is None:
                return not_yet(
                    f"a ping was answered, and {question!r} was not.",
                    "An error in on_message ends the client's thread. json.loads raises ValueError.",
                )
            if answer.get("answer", "done") == "done":
                return not_yet(f"{question!r} was answered with {answer}.", "Only a ping is done. Refuse the rest.")
    return done(f"{_ASKED} answered three questions, each where and as it should.")


def _deadline(record: Any) -> Result | None:  # noqa: ANN401
    """What is wrong with the deadline of a record, if anything."""
    text = _header(record, "expires")
    try:
        expires = float(text)
    except ValueError:
        return not_yet(f"the header expires is {text!r}.", "It is a time as of time.time(), written as a text.")
    kind, written = record.timestamp()
    life = expires - written / 1000 if kind != TIMESTAMP_NOT_AVAILABLE else 1.0
    if not 0 < life <= _LONGEST_LIFE:
        return not_yet(
            f"a command's deadline was {life:.0f} s after it was written.",
            "time.time() plus some seconds, at most 300.",
        )
    return None


def _settled(here: Here, kept: dict[str, bytes]) -> bool:
    """Fill ``kept`` with what MQTT keeps for the yard, and tell whether it is as it should be."""
    with _Client(here) as client:
        client.subscribe(f"{here.ns}commands/+/desired")
        kept.clear()
        deadline = time.monotonic() + _RETAINED_WITHIN
        while (left := deadline - time.monotonic()) > 0 and (message := client.next(within=left)) is not None:
            kept[message.topic.split("/")[-2]] = bytes(message.payload)
    return _KEPT in kept and _WITHDRAWN not in kept


class _Client:
    """A client of the check's own, connected for the length of a ``with`` block."""

    def __init__(self, here: Here) -> None:
        self._inbox: Queue[mqtt.MQTTMessage] = Queue()
        self._answered = threading.Event()
        self._address = here.mqtt
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"{here.ns}check-{uuid.uuid4().hex[:8]}", protocol=mqtt.MQTTv5
        )
        client.on_connect = lambda *_: self._answered.set()
        client.on_subscribe = lambda *_: self._answered.set()
        client.on_message = lambda _client, _data, message: self._inbox.put(message)

    def __enter__(self) -> Self:
        begin(self._client, self._address)
        self._answered.wait(_TIMEOUT)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, topic_filter: str) -> None:
        self._answered.clear()
        self._client.subscribe(topic_filter, 1)
        self._answered.wait(_TIMEOUT)

    def publish(self, topic: str, payload: bytes, properties: Properties) -> None:
        self._client.publish(topic, payload, qos=1, properties=properties).wait_for_publish(_TIMEOUT)

    def next(self, *, within: float) -> mqtt.MQTTMessage | None:
        try:
            return self._inbox.get(timeout=within)
        except Empty:
            return None


class _Asker(_Client):
    """Asks X-001, and takes answers on a topic nobody could have known."""

    def __init__(self, here: Here) -> None:
        super().__init__(here)
        self._request = f"{here.ns}commands/{_ASKED}/do"
        self._response = f"{here.ns}commands/{_ASKED}/reply-{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> Self:
        super().__enter__()
        self.subscribe(self._response)
        return self

    def ask(self, question: bytes) -> dict[str, Any] | None:
        """The answer with the right correlation data; ``{}`` if it is no JSON object, None if none came."""
        number = uuid.uuid4().hex[:8].encode()
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ResponseTopic, properties.CorrelationData = self._response, number
        self.publish(self._request, question, properties)
        deadline = time.monotonic() + _ANSWER_WITHIN
        while (left := deadline - time.monotonic()) > 0 and (message := self.next(within=left)) is not None:
            if getattr(message.properties, "CorrelationData", None) == number:
                return _json(bytes(message.payload)) or {}
        return None


def _json(payload: bytes | None) -> dict[str, Any] | None:
    try:
        value = json.loads(payload or b"")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _header(record: Any, name: str) -> str:  # noqa: ANN401
    found = next((value for key, value in record.headers() or [] if key == name), None)
    return (found or b"").decode(errors="replace")
