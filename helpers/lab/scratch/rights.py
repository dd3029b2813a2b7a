"""Who may publish and subscribe where, in the words of two MQTT brokers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paho.mqtt.client import topic_matches_sub

from helpers.lab.scratch.adapt import filled, settings_in

_QUEUES = [f"{verb}{kind}Queue" for verb in ("create", "delete") for kind in ("Durable", "NonDurable")]
_PUBLISH, _SUBSCRIBE = ["send", "createAddress"], ["consume", "createAddress", *_QUEUES]
# The topic filters under which an MQTT user may publish, and those of which it may receive.
Rights = tuple[Sequence[str], Sequence[str]]


def configuration(
    program: str, rights: Mapping[str, Rights], passwords: Mapping[str, str], mtls: int
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings of an MQTT broker, and the files with users and rights that they name.

    Clients with certificates connect to the port ``mtls``.
    """
    if program == "mosquitto":
        users = "".join(f"{user}:{password}\n" for user, password in passwords.items())  # hashed when it starts
        files = {"users.txt": users, "acl.txt": _acl(rights)}
        files["listeners/mtls.conf"] = filled("secured/mosquitto-mtls.conf", port=mtls)
        return settings_in("secured/mosquitto.conf"), files
    files = {
        "login.config": filled("secured/login.config"),
        "users.properties": "".join(f"{user}={password}\n" for user, password in passwords.items()),
        "roles.properties": "".join(f"{user}={user}\n" for user in passwords),  # a role for each user
        "certificates.properties": "".join(f"{user}=/(.*,)?CN={user}(,.*)?/\n" for user in passwords),
    }
    return settings_in("secured/artemis.properties", mtls=mtls) | _security_roles(rights), files


def _acl(rights: Mapping[str, Rights]) -> str:
    """Return Mosquitto's ``acl_file``."""
    rules: list[str] = []
    for user, (publish, subscribe) in rights.items():
        topics = [*(f"write {each}" for each in publish), *(f"read {each}" for each in subscribe)]
        rules += [f"user {user}", *(f"topic {each}" for each in topics)]
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
