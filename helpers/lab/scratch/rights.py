"""Who may publish and subscribe where, in the words of two MQTT brokers."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from string import Template

from paho.mqtt.client import topic_matches_sub

from helpers.lab.runtime.program import CONF

_CONF = CONF / "secured"
_ROUNDS = 101  # mosquitto_passwd's
_QUEUES = [f"{verb}{kind}Queue" for verb in ("create", "delete") for kind in ("Durable", "NonDurable")]
_PUBLISH, _SUBSCRIBE = ["send", "createAddress"], ["consume", "createAddress", *_QUEUES]
# The topic filters under which an MQTT user may publish, and those of which it may receive.
Rights = tuple[Sequence[str], Sequence[str]]


def settings_in(file: str, **values: object) -> dict[str, str]:
    """Return the settings in ``conf/secured/file``, filled in."""
    text = Template((_CONF / file).read_text(encoding="utf-8")).substitute(values)
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(re.split("[= ]", line, maxsplit=1) for line in lines)


def configuration(
    program: str, rights: Mapping[str, Rights], passwords: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings of an MQTT broker, and the files with users and rights that they name."""
    if program == "mosquitto":
        users = "".join(f"{user}:{_hashed(password)}\n" for user, password in passwords.items())
        return settings_in("mosquitto.conf"), {"users.txt": users, "acl.txt": _acl(rights)}
    files = {
        "login.config": (_CONF / "login.config").read_text(encoding="utf-8"),
        "users.properties": "".join(f"{user}={password}\n" for user, password in passwords.items()),
        "roles.properties": "".join(f"{user}={user}\n" for user in passwords),  # a role for each user
    }
    return settings_in("artemis.properties") | _security_roles(rights), files


def _acl(rights: Mapping[str, Rights]) -> str:
    """Return Mosquitto's ``acl_file``."""
    rules: list[str] = []
    for user, (publish, subscribe) in rights.items():
        rules += [f"user {user}", *(f"topic write {each}" for each in publish)]
        rules += [f"topic read {each}" for each in subscribe]
    return "\n".join(rules) + "\n"


def _security_roles(rights: Mapping[str, Rights]) -> dict[str, str]:
    """Return Artemis's ``securityRoles``. Only the closest filter counts there, so it repeats what wider ones allow."""
    lines: dict[str, str] = {}
    for closest in {each for own in rights.values() for filters in own for each in filters}:
        address = closest.replace("+", "*").replace("/", ".")
        for user, own in rights.items():
            for filters, permissions in zip(own, (_PUBLISH, _SUBSCRIBE), strict=True):
                if any(topic_matches_sub(each, closest) for each in filters):
                    lines |= {f'securityRoles."{address}".{user}.{each}': "true" for each in permissions}
    return lines


def _hashed(password: str) -> str:
    """Return what ``mosquitto_passwd`` writes behind a user's name."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
