"""A proxy's settings, its users, and the topics of each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from helpers.errors import LessonError
from helpers.proxy import BridgeError, ProxyConfig
from helpers.proxy.access import allows, knows, read_users
from helpers.topics import TopicMapping

# Of `mosquitto_passwd -b users.txt ana secret`.
SALT = "VnA/aUxvO9TZfDO9"
HASH = "SrTfqXq4jL5+RjGeNw9bKfxdNWMtE/d8N/hEzoNMyi3Xk6oJgrmFH2JscKoviErD+v+u8t++RV5n9wdHf4CVTQ=="
ANA = f"ana:$7$101${SALT}${HASH}"


def config(**changes: Any) -> ProxyConfig:
    kafka = {"bootstrap.servers": "127.0.0.1:1"}
    settings = {"kafka": kafka, "routes": (TopicMapping("a/{d}", topic="t"),), "dead_letter_topic": "dead"}
    return ProxyConfig(**{**settings, **changes})


def test_a_password_is_checked_against_its_hash(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text(f"# who may connect\n{ANA} \n\n#{ANA}\n")
    users = read_users(str(file))
    assert list(users) == ["ana"]
    assert knows(users, "ana", b"secret")
    for name, password in (("ana", b"Secret"), ("ana", None), ("ben", b"secret"), (None, None), ("", b"")):
        assert not knows(users, name, password)


@pytest.mark.parametrize(
    "line",
    [
        "ana:secret",
        "ana",
        "ana:$6$salt$hash",
        f"ana:$6$101${SALT}${HASH}",
        "ana:$7$x$y$z",
        f"ana:$7$0${SALT}${HASH}",
        f"ana:$7$101${SALT}$y",
        "ana:$argon2id$v=19$m=47104,t=1,p=1$c2FsdA==$aGFzaA==",
        "\ufffd",
    ],
)
def test_another_password_file_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "users.txt"
    file.write_text(f"{ANA}\n# another kind\n{line}\n", encoding="utf-8")
    with pytest.raises(
        BridgeError, match=r"Line 3 of (.|\n)* has no PBKDF2 hash(.|\n)*mosquitto_passwd -H sha512-pbkdf2"
    ):
        config(users=str(file))


@pytest.mark.parametrize(
    ("filters", "topic", "allowed"),
    [
        ((), "anything", True),
        (("fleet/{user}/#",), "fleet/ana/readings", True),
        (("fleet/{user}/#",), "fleet/ben/readings", False),
        (("fleet/{user}/{client_id}",), "fleet/ana/G-1", True),
        (("fleet/{user}/{client_id}",), "fleet/G-1/ana", False),
        (("fleet/{device}/alarms", "fleet/{user}/readings"), "fleet/ben/alarms", True),
        (("fleet/{device}/alarms", "fleet/{user}/readings"), "fleet/ben/readings", False),
    ],
)
def test_a_client_publishes_to_its_own_topics_only(filters: tuple[str, ...], topic: str, *, allowed: bool) -> None:
    assert allows(filters, topic, "ana", "G-1") is allowed


@given(user=st.text(), client_id=st.text())
def test_no_name_opens_the_topics_of_another(user: str, client_id: str) -> None:
    filters = ("fleet/{user}/{client_id}/#", "fleet/{user}")
    assert allows(filters, "fleet/ana/G-1/x", user, client_id) is ((user, client_id) == ("ana", "G-1"))
    assert allows(filters, "fleet/ana", user, client_id) is (user == "ana")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dead_letter_topic": None}, "stop all clients"),
        ({"allow": ("fleet/{user}/#",)}, "user names"),
        ({"allow": ("fleet/#/x",)}, "not a valid topic filter"),
        ({"receive_maximum": 0}, "receive_maximum"),
        ({"max_packet_size": 10}, "max_packet_size"),
        ({"byte_budget": 0}, "above zero"),
        ({"keyfile": "key.pem"}, "certificate of the proxy"),
        ({"certfile": "missing.pem"}, "missing.pem"),
        ({"users": "missing.txt"}, "missing.txt"),
    ],
)
def test_what_contradicts_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(LessonError, match=says):
        config(**changes)


def test_a_shared_port_needs_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert config(reuse_port=True).reuse_port
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(BridgeError, match="Only Linux"):
        config(reuse_port=True)
