"""Who may connect, and who may publish where."""

from __future__ import annotations

import base64
import hashlib
import hmac
from contextlib import suppress
from functools import cache
from pathlib import Path

from helpers.errors import BridgeError
from helpers.topics import TopicError, TopicMapping, is_mqtt_text

Users = dict[str, tuple[int, bytes, bytes]]  # rounds, salt and hash by name

_PBKDF2_SHA512 = "7"


def read_users(path: str | None) -> Users:
    """Read a file of ``mosquitto_passwd``, of lines like ``name:$7$rounds$salt$hash``; else raise ``BridgeError``."""
    users = {}
    try:
        for line in filter(None, Path(path).read_text(encoding="utf-8").splitlines() if path else ()):
            name, _, stored = line.rpartition(":")
            empty, kind, rounds, salt, expected = stored.split("$")
            if (empty, kind) == ("", _PBKDF2_SHA512) and name:
                users[name] = int(rounds), base64.b64decode(salt), base64.b64decode(expected)
    except (OSError, ValueError) as error:
        raise BridgeError(
            f"The password file {path} cannot be used: {error}", remedy="make it with mosquitto_passwd, 2.0 or newer"
        ) from error
    return users


def knows(users: Users, name: str | None, password: bytes | None) -> bool:
    """Return whether this is the user's password."""
    rounds, salt, expected = users.get(name or "", (1, b"", b""))
    return hmac.compare_digest(hashlib.pbkdf2_hmac("sha512", password or b"", salt, rounds), expected)


def is_topic(text: str) -> bool:
    """Return whether a message may have this topic."""
    return bool(text) and not {*text} & {*"+#"} and is_mqtt_text(text)


@cache
def mapping(topic_filter: str) -> TopicMapping:
    """Return a mapping whose key is the levels that must be a client's own; ``TopicError`` if it is not a filter."""
    own = "/".join(level for level in ("{user}", "{client_id}") if level in topic_filter)
    return TopicMapping(topic_filter, topic="allowed", key=own or None)


def allows(filters: tuple[str, ...], topic: str, user: str, client_id: str) -> bool:
    """Return whether a client may publish to ``topic``; without any filters it may publish to all."""
    for each in map(mapping, filters):
        with suppress(TopicError):
            if each.route(topic).key == (each.key and each.key.format(user=user, client_id=client_id)):
                return True
    return not filters
