"""Checks: a greeting on each broker."""

from __future__ import annotations

import re

from helpers.checks import brokers
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_ON_ITS_WAY = 1.0
_LESSONS_OWN = b"Hello, Kafka!"  # in the topic hello, by the cell `kafka-produce`


def exercise_1(recorder: Recorder) -> Result:
    """A message that is not empty was published to ``hello/me``."""
    recorder.wait_for(lambda: bool(recorder.messages("hello/me")), seconds=_ON_ITS_WAY)
    greetings = recorder.messages("hello/me")
    if any(each.payload.strip() for each in greetings):
        return done(f"The broker passed on your greeting to hello/me ({_shown(greetings[-1].payload)}).")
    if greetings:
        return not_yet("A message came to hello/me, but it was empty.", "The text is publish's second argument.")
    if others := recorder.messages("hello/#"):
        return not_yet(
            f"Nothing came to hello/me, but something came to {others[-1].topic}.",
            "Every character of a topic counts: upper and lower case, spaces, a slash at the end.",
        )
    return not_yet(
        "Nothing has come to hello/me.",
        "Connect, call loop_start, publish with qos=1, and call wait_for_publish before you disconnect.",
    )


def exercise_2(recorder: Recorder) -> Result:
    """The Kafka topic ``hello-me`` exists and holds a record with a value."""
    ns, alike = recorder.here.ns, list[str]()

    def listed() -> bool:
        alike[:] = [each for each in brokers.topics(recorder.here) if re.sub("[_.]", "-", each.lower()) == "hello-me"]
        return bool(alike)

    recorder.settle()  # what was made or deleted just now is not yet known everywhere
    recorder.wait_for(listed, seconds=_ON_ITS_WAY)
    if "hello-me" not in alike:
        if alike:
            return not_yet(
                f"The topic {ns}hello-me does not exist, but {ns}{alike[0]} does.",
                "Every character of a name counts, and a dash is not an underscore.",
            )
        return not_yet(
            f"The topic {ns}hello-me does not exist.",
            "A Kafka topic is created first. create_topics returns a dict of futures: call .result(timeout=15).",
        )
    records = recorder.kafka_records("hello-me")
    if values := [each.value() for each in records if each.value()]:
        return done(f"Kafka keeps your greeting in {ns}hello-me ({_shown(values[-1])}).")
    if records:
        return not_yet(f"{ns}hello-me holds a record without a value.", "Pass the text as value=, not as key=.")
    if any(each.value() != _LESSONS_OWN for each in recorder.kafka_records("hello")):
        return not_yet(f"{ns}hello-me is empty. A record is in {ns}hello.", "produce's first argument names the topic.")
    return not_yet(f"{ns}hello-me exists, but it is empty.", "produce only queues a record: then call flush(10).")


def _shown(payload: bytes, longest: int = 40) -> str:
    text = payload.decode(errors="replace")
    return f"“{text[:longest]}…”" if len(text) > longest else f"“{text}”"
