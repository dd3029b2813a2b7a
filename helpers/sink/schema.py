"""A value that a schema of the registry allows, framed as Confluent's clients frame it.

A module of its own, because its libraries take a second and 40 MB, and only some bridges need them.
"""

from __future__ import annotations

import json
import re
import struct
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import validator_for
from referencing import Registry, exceptions

from helpers.errors import BridgeError
from helpers.sink.serialize import NotYetError, PoisonError, parse_json

_ASK_AGAIN_AFTER = 1.0
_NOT_FOUND = 404


class SchemaSerializer:
    """Checks against the latest schema of the subject ``TOPIC-value``, and frames: a zero byte, the id, the JSON.

    A schema may have grown since it was fetched. So a message that does not fit makes it fetch the latest one again, at
    most once a second, before it counts as poison. The registry is asked on another thread: the bridge never waits.
    """

    def __init__(self, registry: dict[str, Any]) -> None:
        self._client = SchemaRegistryClient({"timeout": 5, "max.retries": 0, **registry})
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="schema-registry")
        self._known: dict[str, tuple[bytes, Any, float]] = {}  # subject: frame, validator, when it was asked for
        self._asked: dict[str, tuple[float, Future[tuple[bytes, Any]]]] = {}

    def __call__(self, topic: str, payload: bytes) -> bytes:
        """Return the framed value."""
        subject = f"{topic}-value"
        value = parse_json(payload)
        frame, validator, asked = self._known.get(subject) or self._fetch(subject)
        if (error := _misfit(subject, validator, value)) is not None:
            if time.monotonic() - asked > _ASK_AGAIN_AFTER:
                frame, validator, _ = self._fetch(subject)
                error = _misfit(subject, validator, value)
            if error is not None:
                raise PoisonError(f"schema: {error.json_path}: {error.message}")
        return frame + payload

    def _fetch(self, subject: str) -> tuple[bytes, Any, float]:
        now = time.monotonic()
        if subject not in self._asked:
            self._asked[subject] = now, self._thread.submit(self._latest, subject)
        asked, answer = self._asked[subject]
        if not answer.done():
            raise NotYetError("the schema registry has not answered yet")
        if (failure := answer.exception()) is not None:
            if isinstance(failure, BridgeError):
                raise failure
            if now - asked > _ASK_AGAIN_AFTER:
                del self._asked[subject]
            raise NotYetError(f"the schema registry does not answer: {failure}")
        del self._asked[subject]
        self._known[subject] = (*answer.result(), asked)
        return self._known[subject]

    def _latest(self, subject: str) -> tuple[bytes, Any]:
        self._client.clear_latest_caches()  # type: ignore[no-untyped-call]
        try:
            found = self._client.get_latest_version(subject)
        except SchemaRegistryError as error:
            if error.http_status_code != _NOT_FOUND:
                raise
            raise BridgeError(f"The schema registry has no subject {subject!r}.",
                              remedy="register a JSON Schema under that name") from error  # fmt: skip
        if found.schema.schema_type != "JSON":
            raise BridgeError(f"The schema of {subject!r} is {found.schema.schema_type}, not JSON Schema.")
        schema = json.loads(found.schema.schema_str or "{}")
        kind = validator_for(schema)
        try:
            kind.check_schema(schema)
        except SchemaError as error:
            raise BridgeError(f"The schema of {subject!r} is not valid: {error.json_path}: {error.message}",
                              remedy="register a valid one as its next version") from error  # fmt: skip
        # An empty registry of references: a $ref to a URL is an error, never a request from the bridge to that address.
        return struct.pack(">bI", 0, found.schema_id), kind(schema, registry=Registry())


def _misfit(subject: str, validator: Any, value: Any) -> ValidationError | None:  # noqa: ANN401 - JSON is anything
    """Return what the schema does not allow in ``value``, or ``None``."""
    try:
        return best_match(validator.iter_errors(value))
    except (exceptions.Unresolvable, re.error) as error:
        raise BridgeError(f"The schema of {subject!r} cannot be used: {error}",
                          remedy="register one without references to other documents") from error  # fmt: skip
