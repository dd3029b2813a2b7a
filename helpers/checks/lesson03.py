"""Checks of lesson 03: retained messages, a last will, a session that waits."""

from __future__ import annotations

import time
import uuid
from queue import Empty, Queue
from typing import Any, Protocol, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.checks.recorder import Here, Watch, begin
from helpers.checks.result import Result, done, not_yet

_NOTICE, _NOTICE_PAYLOAD = "delivery/notice/G-003", b"half full"
_STATUS = "delivery/guard/status"
_SUNDAY, _SUNDAY_CLIENT = "delivery/sunday", "delivery-sunday"
_TIMEOUT = 10.0
_RETAINED_WITHIN = 1.0
# Both brokers publish a will within milliseconds of a cut; the rest is for a busy machine.
_WILL_WITHIN = 6.0
_WAITING_WITHIN = 3.0
# A client that did not go home takes what was published before we connect in its name.
_GRACE = 0.7
_KEEP = 3600


class Line(Protocol):
    """The part of a relay that a check pulls on."""

    def freeze(self) -> None:
        """Hold all bytes back."""

    def cut(self) -> None:
        """End all connections."""

    def thaw(self) -> None:
        """Let the bytes go on."""


class _Client:
    """A client of the check's own, connected for the length of a ``with`` block."""

    def __init__(self, here: Here, client_id: str, *, keep_session: bool = False) -> None:
        self.inbox: Queue[mqtt.MQTTMessage] = Queue()
        self._answers: Queue[Any] = Queue()
        self._here = here
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"{here.ns}{client_id}", protocol=mqtt.MQTTv5
        )
        client.on_connect = lambda _c, _d, flags, _reason, _p: self._answers.put(flags.session_present)
        client.on_subscribe = lambda _c, _d, _mid, reasons, _p: self._answers.put(reasons[0])
        client.on_message = lambda _c, _d, message: self.inbox.put(message)
        self._keep_session = keep_session
        self.session_present = False

    def __enter__(self) -> Self:
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = _KEEP if self._keep_session else 0
        begin(self._client, self._here.mqtt, clean_start=not self._keep_session, properties=session)
        self.session_present = self._answers.get(timeout=_TIMEOUT)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, topic_filter: str) -> None:
        self._client.subscribe(topic_filter, 1)
        self._answers.get(timeout=_TIMEOUT)

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(_TIMEOUT)

    def next(self, *, within: float) -> mqtt.MQTTMessage | None:
        try:
            return self.inbox.get(timeout=within)
        except Empty:
            return None


def _retained(here: Here, topic: str) -> bytes | None:
    """What a client that subscribes now gets at once, if anything."""
    with _Client(here, f"check-{uuid.uuid4().hex[:8]}") as client:
        client.subscribe(f"{here.ns}{topic}")
        message = client.next(within=_RETAINED_WITHIN)
        return bytes(message.payload) if message is not None and message.retain else None


def exercise_1(watch: Watch) -> Result:
    """A retained message waits on the topic of the notice."""
    watch.wait_for(lambda: bool(watch.messages(_NOTICE)), seconds=0.5)
    kept = _retained(watch.here, _NOTICE)
    seen = watch.messages(_NOTICE)  # after that look: the recorder may hear of a message later than its publisher
    if kept == _NOTICE_PAYLOAD:
        return done("A client that came just now was told at once: half full.")
    if kept is not None:
        return not_yet(
            f"a client that comes now is told {_shown(kept)}.",
            f"Each topic keeps its last retained message. Publish {_shown(_NOTICE_PAYLOAD)} the same way.",
        )
    if not seen:
        return not_yet(f"nothing was published on {watch.here.ns}{_NOTICE}.", "Mind the spelling of the topic.")
    if not seen[-1].payload:
        return not_yet(
            "the last message had an empty payload.", "An empty retained message clears the topic. Publish once more."
        )
    return not_yet(
        f"{_shown(seen[-1].payload)} was published, and a client that comes now gets nothing.",
        "Which argument of publish() makes the broker keep a message?",
    )


def exercise_2(watch: Watch, line: Line) -> Result:  # noqa: PLR0911 - one answer for each mistake
    """The guard's status is ``online`` while its line is up and ``offline`` after it was cut, for whoever asks."""
    topic = f"{watch.here.ns}{_STATUS}"
    if not watch.wait_for(lambda: bool(watch.messages(_STATUS)), seconds=1.0):
        return not_yet(f"nothing was published on {topic}.", "Connect a client and publish online there first.")
    before = _retained(watch.here, _STATUS)
    if before is None:
        said = _shown(watch.messages(_STATUS)[-1].payload)
        return not_yet(f"the guard said {said}, and a client that comes now gets nothing.", "Make it a retained one.")
    if before != b"online":
        return not_yet(
            f"with the line still up, a client that comes now is told {_shown(before)}.",
            "The guard publishes online itself, and stays connected. Run the exercise cell again, then the check once.",
        )
    # Frozen first, so that a client that connects again by itself does not say online before we have looked.
    line.freeze()
    try:
        cut_at = time.monotonic()  # before: the will may be here sooner than the next line
        line.cut()
        watch.wait_for(lambda: bool(watch.messages(_STATUS, since=cut_at)), seconds=_WILL_WITHIN)
        after = watch.messages(_STATUS, since=cut_at)
        kept = _retained(watch.here, _STATUS)
    finally:
        line.thaw()
    if not after:
        return not_yet(
            f"the line was cut, and in {_WILL_WITHIN:.0f} s nobody said that the guard is gone.",
            "will_set() comes before connect(). The guard connects to line.host and line.port, and stays connected.",
        )
    if after[-1].payload != b"offline":
        return not_yet(f"after the cut the broker said {_shown(after[-1].payload)}.", "The will's payload is offline.")
    if kept != b"offline":
        return not_yet(
            f"the broker said offline once, but a client that comes now is told {_shown(kept or b'nothing')}.",
            "A will can be retained too.",
        )
    return done("The line was cut, and the broker said offline in the guard's name, to late comers too.")


def exercise_3(watch: Watch) -> Result:
    """A session of the client id holds a QoS 1 subscription under which messages wait."""
    here, token = watch.here, uuid.uuid4().hex[:8]
    client_id = f"{here.ns}{_SUNDAY_CLIENT}"
    with _Client(here, f"check-{token}") as publisher:
        publisher.publish(f"{here.ns}{_SUNDAY}/check/{token}", token.encode())
    time.sleep(_GRACE)
    with _Client(here, _SUNDAY_CLIENT, keep_session=True) as monday:
        present = monday.session_present
        message = monday.next(within=_WAITING_WITHIN) if present else None
        while message is not None and message.payload != token.encode():
            message = monday.next(within=_WAITING_WITHIN)
    if not present:
        # Connecting to look made a session, which must not pass for the learner's at the next look.
        with _Client(here, _SUNDAY_CLIENT):
            pass
        return not_yet(
            f"the broker has no session for {client_id}.",
            "The session must outlive the connection: look at SessionExpiryInterval, and at clean start.",
        )
    if message is None:
        return not_yet(
            f"there is a session for {client_id}, and what was published under {here.ns}{_SUNDAY}/ did not wait in it.",
            "Subscribe to everything below that level, with QoS 1, and let the client disconnect.",
        )
    if message.qos == 0:
        return not_yet(
            "the message came with QoS 0: this broker keeps such messages, others throw them away.",
            "The subscription has a QoS too, and the lower one counts.",
        )
    return done("On Monday everything from Sunday was there.")


def _shown(payload: bytes) -> str:
    return payload.decode(errors="replace") or "(empty)"
