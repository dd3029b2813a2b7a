"""A learner's side of a shared lab: take a name that nobody else has, remember where the lab is, give both back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from helpers.errors import ConfigurationError, LabError, LessonError
from helpers.lab.services.endpoints import KafkaEndpoint, Masked
from helpers.lab.services.probes import probe
from helpers.lab.settings import JOINED, Settings, home
from helpers.lab.shared import handout

# One empty topic for each learner: Kafka makes a topic once, whoever asks at the same time. `lab reset` leaves alone
# what begins with an underscore.
_CLAIM = "_lab-learner-"
_WITHIN = 15.0


def join(file: Path, name: str, *, again: bool = False, environ: Mapping[str, str] | None = None) -> Settings:
    """Make this checkout use a shared lab under a name of one's own; ``again`` takes a name that one has already.

    Raises:
        ConfigurationError: The file is no hand-out, the name is none, or this checkout uses other services already.
        LabError: A service cannot be reached, or somebody else has the name.
    """
    env = os.environ if environ is None else environ
    before = Settings.from_environment(env)
    if before.given:
        how = "`lab leave` first." if before.joined else "Unset the LAB_* variables that name them."
        raise ConfigurationError("lab join", "this checkout uses services of others already", remedy=how)
    variables, certificate = handout.read(file)
    try:
        after = Settings.from_environment({**env, **variables, "LAB_NAMESPACE": name})
    except ConfigurationError as error:
        if error.setting != "LAB_NAMESPACE":
            raise
        raise ConfigurationError("--name", error.reason, remedy=error.remedy) from error
    variables["LAB_NAMESPACE"] = after.ns[:-1]
    for service, endpoint in after.given.items():
        if reason := probe(endpoint, timeout=10):
            raise LabError(
                f"The shared lab's {service} at {endpoint.address} cannot be used: {reason}.",
                service=service,
                remedy="Same network? Newest hand-out? Then the instructor looks at `lab doctor` and at the firewall.",
            )
    kafka = after.given["kafka"]
    assert isinstance(kafka, KafkaEndpoint)
    _claim(kafka.conf, after.ns[:-1], again=again)
    kept = {key: value for key, value in variables.items() if not key.endswith("_CA")}
    comment = "What `lab join` stored. `lab leave` deletes it."
    handout.write(after.home / JOINED, kept, certificate, comment=comment)
    return Settings.from_environment(env)


def _claim(conf: Masked, name: str, *, again: bool) -> None:
    admin = AdminClient({**conf, "log_level": 0})
    try:
        admin.create_topics([NewTopic(f"{_CLAIM}{name}", num_partitions=1)])[f"{_CLAIM}{name}"].result(_WITHIN)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise LabError(f"Kafka did not take the name: {error.args[0].str()}.", service="kafka") from error
        if not again:
            raise LabError(
                f"The name {name} is taken.",
                remedy=f"Choose another, for example {name}2. If it is you who has it, from another folder or from "
                "before, add --again.",
            ) from error


def learners(conf: Masked) -> list[str]:
    """Return the names of those who joined."""
    topics = AdminClient({**conf, "log_level": 0}).list_topics(timeout=_WITHIN).topics
    return sorted(each.removeprefix(_CLAIM) for each in topics if each.startswith(_CLAIM))


def leave(environ: Mapping[str, str] | None = None) -> str | None:
    """Give the name back and forget the shared lab, whatever happens.

    Return "", or why the name could not be given back, or None if no lab was joined.
    """
    file = home(os.environ if environ is None else environ) / JOINED
    if not file.is_file():
        return None
    try:
        return _give_back(Settings.from_environment(environ))
    except LessonError as error:
        return error.cause
    finally:
        file.unlink()


def _give_back(settings: Settings) -> str:
    kafka = settings.given["kafka"]
    assert isinstance(kafka, KafkaEndpoint)
    if not (reason := probe(kafka, timeout=5)):
        topic = f"{_CLAIM}{settings.ns[:-1]}"
        admin = AdminClient({**kafka.conf, "log_level": 0})
        failure = admin.delete_topics([topic])[topic].exception(_WITHIN)
        reason = str(failure) if failure else ""
    return reason
