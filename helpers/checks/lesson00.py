"""Checks of lesson 00: a greeting on each broker."""

from __future__ import annotations

from helpers.checks import brokers
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_ON_ITS_WAY = 1.0


def exercise_1(recorder: Recorder) -> Result:
    """A message that is not empty was published to ``hello/me``."""
    recorder.wait_for(lambda: bool(recorder.messages("hello/me")), seconds=_ON_ITS_WAY)
    greetings = recorder.messages("hello/me")
    if any(each.payload.strip() for each in greetings):
        return done(f"The broker passed on your greeting to hello/me ({_shown(greetings[-1].payload)}).")
    if greetings:
        return not_yet(
            "A message came to hello/me, but it was empty.", "The text is the second argument: publish(topic, text)."
        )
    ns = recorder.here.ns
    others = [topic for each in recorder.messages("hello/#") if (topic := each.topic.removeprefix(ns)) != "hello/world"]
    if others:
        return not_yet(
            f"Nothing came to hello/me, but something came to {others[-1]}.",
            "Every character of a topic counts: upper and lower case, spaces, a slash at the end.",
        )
    return not_yet(
        "Nothing has come to hello/me since the first cell of this lesson.",
        "Connect, call loop_start, publish with qos=1, and call wait_for_publish before you disconnect.",
    )


def exercise_2(recorder: Recorder) -> Result:
    """The Kafka topic ``hello-me`` exists and holds a record with a value."""
    name, topics = f"{recorder.here.ns}hello-me", brokers.topics(recorder.here)
    if "hello-me" not in topics:
        near = [each for each in topics if each.lower().replace("_", "-").replace(".", "-") == "hello-me"]
        seen = f"The topic {name} does not exist" + (f", but {recorder.here.ns}{near[0]} does." if near else ".")
        return not_yet(seen, "create_topics returns a dict of futures: call .result(timeout=15) on yours.")
    records = recorder.kafka_records("hello-me")
    values = [each.value() for each in records if each.value()]
    if values:
        return done(f"Kafka keeps your greeting in {name} ({_shown(values[-1])}).")
    if records:
        return not_yet(f"{name} holds a record without a value.", "Pass the text as value=; a key alone is not enough.")
    return not_yet(f"The topic {name} exists, but it is empty.", "produce only queues a record: then call flush(10).")


def _shown(payload: bytes, longest: int = 40) -> str:
    text = payload.decode(errors="replace")
    return f"“{text[:longest]}…”" if len(text) > longest else f"“{text}”"
