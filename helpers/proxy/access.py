"""Who may connect, and who may publish where."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from helpers.errors import BridgeError
from helpers.topics import TopicError, TopicMapping, is_mqtt_text

Users = dict[str, tuple[int, bytes, bytes]]  # rounds, salt and hash by name

_BASE64 = r"((?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?)"
_LINE = re.compile(rf"([^#:][^:]*):\$7\$([1-9]\d{{0,8}})\${_BASE64}\${_BASE64}\s*")


def read_users(path: str | None) -> Users:
    """Read a file of ``mosquitto_passwd``, of lines like ``name:$7$rounds$salt$hash``; else raise ``BridgeError``.

    As in Mosquitto, empty lines and those that begin with ``#`` do not count.
    """
    users = Users()
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
    except OSError as error:
        raise BridgeError(f"The password file {path} cannot be read: {error}.", remedy="name another one") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _LINE.fullmatch(line):
            users[found[1]] = int(found[2]), base64.b64decode(found[3]), base64.b64decode(found[4])
        elif line.strip() and line[0] != "#":
            cause = f"Line {number} of {path} has no PBKDF2 hash, which begins with $7$."
            raise BridgeError(cause, remedy="make the file with mosquitto_passwd -H sha512-pbkdf2")
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
