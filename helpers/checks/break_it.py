"""Checks: three accidents survived, the setting that loses readings, three patients diagnosed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from helpers.checks.answers import latest
from helpers.checks.brokers import header
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_RECEIPTS, _SICK, _FINDING = "break-receipts", "break-sick", "break-finding"
_DRAW, _DIAGNOSES, _ACCIDENTS = "break-draw", "break-diagnoses", ("line", "queue", "bridge", "leader")
_LONG_ENOUGH = 60  # seconds: none of the accidents takes so long


def exercise_1(recorder: Recorder) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """Settings with which no reading was lost in three accidents."""
    receipt = latest(recorder, _RECEIPTS).get("run")
    if not receipt:
        return not_yet("No run was written down.", "survive(...) runs the pipeline with your settings.")
    settings, stored = receipt["settings"], Counter(_names(recorder, receipt["topic"]))
    published = [tuple(each) for each in receipt["published"]]
    missing = f"{len(set(published) - stored.keys())} of {len(published)} readings are missing"
    if settings["qos"] == 0:
        return not_yet(
            f"qos=0: {missing}.", "A device that waits for no answer has nothing to send again. Which QoS has answers?"
        )
    if settings["session_expiry"] < _LONG_ENOUGH:
        return not_yet(
            f"session_expiry={settings['session_expiry']}: {missing}.",
            "Who keeps the readings while the bridge is away, and for how long? Accidents last longer than you plan.",
        )
    if settings["acknowledge"] != "stored":
        return not_yet(
            f"acknowledge={settings['acknowledge']!r}: {missing}.",
            "What the bridge has acknowledged and not yet stored dies with it. When is a reading safe?",
        )
    if str(settings["acks"]) == "0":
        return not_yet(
            f"acks={settings['acks']!r}: {missing}.",
            "The bridge takes a record for stored when it has left. What is on its way to a dead leader?",
        )
    if str(settings["acks"]) not in {"all", "-1"}:
        return not_yet(
            f"acks={settings['acks']!r}: {missing}.",
            "A leader that answers alone can take the record with it, even if it was lucky today. Who else should?",
        )
    if missing[0] != "0":
        return not_yet(f"{missing}.", "Your settings are right, and the machine was slow. Run the cell once more.")
    twice = sum(times > 1 for times in stored.values())
    return done(f"All {len(published)} readings are in Kafka after three accidents, {twice} of them repeated.")


def exercise_2(recorder: Recorder) -> Result:
    """The setting of the sick pipeline that loses readings is named."""
    settings = latest(recorder, _SICK).get("settings")
    if settings is None:
        return not_yet("There is no sick pipeline.", "sick() makes one: run the exercise cell.")
    guilty = next(
        name
        for name, bad in (("qos", 0), ("session_expiry", 0), ("acknowledge", "received"))
        if settings[name] == bad  # the first that is so: there is one
    )
    finding = latest(recorder, _FINDING).get("setting")
    if finding is None:
        return not_yet("No finding is written.", 'note("break-finding", "setting", NAME) writes it.')
    if finding == guilty:
        return done(f"It is {guilty}={settings[guilty]!r}: a reading is forgotten before the next one has it.")
    if not isinstance(finding, str) or finding not in settings:
        return not_yet(f"{finding!r} is not the name of a setting.", f"One of {', '.join(settings)}.")
    harmless = {
        "linger": "The bridge collects longer, and acknowledges later. Who still has the readings meanwhile?",
        "in_flight": "The bridge takes fewer readings at a time. The others wait, and are kept.",
        "acks": "It is only written differently: -1 is another word for all.",
    }
    hint = f"With {settings.get(finding)!r} the next one confirms before a reading is forgotten. Is that so everywhere?"
    return not_yet(f"It is not {finding}.", harmless.get(finding, hint))


def exercise_3(recorder: Recorder) -> Result:
    """Each patient has a diagnosis: the accident, and the readings lost and repeated."""
    truth, diagnoses = latest(recorder, _DRAW).get("draw"), latest(recorder, _DIAGNOSES)
    if truth is None:
        return not_yet("There are no patients.", "patients() draws them: run the exercise cell.")
    for number, (accident, lost, repeated) in truth.items():
        found = diagnoses.get(number) or {}
        if problem := _incomplete(number, found):
            return problem
        if found["accident"] != accident:
            return not_yet(f"Patient {number} did not have the accident {found['accident']!r}.", _SIGNS[accident])
        if found["lost"] != lost:
            hint = "Lost is what was acknowledged and is not among the rows."
            if found["lost"] == lost - repeated:
                hint = "Records may repeat a reading, and so they hide losses. Which counter does not?"
            return not_yet(f"Patient {number} did not lose {found['lost']} readings.", hint)
        if found["repeated"] != repeated:
            return not_yet(
                f"Patient {number} does not have {found['repeated']} repetitions.",
                "A repetition is a record that makes no new row.",
            )
    return done("Three diagnoses, and each with its evidence: " + ", ".join(each for each, *_ in truth.values()) + ".")


_SIGNS = {
    "line": "See where its curves part: acknowledged stands still. Only one of the four accidents stops that.",
    "queue": "See where its curves part: rows stay below acknowledged for good. Who has the readings between them?",
    "bridge": "See where its curves part: records end above rows. Who sends again what Kafka has?",
    "leader": "See where its curves part: only records and rows stand still, and all of it arrives once.",
}


def _incomplete(number: str, found: Any) -> Result | None:  # noqa: ANN401 - whatever a learner wrote
    if not found:
        return not_yet(f"Patient {number} has no diagnosis.", f'note("break-diagnoses", "{number}", ...) writes it.')
    if not isinstance(found, dict) or {"accident", "lost", "repeated"} - found.keys():
        return not_yet(f"The diagnosis of patient {number} is {found!r}.", "It needs accident, lost and repeated.")
    if found["accident"] not in _ACCIDENTS:
        return not_yet(f"{found['accident']!r} is not one of the accidents.", f"Choose from {', '.join(_ACCIDENTS)}.")
    return None


def _names(recorder: Recorder, topic: str) -> list[tuple[str, str, int]]:
    records = recorder.kafka_records(topic)
    return [(each.key().decode(), header(each, "boot"), int(header(each, "seq"))) for each in records]
