"""The gate of a shared lab passes requests on to the service behind it, and nowhere else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from helpers.lab.runtime import ports
from helpers.lab.runtime.ports import LOOPBACK
from helpers.lab.services import gate

LOGIN = base64.b64encode(b"workshop:hunter2").decode()


async def service(name: bytes) -> int:
    """A plain HTTP service that says its name and the path it was asked for. Return its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        _method, path, *_ = head.split()
        said = name + b" " + path
        if length := re.search(rb"(?i)content-length: (\d+)", head):
            said += b" %d" % len(await reader.readexactly(int(length[1])))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(said), said))
        writer.close()

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    return int(server.sockets[0].getsockname()[1])


@pytest.fixture
def trusting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a client needs to trust the gate, which finds its certificate in its folder."""
    authority, context = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(context)
    issued = authority.issue_cert(LOOPBACK)
    (tmp_path / "server.pem").write_bytes(issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes())
    monkeypatch.chdir(tmp_path)
    return context


def configuration(port: int, behind: int) -> dict[str, Any]:
    """What the gate finds in ``gate.json``."""
    services = {str(port): f"http://{LOOPBACK}:{behind}"}
    return {"ip": LOOPBACK, "user": "workshop", "password": "hunter2", "listeners": services}


async def ask(target: str, trusting: ssl.SSLContext, *, login: str = LOGIN) -> bytes:
    """What the gate before "registry" answers to a request for ``target``, where OTHER is a service beside it."""
    behind, other, port = await service(b"registry"), await service(b"other"), ports.any_free()
    serving = asyncio.create_task(gate._serve(configuration(port, behind)))
    await asyncio.sleep(0)  # it listens before it first waits
    reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=trusting)
    line = f"GET {target.replace('OTHER', f'{LOOPBACK}:{other}')} HTTP/1.1"
    writer.write(f"{line}\r\nHost: lab\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    return answer


def test_a_request_with_the_password_reaches_the_service(trusting: ssl.SSLContext) -> None:
    assert asyncio.run(ask("/subjects?deleted=true", trusting)).endswith(b"registry /subjects?deleted=true")


def test_a_request_without_the_password_does_not(trusting: ssl.SSLContext) -> None:
    assert asyncio.run(ask("/subjects", trusting, login="")).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("target", ["@OTHER/", "http://OTHER/", "elsewhere"])
def test_the_gate_is_no_way_to_another_service(target: str, trusting: ssl.SSLContext) -> None:
    answer = asyncio.run(ask(target, trusting))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"other" not in answer.split(b"\r\n\r\n", 1)[1].lower()


async def post(trusting: ssl.SSLContext, *, login: str, sends: bytes, announces: int) -> bytes:
    """Send the head of a POST request and a part of its body, and return the beginning of the answer."""
    behind, port = await service(b"registry"), ports.any_free()
    serving = asyncio.create_task(gate._serve(configuration(port, behind)))
    await asyncio.sleep(0)
    reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=trusting)
    head = ("POST /subjects HTTP/1.1", "Host: lab", f"Authorization: Basic {login}", f"Content-Length: {announces}")
    writer.write("\r\n".join([*head, "\r\n"]).encode() + sends)
    try:
        return await asyncio.wait_for(reader.read(1000), 20)
    finally:
        writer.close()
        serving.cancel()


def test_the_password_is_looked_at_before_the_body_comes(trusting: ssl.SSLContext) -> None:
    answer = asyncio.run(post(trusting, login="", sends=b"", announces=20_000_000))
    assert answer.startswith(b"HTTP/1.1 401 ")


def test_a_body_with_the_password_is_passed_on_whole(trusting: ssl.SSLContext) -> None:
    answer = asyncio.run(post(trusting, login=LOGIN, sends=b"x" * 300_000, announces=300_000))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"registry /subjects 300000")


def test_a_body_that_no_service_takes_is_refused(trusting: ssl.SSLContext) -> None:
    answer = asyncio.run(post(trusting, login=LOGIN, sends=b"", announces=26_000_000))
    assert answer.startswith(b"HTTP/1.1 400 ")
