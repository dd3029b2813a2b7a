"""Checks: retained messages, a last will, a session that waits."""

from __future__ import annotations

import time
import uuid
from typing import Any

from helpers.checks import brokers
from helpers.checks.brokers import MqttClient
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet

_NOTICE, _NOTICE_PAYLOAD = "delivery/notice/G-003", b"half full"
_STATUS = "delivery/guard/status"
_SUNDAY, _SUNDAY_CLIENT = "delivery/sunday", "delivery-sunday"
# Brokers publish a will within milliseconds of a cut; the rest is for a busy machine.
_WILL_WITHIN = 6.0
_WAITING_WITHIN = 3.0
# A client that is still connected receives the message in this time, before the check connects under its id.
_GRACE = 0.7
_MOMENT = 0.5  # between a packet on the line and its message at the recorder


def exercise_1(recorder: Recorder) -> Result:
    """The topic of the notice has the retained message that the exercise asks for."""
    recorder.wait_for(lambda: bool(recorder.messages(_NOTICE)), seconds=0.5)
    kept = brokers.retained(recorder.here, _NOTICE).get(_NOTICE)
    seen = recorder.messages(_NOTICE)  # last, since the recorder may receive a message after its publisher is done
    if kept == _NOTICE_PAYLOAD:
        return done("A client that subscribed just now received it at once: half full.")
    if kept is not None:
        return not_yet(
            f"A client that subscribes now receives {_shown(kept)}.",
            f"A topic keeps its last retained message. Publish {_shown(_NOTICE_PAYLOAD)} the same way.",
        )
    if not seen:
        return not_yet(f"Nothing was published to {recorder.here.ns}{_NOTICE}.", "Check the spelling of the topic.")
    if not seen[-1].payload:
        return not_yet("The last message had an empty payload.", "An empty retained message clears the topic.")
    return not_yet(
        f"{_shown(seen[-1].payload)} was published, but a client that subscribes now receives nothing.",
        "Which argument of publish() makes the broker keep a message?",
    )


def exercise_2(recorder: Recorder, line: Any) -> Result:  # noqa: ANN401, PLR0911 - one answer for each mistake
    """The guard's status is ``online`` while its line is up and ``offline`` after it was cut, at any time.

    ``line`` is the lesson's relay.
    """
    topic = f"{recorder.here.ns}{_STATUS}"
    if not recorder.wait_for(lambda: bool(recorder.messages(_STATUS)), seconds=1.0):
        return not_yet(f"Nothing was published to {topic}.", "Connect a client, and publish online there first.")
    before = brokers.retained(recorder.here, _STATUS).get(_STATUS)
    if before is None:
        last = _shown(recorder.messages(_STATUS)[-1].payload)
        return not_yet(
            f"The guard published {last}, but a client that subscribes now receives nothing.",
            "Publish the status as a retained message.",
        )
    if before != b"online":
        return not_yet(
            f"The line is still up, but a client that subscribes now receives {_shown(before)}.",
            "The guard publishes online itself, and stays connected. Run the exercise cell again, then the check once.",
        )
    online_at = line.now - (time.monotonic() - recorder.messages(_STATUS)[-1].at)
    sent = [each for each in line.packets(since=online_at - _MOMENT) if each.to_broker]
    published = [each.at for each in sent if each.topic == topic]
    if not published:
        return not_yet("The guard's status did not come through the line.", "Connect to line.host and line.port.")
    if any(each.kind == "DISCONNECT" and each.at > published[-1] for each in sent):
        return not_yet("The guard said goodbye.", "Leave it connected. After a goodbye the broker publishes no will.")
    # Frozen first: a client that reconnects by itself must not publish online again before the check has looked.
    line.freeze()
    try:
        cut_at = time.monotonic()  # before the cut: the will may arrive at once
        line.cut()
        recorder.wait_for(lambda: bool(recorder.messages(_STATUS, since=cut_at)), seconds=_WILL_WITHIN)
        after = recorder.messages(_STATUS, since=cut_at)
        kept = brokers.retained(recorder.here, _STATUS).get(_STATUS)
    finally:
        line.thaw()
    if not after:
        return not_yet("The line was cut, but no will was published.", "will_set() comes before connect().")
    if after[-1].payload != b"offline":
        return not_yet(
            f"After the cut the broker published {_shown(after[-1].payload)}.", "The will's payload must be offline."
        )
    if kept != b"offline":
        return not_yet(
            f"The broker published offline, but a client that subscribes now receives {_shown(kept or b'nothing')}.",
            "A will can be retained too.",
        )
    return done("The line was cut, and the broker published offline on the guard's behalf, for late subscribers too.")


def exercise_3(recorder: Recorder) -> Result:
    """The client id has a session with a QoS 1 subscription, in which messages wait."""
    here = recorder.here
    client_id = f"{here.ns}{_SUNDAY_CLIENT}"
    sunday, monday = (f"{_SUNDAY}/check/{uuid.uuid4().hex[:8]}" for _ in range(2))
    with MqttClient(here) as publisher:
        publisher.publish(sunday, b"Sunday")
        time.sleep(_GRACE)
        with MqttClient(here, _SUNDAY_CLIENT, keep_session=True) as client:
            present, came = client.session_present, dict[str, int]()
            publisher.publish(monday, b"Monday")
            wait = _WAITING_WITHIN if present else 0.0
            while sunday not in came and (message := client.next(within=wait)):
                came[message.topic.removeprefix(here.ns)], wait = message.qos, _GRACE
    if not present:
        # The check's own connection made a session: end it, or the next check takes it for the learner's.
        with MqttClient(here, _SUNDAY_CLIENT):
            pass
        return not_yet(
            f"The broker has no session for {client_id}.",
            "The session must outlive the connection: see SessionExpiryInterval and clean start.",
        )
    if not came.keys() & {sunday, monday}:
        return not_yet(
            f"{client_id} has a session, but it gets nothing that is published to {here.ns}{sunday}.",
            "Subscribe to everything below delivery/sunday, however many levels.",
        )
    if 0 in came.values():
        return not_yet(
            "The message came with QoS 0.", "The subscription has a QoS too, and the lower of the two counts."
        )
    if sunday not in came:
        return not_yet("The client was still connected on Sunday, and took the message.", "Let the client disconnect.")
    return done("The message from Sunday was still there on Monday.")


def _shown(payload: bytes) -> str:
    return payload.decode(errors="replace") or "(empty)"
