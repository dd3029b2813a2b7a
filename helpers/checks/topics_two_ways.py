"""Checks: a topic put right, a regular expression, and a mapping that traffic is replayed through."""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict

from helpers.checks import brokers
from helpers.checks.brokers import header
from helpers.checks.recorder import Recorder
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


def exercise_1(recorder: Recorder) -> Result:
    """``workshop-readings`` has four partitions, keeps thirty days, and still has its records."""
    partitions = _partitions(recorder, "workshop-readings", wanted=4)
    if not partitions:
        return not_yet("There is no topic workshop-readings.", "begin_workshop() creates it. Change it in place.")
    if not recorder.kafka_records("workshop-readings"):
        return not_yet("The records are gone.", "Change the topic in place. begin_workshop() makes it again.")
    if partitions != 4:  # noqa: PLR2004 - as the exercise says
        return not_yet(
            f"workshop-readings has {partitions} partition{'s' * (partitions > 1)}.",
            "NewPartitions takes the new total. Partitions cannot be removed again.",
        )
    kept = int(brokers.topic_settings(recorder.here, "workshop-readings")["retention.ms"])
    if kept * 1000 == 30 * DAY:
        return not_yet(f"retention.ms is {kept:,}: that is thirty days in seconds.", "Kafka counts milliseconds.")
    if kept != 30 * DAY:
        return not_yet(
            f"Records are kept for {kept / DAY:g} days." if kept > 0 else "Records are kept for ever.",
            "Set retention.ms with incremental_alter_configs, and wait for the result.",
        )
    return done("Four partitions, thirty days, and nothing was lost.")


def exercise_2(recorder: Recorder) -> Result:
    """The group yards-audit has read all of yards-*, and nothing else."""
    ns = recorder.here.ns
    committed: Counter[str] = Counter()
    for (topic, _partition), offset in brokers.committed(recorder.here, "yards-audit").items():
        committed[topic] += offset
    committed = +committed  # without the topics of which nothing was read
    if not committed:
        return not_yet(
            "The group yards-audit has committed nothing.",
            'Begin at "earliest". An expression begins with "^". poll() gives None while the group is forming, too: '
            "go on until you have read as many records as the logs hold, then close().",
        )
    if strangers := sorted(each.removeprefix(ns) for each in committed if not each.startswith(f"{ns}yards-")):
        return not_yet(
            f"The group has also read {', '.join(strangers)}.",
            "Write out every character that the names must begin with.",
        )
    names = sorted(each for each in brokers.topics(recorder.here) if each.startswith("yards-"))
    for name in names:
        written, read = len(recorder.kafka_records(name)), committed[f"{ns}{name}"]
        if not read:
            return not_yet(
                f"The group has read nothing of {name}.", "Match all that begin with yards-: one is new each time."
            )
        if read < written:
            return not_yet(
                f"The group has read {read} of {written} records of {name}.",
                "None from poll() is not the end. get_watermark_offsets() says where a log ends.",
            )
    return done(f"One expression, {len(names)} topics, each read to its end.")


def exercise_3(recorder: Recorder) -> Result:
    """The learner's mapping, with traffic replayed through it into Kafka, keeps each generator in order."""
    try:
        templates = _mapping(recorder)
        routes = {topic: _route(templates, recorder.here.ns, topic) for topic in TOPICS}
        _check_keys(routes)
        _check_topics(recorder, routes)
    except _MappingError as wrong:
        return not_yet(wrong.cause, wrong.remedy)
    run = uuid.uuid4().hex
    _replay(recorder, routes, run)
    stored = _stored(recorder, {route.topic for route in routes.values()}, run)
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
        f"{len(partitions)} of their partitions: every generator in order, none mistaken for another."
    )


class _MappingError(LessonError):
    """The mapping has a mistake: ``cause`` says which, ``remedy`` is the hint."""


def _mapping(recorder: Recorder) -> list[Template]:
    payload = brokers.retained(recorder.here, "design/mapping").get("design/mapping")
    if payload is None:
        raise _MappingError(
            "There is no retained message on design/mapping.",
            remedy="Publish your mapping as JSON with retain=True; the namespace goes in front of the topic.",
        )
    example = 'It is a list of objects: [{"pattern": "...", "topic": "...", "key": "..."}].'
    try:
        entries = json.loads(payload)
        parts = [(each["pattern"], each["topic"], each.get("key")) for each in entries]
        if strange := [part for each in parts for part in each if not isinstance(part, str | None)]:
            raise TypeError(f"{strange[0]!r} is not text")  # noqa: TRY301 - reported like the others
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _MappingError(f"The mapping does not have the right form: {error}.", remedy=example) from error
    ns = recorder.here.ns
    try:
        return [Template(f"{ns}{pattern}", topic=f"{ns}{topic}", key=key) for pattern, topic, key in parts]
    except TopicError as error:
        raise _MappingError(error.cause, remedy=error.remedy or "Compare it with the example.") from error


