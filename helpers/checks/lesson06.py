"""Checks of lesson 06: a topic put right, a regular expression, and a mapping that traffic is replayed through."""

from __future__ import annotations

import json
import threading
import uuid
from collections import defaultdict
from typing import Any

import paho.mqtt.client as mqtt
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from paho.mqtt.enums import CallbackAPIVersion

from helpers.checks.recorder import Watch, begin
from helpers.checks.result import Result, done, not_yet
from helpers.errors import LessonError
from helpers.topics import Route, Template, TopicError, check_kafka_topic, refuse_collisions

DAY = 24 * 60 * 60 * 1000
TOPICS = tuple(
    f"design/{company}/G-{number:03}/{kind}"
    for company in ("north", "south")
    for number in range(1, 6)
    for kind in ("reading", "status", "alarm")
)
"""The MQTT topics of the design exercise, without the namespace: ``design/company/device/kind``."""
_ROUNDS = 4
_MOST_TOPICS = 5
_LEAST_PARTITIONS = 3
_TIMEOUT = 10.0


def exercise_1(watch: Watch) -> Result:
    """``workshop-readings`` has four partitions, keeps thirty days, and still has its records."""
    partitions = _partitions(watch, "workshop-readings", wanted=4)
    if not partitions:
        return not_yet("There is no topic workshop-readings.", "Run the cell that makes it; then change it, in place.")
    if not watch.kafka_records("workshop-readings"):
        return not_yet(
            "workshop-readings is empty: its records are gone.",
            "Change the topic in place. To start again, run the first cell and the one that makes the topic.",
        )
    if partitions != 4:  # noqa: PLR2004 - as the exercise says
        return not_yet(
            f"workshop-readings has {partitions} partition{'s' * (partitions > 1)}.",
            "NewPartitions takes the new total. Partitions cannot be taken away again.",
        )
    kept = _retention(watch, "workshop-readings")
    if kept * 1000 == 30 * DAY:
        return not_yet(f"retention.ms is {kept:,}: thirty days in seconds.", "Kafka counts milliseconds.")
    if kept != 30 * DAY:
        return not_yet(
            f"Records are kept for {kept / DAY:g} days." if kept > 0 else "Records are kept for ever.",
            "Set retention.ms with incremental_alter_configs, and wait for its result.",
        )
    return done("Four partitions, thirty days, and nothing was lost.")


def exercise_2(watch: Watch) -> Result:
    """The group yards-audit has read all of yards-*, and nothing else."""
    ns = watch.here.ns
    admin = AdminClient({**watch.here.kafka, "log_level": 0})
    committed = _committed(admin, f"{ns}yards-audit")
    if not committed:
        return not_yet(
            "The group yards-audit has committed nothing.",
            "Set group.id, poll until nothing comes, and close the consumer: it commits on closing.",
        )
    if strangers := sorted(each.removeprefix(ns) for each in committed if not each.startswith(f"{ns}yards-")):
        return not_yet(
            f"The group has also read {', '.join(strangers)}.",
            "Write out every character that the names must begin with. To start again, run the first cell.",
        )
    names = sorted(each for each in admin.list_topics(timeout=_TIMEOUT).topics if each.startswith(f"{ns}yards-"))
    for name in names:
        written = len(watch.kafka_records(name.removeprefix(ns)))
        if committed.get(name, 0) < written:
            return not_yet(
                f"The group has read {committed.get(name, 0)} of {written} records of {name.removeprefix(ns)}.",
                'Begin at "earliest", and let the expression match every name that begins with yards-.',
            )
    return done(f"One expression, {len(names)} topics, each read to its end.")


