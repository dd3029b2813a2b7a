"""Checks: an analyst who only reads, a device that speaks for itself, a stolen truck that is stopped."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, admin

from helpers.checks import brokers
from helpers.checks.brokers import TIMEOUT, MqttClient
from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet
from helpers.errors import LessonError

kafka: Any = admin  # much of it is without types
_TANK, _OTHER, _TRUCKS = "locks-tank", "locks-wages", "locks-trucks"
_NO_TOPIC, _NO_GROUP = KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED
_OWN, _NEIGHBOUR = "fleet/G-003/", "fleet/G-001/"
_ARRIVES_WITHIN = 3.0  # seconds, for a right that was given just now


def exercise_1(recorder: Recorder) -> Result:
    """The analyst reads one topic in groups of its own, and may do nothing else."""
    here: Any = recorder.here
    if _TANK not in brokers.topics(here):
        return not_yet(f"There is no topic {_TANK}.", "begin_analyst() makes it: run the exercise cell.")
    conf, group = _login(here, "analyst"), f"analyst-{time.time_ns()}"
    recorder.wait_for(lambda: _read(conf, _TANK, group) is None, seconds=_ARRIVES_WITHIN)
    rights = _acls(here, "analyst")
    if _acls(here, "*"):
        return not_yet("There is a right for everybody.", "User:* is every user. Whose right is it?")
    if not rights:
        return not_yet("The analyst has no rights.", "allow(right(...)) gives one, and reading needs two.")
    return _unread(_read(conf, _TANK, group), rights) or _unlimited(conf, group, rights)


def _unread(error: int | None, rights: list[Any]) -> Result | None:
    """What to say if the analyst did not get a record."""
    if error == _NO_TOPIC:
        return not_yet(f"The analyst may not read {_TANK}.", "The right is called READ, with ResourceType.TOPIC.")
    if error == _NO_GROUP and any(each.restype == kafka.ResourceType.GROUP for each in rights):
        return not_yet("The analyst may not join its groups.", "Many names that begin alike: which pattern is that?")
    if error == _NO_GROUP:
        return not_yet("The analyst may read the topic, and not join a group.", "A right with ResourceType.GROUP.")
    if error is None:
        return None
    return not_yet(f"The analyst got no record of {_TANK}.", "begin_analyst() and your rights once more.")


def _unlimited(conf: dict[str, Any], group: str, rights: list[Any]) -> Result:
    """Try what the analyst must not do."""
    if _read(conf, _OTHER, group) is None:
        return not_yet(f"The analyst may read {_OTHER} as well.", "Name one topic. A star stands for all.")
    if _read(conf, _TANK, "planner-1") is None:
        return not_yet("The analyst may join planner-1, and take its records.", "Which groups are the analyst's own?")
    if _write(conf, _TANK) is None:
        return not_yet(f"The analyst may write to {_TANK}.", "A user with the right ALL may write too.")
    if {each.operation for each in rights} - {kafka.AclOperation.READ, kafka.AclOperation.DESCRIBE}:
        return not_yet("The analyst may do more than read.", "To read takes no other right than READ.")
    return done(f"The analyst reads {_TANK} in its own groups. Writing, another topic and another group were refused.")


def exercise_2(recorder: Recorder) -> Result:
    """G-003 publishes readings and status, receives commands, and nothing in its neighbour's name or meant for it."""
    here: Any = recorder.here
    mqtt = replace(here.mqtt, username="G-003", password=here.passwords["G_003_PASSWORD"])
    own: Any = SimpleNamespace(ns="", mqtt=mqtt)
    with MqttClient(here) as admin:
        if "mine" not in _heard(admin, own, f"{_OWN}commands"):
            return not_yet(f"G-003 receives nothing from {_OWN}commands.", "subscribe=[...] is what it may receive.")
        admin.subscribe("fleet/#", retained=False)
        for topic in (f"{_OWN}readings", f"{_OWN}status", f"{_NEIGHBOUR}readings"):
            with MqttClient(own) as device:  # Mosquitto closes a connection some time after it refused a message
                device.publish(topic, b"from G-003")
        admin.publish("fleet/end", b"")
        arrived: list[str] = []
        while "fleet/end" not in arrived and (message := admin.next(within=TIMEOUT)):
            arrived.append(message.topic)
        if missing := [each for each in ("readings", "status") if f"{_OWN}{each}" not in arrived]:
            return not_yet(f"Nothing arrives from {_OWN}{missing[0]}.", "publish=[...] takes more than one filter.")
        if f"{_NEIGHBOUR}readings" in arrived:
            return not_yet("G-003 published a reading of G-001.", "Which level of the filter is the device's name?")
        for wide in ("#", "fleet/#"):
            if "theirs" in _heard(admin, own, wide):
                return not_yet("G-003 received a command for G-001.", "It may subscribe to what is meant for it.")
    return done("G-003 publishes its readings and status and receives its commands. In G-001's name it is refused.")


