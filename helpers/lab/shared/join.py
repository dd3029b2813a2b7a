"""A learner's side of a shared lab: reserve a name, remember where the lab is, and leave again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from helpers.board.follow import agree
from helpers.errors import ConfigurationError, LessonError
from helpers.lab import env_file
from helpers.lab.errors import LabError
from helpers.lab.services.base import MaskedConfig
from helpers.lab.services.kafka import KAFKA, KafkaEndpoint
from helpers.lab.services.table import SERVICES
from helpers.lab.settings import JOINED, Settings, home

# One empty topic for each learner: Kafka creates a topic once, however many ask at the same time. `lab reset` does not
# delete names that begin with an underscore.
_RESERVED = "_lab-learner-"
_TIMEOUT = 15.0


def join(file: Path, name: str, *, again: bool = False, environ: Mapping[str, str] | None = None) -> Settings:
    """Make this checkout use a shared lab under a name of one's own; ``again`` takes a name that is reserved already.

    Raises:
        ConfigurationError: The file is not a hand-out, the name is not valid, or this checkout uses other services.
        LabError: A service cannot be reached, or another learner has the name.
    """
    env = os.environ if environ is None else environ
    before = Settings.from_environment(env)
    if before.external:
        how = "Type `lab leave` first." if before.joined else "Unset the LAB_* variables that name them."
        raise ConfigurationError("lab join", "this checkout uses external services already", remedy=how)
    variables, certificate = env_file.read(file)
    try:
        after = Settings.from_environment({**env, **variables, "LAB_NAMESPACE": name})
    except ConfigurationError as error:
        if error.setting != "LAB_NAMESPACE":
            raise
        raise ConfigurationError("--name", error.reason, remedy=error.remedy) from error
    variables["LAB_NAMESPACE"] = after.ns[:-1]
    for service, endpoint in after.external.items():
        if reason := SERVICES[service].problem(endpoint, timeout=10):
            raise LabError(
                f"The shared lab's {service} at {endpoint.address} cannot be used: {reason}.",
                remedy="Check that you are on the instructor's network and have the newest hand-out. Otherwise, the "
                "instructor can run `lab doctor` and check the firewall.",
            )
    kafka = after.external["kafka"]
    assert isinstance(kafka, KafkaEndpoint)
    _reserve(kafka.conf, after.ns[:-1], again=again)
    kept = {key: value for key, value in variables.items() if not key.endswith("_CA")}
    comment = "What `lab join` stored. `lab leave` deletes it."
    env_file.write(after.home / JOINED, kept, certificate, comment=comment)
    return Settings.from_environment(env)


def _reserve(conf: MaskedConfig, name: str, *, again: bool) -> None:
    admin = AdminClient({**conf, "log_level": 0})
    try:
        admin.create_topics([NewTopic(f"{_RESERVED}{name}", num_partitions=1)])[f"{_RESERVED}{name}"].result(_TIMEOUT)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise LabError(f"Kafka did not reserve the name: {error.args[0].str()}.") from error
        if not again:
            raise LabError(
                f"The name {name} is taken.",
                remedy=f"Choose another, for example {name}2. If it is yours, from before or from another folder, "
                "add --again.",
            ) from error


def learners(conf: MaskedConfig) -> list[str]:
    """Return the names of the learners who joined."""
    topics = AdminClient({**conf, "log_level": 0}).list_topics(timeout=_TIMEOUT).topics
    return sorted(each.removeprefix(_RESERVED) for each in topics if each.startswith(_RESERVED))


def leave(environ: Mapping[str, str] | None = None) -> str | None:
    """Release the name and forget the shared lab and its board, even if it cannot be reached.

    Return "", or why the name could not be released, or None if no lab was joined.
    """
    file = home(os.environ if environ is None else environ) / JOINED
    if not file.is_file():
        return None
    try:
        return _release(Settings.from_environment(environ))
    except LessonError as error:
        return error.cause
    finally:
        file.unlink()
        agree(file.parent, "", "")


def _release(settings: Settings) -> str:
    kafka = settings.external["kafka"]
    assert isinstance(kafka, KafkaEndpoint)
    if not (reason := KAFKA.problem(kafka, timeout=5)):
        topic = f"{_RESERVED}{settings.ns[:-1]}"
        admin = AdminClient({**kafka.conf, "log_level": 0})
        failure = admin.delete_topics([topic])[topic].exception(_TIMEOUT)
        reason = str(failure) if failure else ""
    return reason