def _route(templates: list[Template], ns: str, topic: str) -> Route:
    """The route of ``topic`` by the only template that matches it."""
    found = []
    for template in templates:
        try:
            found.append(template.route(f"{ns}{topic}"))
        except TopicError as error:
            if "does not match" not in error.cause:
                raise _MappingError(error.cause, remedy=error.remedy) from error
    if not found:
        raise _MappingError(f"No entry matches {topic}.", remedy="Is there a pattern for each kind, without namespace?")
    if len(found) > 1:
        raise _MappingError(f"{len(found)} entries match {topic}.", remedy="Let them differ in a level without braces.")
    return found[0]


def _check_keys(routes: dict[str, Route]) -> None:
    owners: dict[tuple[str, str], set[str]] = defaultdict(set)
    for topic, route in routes.items():
        if not route.key:
            raise _MappingError(f"{topic} has no key.", remedy="Without a key, messages go to any partition.")
        owners[route.topic, route.key].add("/".join(topic.split("/")[1:3]))
    for (_, key), generators in owners.items():
        if len(generators) > 1:
            first, second, *_ = sorted(generators)
            raise _MappingError(
                f"{first} and {second} are different generators with the same key, {key!r}.",
                remedy="A key may use several names of the pattern.",
            )


def _check_topics(recorder: Recorder, routes: dict[str, Route]) -> None:
    ns = recorder.here.ns
    used = sorted({route.topic for route in routes.values()})
    if len(used) > _MOST_TOPICS:
        raise _MappingError(
            f"The mapping needs {len(used)} Kafka topics, and another one for each new generator.",
            remedy="Put the device into the key, not into the topic's name.",
        )
    try:
        refuse_collisions(check_kafka_topic(each) for each in used)
    except TopicError as error:
        raise _MappingError(error.cause, remedy=error.remedy) from error
    alarms = {route.topic for topic, route in routes.items() if topic.endswith("/alarm")}
    others = {route.topic for topic, route in routes.items() if not topic.endswith("/alarm")}
    if alarms & others:
        raise _MappingError(
            f"Alarms share {min(alarms & others).removeprefix(ns)} with other messages.",
            remedy="Retention is a setting of the topic.",
        )
    for each in (name.removeprefix(ns) for name in used):
        if not each.startswith("design-"):
            raise _MappingError(f"{each} does not begin with design-.", remedy="Choose another one, without namespace.")
        partitions = _partitions(recorder, each, wanted=_LEAST_PARTITIONS)
        if not partitions:
            raise _MappingError(f"There is no Kafka topic {each}.", remedy="A mapping makes no topics: create it.")
        if partitions < _LEAST_PARTITIONS:
            raise _MappingError(
                f"The Kafka topic {each} has {partitions} partition{'s' * (partitions > 1)}.",
                remedy="Its generators share the work of that many consumers. Give it three or more.",
            )


def _replay(recorder: Recorder, routes: dict[str, Route], run: str) -> None:
    brokers.produce(
        recorder.here,
        [
            {
                "topic": route.topic,
                "key": route.key,
                "value": json.dumps({"from": topic, "number": number}),
                "headers": {"replay": run},
            }
            for number in range(_ROUNDS)
            for topic, route in routes.items()
        ],
    )


def _stored(recorder: Recorder, topics: set[str], run: str) -> dict[str, list[tuple[int, tuple[str, int]]]]:
    """MQTT topic → its messages as pairs of number and (Kafka topic, partition), read partition by partition."""
    stored: dict[str, list[tuple[int, tuple[str, int]]]] = defaultdict(list)
    for name in topics:
        for record in recorder.kafka_records(name.removeprefix(recorder.here.ns)):
            if header(record, "replay") == run:
                value = json.loads(record.value())
                stored[value["from"]].append((value["number"], (name, record.partition())))
    return stored


def _partitions(recorder: Recorder, topic: str, *, wanted: int) -> int:
    """How many partitions a topic has, 0 if it does not exist. Kafka may need a moment to report a change."""

    def count() -> int:
        return brokers.topics(recorder.here).get(topic, 0)

    recorder.wait_for(lambda: count() >= wanted, seconds=1.0)
    return count()