def exercise_3(watch: Watch) -> Result:
    """Fetch the learner's mapping, replay traffic through it into Kafka, and look at what came of it."""
    try:
        templates = _mapping(watch)
        routes = {topic: _route(templates, watch.here.ns, topic) for topic in TOPICS}
        _judge_keys(routes)
        _judge_topics(watch, routes)
    except _WrongError as wrong:
        return not_yet(wrong.cause, wrong.remedy)
    run = uuid.uuid4().hex
    _replay(watch, routes, run)
    stored = _stored(watch, {route.topic for route in routes.values()}, run)
    for topic in TOPICS:
        places = stored[topic]
        if [number for number, _ in places] != list(range(_ROUNDS)):
            return not_yet(
                f"The messages of {topic} came out as {[number for number, _ in places]}.", "Look at the key."
            )
    used = {route.topic for route in routes.values()}
    partitions = {place for places in stored.values() for _, place in places}
    return done(
        f"{len(TOPICS) * _ROUNDS} messages of {len(TOPICS)} MQTT topics, replayed into {len(used)} Kafka topics and "
        f"{len(partitions)} of their partitions: every generator in order, none taken for another."
    )


class _WrongError(LessonError):
    """What is wrong with a mapping, and a hint."""


def _mapping(watch: Watch) -> list[Template]:
    payload = _retained(watch, f"{watch.here.ns}design/mapping")
    if payload is None:
        raise _WrongError(
            "There is no retained message on design/mapping.",
            remedy="Publish your mapping as JSON with retain=True; the namespace goes in front of the topic.",
        )
    example = 'It is a list of objects: [{"pattern": "...", "topic": "...", "key": "..."}].'
    try:
        entries = json.loads(payload)
        parts = [(each["pattern"], each["topic"], each.get("key")) for each in entries]
        if strange := [part for each in parts for part in each if not isinstance(part, str | None)]:
            raise TypeError(f"{strange[0]!r} is no text")  # noqa: TRY301 - answered like the others
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _WrongError(f"The mapping is not what was asked for: {error}.", remedy=example) from error
    ns = watch.here.ns
    try:
        return [Template(f"{ns}{pattern}", topic=f"{ns}{topic}", key=key) for pattern, topic, key in parts]
    except TopicError as error:
        raise _WrongError(error.cause, remedy=error.remedy or "Compare it with the example.") from error


def _route(templates: list[Template], ns: str, topic: str) -> Route:
    """Where the one template that matches sends ``topic``."""
    found = []
    for template in templates:
        try:
            found.append(template.route(f"{ns}{topic}"))
        except TopicError as error:
            if "does not match" not in error.cause:
                raise _WrongError(error.cause, remedy=error.remedy) from error
    if not found:
        raise _WrongError(f"No entry matches {topic}.", remedy="Is there a pattern for each kind of message?")
    if len(found) > 1:
        raise _WrongError(
            f"{len(found)} entries match {topic}.", remedy="Let the patterns differ in a level that is written out."
        )
    return found[0]


def _judge_keys(routes: dict[str, Route]) -> None:
    owners: dict[tuple[str, str], set[str]] = defaultdict(set)
    for topic, route in routes.items():
        if not route.key:
            raise _WrongError(f"{topic} has no key.", remedy="Without a key, messages spread over the partitions.")
        owners[route.topic, route.key].add("/".join(topic.split("/")[1:3]))
    for (_, key), generators in owners.items():
        if len(generators) > 1:
            first, second, *_ = sorted(generators)
            raise _WrongError(
                f"{first} and {second} are two generators with one key, {key!r}.",
                remedy="A key may use several names of the pattern.",
            )


def _judge_topics(watch: Watch, routes: dict[str, Route]) -> None:
    ns = watch.here.ns
    used = sorted({route.topic for route in routes.values()})
    if len(used) > _MOST_TOPICS:
        raise _WrongError(
            f"The mapping needs {len(used)} Kafka topics, and more with each generator.",
            remedy="Let the device be in the key, not in the topic's name.",
        )
    try:
        refuse_collisions(check_kafka_topic(each) for each in used)
    except TopicError as error:
        raise _WrongError(error.cause, remedy=error.remedy) from error
    alarms = {route.topic for topic, route in routes.items() if topic.endswith("/alarm")}
    others = {route.topic for topic, route in routes.items() if not topic.endswith("/alarm")}
    if alarms & others:
        raise _WrongError(
            f"Alarms share {min(alarms & others).removeprefix(ns)} with other messages.",
            remedy="Retention is a setting of the topic: what is kept for longer needs its own.",
        )
    for each in (name.removeprefix(ns) for name in used):
        if not each.startswith("design-"):
            raise _WrongError(f"{each} does not begin with design-.", remedy="Choose another name.")
        partitions = _partitions(watch, each, wanted=_LEAST_PARTITIONS)
        if partitions < _LEAST_PARTITIONS:
            raise _WrongError(
                f"The Kafka topic {each} has {partitions} partition{'s' * (partitions > 1)}."
                if partitions
                else f"There is no Kafka topic {each}.",
                remedy="Make it, with three partitions or more.",
            )


