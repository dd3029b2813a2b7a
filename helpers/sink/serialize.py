"""From an MQTT payload to a Kafka record's value: as it is, checked to be JSON, or checked by a schema and framed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from helpers.errors import BridgeError
from helpers.sink.config import SinkConfig

Serialize = Callable[[str, bytes], bytes]


class PoisonError(Exception):
    """This message can never be produced; the text says why."""


class NotYetError(Exception):
    """This message cannot be judged now: the schema registry does not answer. The text says why."""


def serializer(config: SinkConfig) -> Serialize | None:
    """Return the function ``(kafka_topic, payload) -> value`` that ``config`` asks for; ``None`` for bytes as they are.

    It raises ``PoisonError`` for a payload that can never be produced and ``NotYetError`` for one that must wait.
    """
    if config.serializer == "schema":
        from helpers.sink.schema import SchemaSerializer

        try:
            return SchemaSerializer(config.registry or {})
        except ValueError as error:
            raise BridgeError(f"The schema registry's client refuses its settings: {error}.",
                              remedy="correct them in registry") from error  # fmt: skip
    return None if config.serializer == "raw" else _json


def _json(_topic: str, payload: bytes) -> bytes:
    parse_json(payload)
    return payload


def parse_json(payload: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    """Return the parsed ``payload``, or raise ``PoisonError``. NaN and infinity are not JSON (RFC 8259, section 6)."""
    try:
        return json.loads(payload.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise PoisonError(f"not JSON: {error}") from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
