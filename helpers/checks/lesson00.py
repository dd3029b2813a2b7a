"""Checks of lesson 00: a greeting on each broker."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient

from helpers.checks.recorder import Watch
from helpers.checks.result import Result, done, not_yet

_ON_ITS_WAY = 1.0


def exercise_1(watch: Watch) -> Result:
    """Something that is not empty was published to ``hello/me``."""
    watch.wait_for(lambda: bool(watch.messages("hello/me")), seconds=_ON_ITS_WAY)
    greetings = watch.messages("hello/me")
    if any(each.payload.strip() for each in greetings):
        return done(f"The broker passed on your greeting to hello/me ({_shown(greetings[-1].payload)}).")
    if greetings:
        return not_yet(
            "a message came to hello/me, and it was empty.", "The text is the second argument: publish(topic, text)."
        )
    ours = watch.here.ns
    others = [topic for each in watch.messages("hello/#") if (topic := each.topic.removeprefix(ours)) != "hello/world"]
    if others:
        return not_yet(
            f"nothing came to hello/me, but something came to {others[-1]}.",
            "Every character of a topic counts: small and capital letters, spaces, a slash at the end.",
        )
    return not_yet(
        "nothing came to hello/me since the first cell of this lesson.",
        "Connect, call loop_start, publish with qos=1, and wait_for_publish before you disconnect.",
    )


def exercise_2(watch: Watch) -> Result:
    """The Kafka topic ``hello-me`` exists and holds a record with a value."""
    name = f"{watch.here.ns}hello-me"
    topics = AdminClient({**watch.here.kafka}).list_topics(timeout=10).topics
    if name not in topics:
        near = [each for each in topics if each.lower().replace("_", "-").replace(".", "-") == name]
        seen = f"the topic {name} does not exist" + (f", but {near[0]} does." if near else ".")
        return not_yet(seen, "create_topics answers with a dict of futures: ask for .result(timeout=15).")
    records = watch.kafka_records("hello-me")
    values = [each.value() for each in records if each.value()]
    if values:
        return done(f"Kafka keeps your greeting in {name} ({_shown(values[-1])}).")
    if records:
        return not_yet(
            f"{name} holds a record without a value.", "Give the text as value=; a key alone is not a greeting."
        )
    return not_yet(f"{name} exists, and nothing is in it.", "produce only queues the record: call flush(10) after it.")


def _shown(payload: bytes, longest: int = 40) -> str:
    text = payload.decode(errors="replace")
    return f"“{text[:longest]}…”" if len(text) > longest else f"“{text}”"
