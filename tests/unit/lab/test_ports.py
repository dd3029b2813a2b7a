"""Free ports, and who holds the others."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import psutil
import pytest

from helpers.lab.runtime import ports


@pytest.fixture
def held() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_held_port_is_not_free(held: int) -> None:
    assert not ports.is_free(held)


def test_any_free_ports_are_free_and_differ_and_no_outgoing_connection_gets_them() -> None:
    found = [ports.any_free() for _ in range(50)]
    assert all(map(ports.is_free, found))
    assert len(set(found)) == len(found)
    assert max(found) < 32_768


def test_with_every_port_for_servers_held_the_system_picks_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _port, _host: False)
    assert ports.any_free() > 0


def test_a_port_whose_last_connection_just_closed_is_free() -> None:
    """The server closed first, so the connection lingers in TIME_WAIT."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    assert ports.is_free(port)


def test_the_next_free_port_passes_what_is_held_and_what_is_promised(held: int) -> None:
    found = ports.next_free(held, but={held + 1})
    assert found > held + 1
    assert ports.is_free(found)


def test_the_wanted_port_is_taken_if_it_is_free() -> None:
    wanted = ports.any_free()
    assert ports.next_free(wanted, but=set()) == wanted


def test_where_no_port_nearby_is_free_any_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _port, _host: False)
    assert ports.next_free(1883, but=set()) not in range(1883, 1883 + 200)


def test_the_last_ports_are_not_passed() -> None:
    assert ports.next_free(65535, but={65535}) < 65535


def test_the_holder_is_named(held: int) -> None:
    assert ports.holder(held) == f"{psutil.Process().name()} (pid {os.getpid()})"


def test_a_holder_that_the_system_does_not_tell_is_another_program(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_: object) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", denied)
    assert ports.holder(held) == "another program"