def _replay(watch: Watch, routes: dict[str, Route], run: str) -> None:
    failures: list[KafkaError] = []
    producer = Producer({**watch.here.kafka, "enable.idempotence": True, "log_level": 0})
    for number in range(_ROUNDS):
        for topic, route in routes.items():
            producer.produce(
                route.topic,
                json.dumps({"from": topic, "number": number}).encode(),
                route.key,
                headers={"replay": run},
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )
    if producer.flush(_TIMEOUT) or failures:
        raise LessonError(f"The replay could not be stored: {failures[0] if failures else 'Kafka did not answer'}.")


def _stored(watch: Watch, topics: set[str], run: str) -> dict[str, list[tuple[int, tuple[str, int]]]]:
    """MQTT topic → (number of the message, (Kafka topic, partition)), as a consumer reads partition by partition."""
    stored: dict[str, list[tuple[int, tuple[str, int]]]] = defaultdict(list)
    for name in topics:
        for record in watch.kafka_records(name.removeprefix(watch.here.ns)):
            if dict(record.headers() or []).get("replay") == run.encode():
                value = json.loads(record.value())
                stored[value["from"]].append((value["number"], (name, record.partition())))
    return stored


def _retained(watch: Watch, topic: str) -> bytes | None:
    """The retained message of ``topic``, if there is one."""
    payloads: list[bytes] = []
    came, granted = threading.Event(), threading.Event()

    def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        payloads.append(bytes(message.payload))
        came.set()

    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=f"{watch.here.ns}check-{uuid.uuid4().hex[:8]}", protocol=mqtt.MQTTv5
    )
    client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
    client.on_subscribe = lambda *_: granted.set()
    client.on_message = on_message
    begin(client, watch.here.mqtt)
    try:
        granted.wait(_TIMEOUT)
        came.wait(1.0)  # A retained message follows the SUBACK; that there is none is said by silence.
    finally:
        client.disconnect()
        client.loop_stop()
    return payloads[0] if payloads else None


def _partitions(watch: Watch, topic: str, *, wanted: int) -> int:
    """How many partitions a topic has, 0 when there is none of that name. News may need a moment to go round."""
    admin = AdminClient({**watch.here.kafka, "log_level": 0})
    name = f"{watch.here.ns}{topic}"

    def count() -> int:
        found = admin.list_topics(timeout=_TIMEOUT).topics.get(name)
        return len(found.partitions) if found is not None and found.error is None else 0

    watch.wait_for(lambda: count() >= wanted, seconds=1.0)
    return count()


def _retention(watch: Watch, topic: str) -> int:
    """How long a topic keeps its records, in milliseconds; -1 is for ever."""
    admin = AdminClient({**watch.here.kafka, "log_level": 0})
    resource = ConfigResource(ConfigResource.Type.TOPIC, f"{watch.here.ns}{topic}")
    entry: Any = admin.describe_configs([resource])[resource].result(_TIMEOUT)["retention.ms"]
    return int(entry.value)


def _committed(admin: AdminClient, group: str) -> dict[str, int]:
    """Topic → the sum of the group's committed offsets; empty when there are none."""
    [future] = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
    try:
        places = future.result(_TIMEOUT).topic_partitions or []
    except KafkaException:
        return {}
    offsets: dict[str, int] = defaultdict(int)
    for place in places:
        if place.offset > 0:
            offsets[place.topic] += place.offset
    return dict(offsets)