def exercise_3(recorder: Recorder) -> Result:
    """truck-1 cannot write any more nor log in again; truck-2 goes on."""
    here: Any = recorder.here
    if _TRUCKS not in brokers.topics(here):
        return not_yet(f"There is no topic {_TRUCKS}.", "begin_trucks() makes it. The trucks' records must stay.")
    if _write(_login(here, "truck-2"), _TRUCKS) is not None:
        return not_yet("truck-2 cannot write any more.", "Only truck-1 was stolen. begin_trucks() starts anew.")
    rights = _acls(here, "truck-1")
    if rights and not any(each.permission_type == kafka.AclPermissionType.DENY for each in rights):
        return not_yet(
            f"truck-1 still sends to {_TRUCKS}.",
            "It is connected, so its password is not looked at. What is looked at with each request?",
        )
    if _enters(_login(here, "truck-1")):
        return not_yet("truck-1 may do nothing, and still logs in.", "Everybody's next right is truck-1's too.")
    return done("truck-1 may not write, and is not let in again. truck-2 goes on.")


def _login(here: Any, user: str) -> dict[str, Any]:  # noqa: ANN401 - lab's secured brokers, which checks do not import
    """The configuration of a user with SCRAM."""
    password = here.passwords[f"{user.upper().replace('-', '_')}_PASSWORD"]
    login = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": user, "sasl.password": password}
    return {**here.kafka, **login, "log_level": 0, "message.timeout.ms": int(TIMEOUT * 1000)}


def _acls(here: Any, user: str) -> list[Any]:  # noqa: ANN401
    """The rights of a user; the administrator asks, since others get an empty list."""
    who = (kafka.ResourceType.ANY, None, kafka.ResourcePatternType.ANY, f"User:{user}", None)
    wanted = kafka.AclBindingFilter(*who, kafka.AclOperation.ANY, kafka.AclPermissionType.ANY)
    client = kafka.AdminClient({**here.kafka, "log_level": 0})
    try:
        return list(client.describe_acls(wanted, request_timeout=TIMEOUT).result(TIMEOUT))
    except KafkaException as error:
        raise LessonError("Kafka did not list its ACLs.", remedy="Run the lesson's first cell again.") from error


def _read(conf: dict[str, Any], topic: str, group: str) -> int | None:
    """Read a record as a member of a group; return None, or the code of the error that came instead."""
    settings = {key: value for key, value in conf.items() if key != "message.timeout.ms"}
    consumer = Consumer({**settings, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([topic])
    try:
        message = consumer.poll(TIMEOUT)
    finally:
        consumer.close()
    if message is None:
        return int(KafkaError._TIMED_OUT)
    error = message.error()
    return error.code() if error else None


def _write(conf: dict[str, Any], topic: str) -> int | None:
    """Write a record; return None, or the code of the error in its report."""
    reports: list[KafkaError | None] = []
    producer = Producer(conf)
    producer.produce(topic, b"a check", on_delivery=lambda error, _: reports.append(error))
    producer.flush(2 * TIMEOUT)
    return reports[0].code() if reports and reports[0] else None if reports else int(KafkaError._TIMED_OUT)


def _enters(conf: dict[str, Any]) -> bool:
    """Whether Kafka accepts a login."""
    refused: list[KafkaError] = []
    client = Producer({**conf, "error_cb": refused.append})
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        with suppress(KafkaException):
            client.list_topics(timeout=1)
            return True
        client.poll(0)
        if any(each.code() == KafkaError._AUTHENTICATION for each in refused):
            return False
    raise LessonError("Kafka did not answer.", remedy="Run the lesson's first cell again.")


def _heard(admin: MqttClient, own: Any, topic_filter: str) -> list[str]:  # noqa: ANN401
    """What a device receives under one filter of a command for its neighbour, and one for itself after that."""
    found: list[str] = []
    with MqttClient(own) as device, suppress(LessonError):  # Artemis refuses a subscription, Mosquitto delivers nothing
        device.subscribe(topic_filter, retained=False)
        for word, level in (("theirs", _NEIGHBOUR), ("mine", _OWN)):
            admin.publish(f"{level}commands", word.encode())
        while "mine" not in found and (message := device.next(within=TIMEOUT)):
            found.append(message.payload.decode())
    return found
