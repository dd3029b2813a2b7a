"""One lab for many learners: a second listener for each service, which other machines reach with TLS and a password.

Programs on this machine connect as before. All learners share one login; names keep them apart, not rights.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from helpers.errors import ConfigurationError
from helpers.lab import env_file
from helpers.lab.errors import LabError
from helpers.lab.runtime import ports, processes
from helpers.lab.runtime.program import Listener
from helpers.lab.services.base import Endpoint
from helpers.lab.services.table import PROGRAMS, SERVICES
from helpers.lab.settings import Settings
from helpers.lab.state import Shared, State

HANDOUT = "workshop.env"
_USER = "workshop"
_READY_WITHIN = 30.0
_COMMENT = """\
A shared lab for the lessons. Anyone with this file can use it: it contains the password.
In the folder of the lessons, with a name of your own:  lab join {file} --name ana"""


@contextmanager
def shared(
    address: str | None, lab: State, settings: Settings, chosen: Mapping[str, str]
) -> Iterator[dict[str, Listener]]:
    """Give the listeners for other machines while services start; afterwards write the hand-out and start the proxy.

    ``address`` is a name or an IPv4 address of this machine, or None to leave the lab as it is; ``chosen`` are the
    services' providers. There are no listeners in a lab that is not shared.

    Raises:
        ConfigurationError: Other machines cannot reach the address.
        LabError: The lab runs already, and is not shared so; or a service is external.
    """
    if address is not None:
        lab.shared = _shared_at(address, lab, settings)
    listeners = _listeners(lab.shared, settings, chosen) if lab.shared else {}
    yield listeners
    if listeners.keys() >= {name for name, each in SERVICES.items() if each.required}:
        _open(lab, settings, listeners)


def end(settings: Settings, *, wipe: bool = False) -> bool:
    """End the TLS proxy. Return whether it ran.

    ``wipe`` also deletes password, authority and hand-out: copies of the hand-out become useless.
    """
    running = list(processes.started_in([settings.home / "share"]))
    for _, process in running:
        process.end(grace=5)
    if wipe:
        shutil.rmtree(settings.home / "share", ignore_errors=True)
        (settings.home / HANDOUT).unlink(missing_ok=True)
    return bool(running)


def endpoints(settings: Settings) -> Mapping[str, Endpoint]:
    """Return the services as a learner with the hand-out reaches them."""
    variables, _ = env_file.read(settings.home / HANDOUT, remedy="`lab up` writes it again.")
    elsewhere = {"LAB_NAMESPACE": "visitor", "LAB_HOME": str(settings.home / "share")}
    return Settings.from_environment({**variables, **elsewhere}).external


def problems(settings: Settings) -> dict[str, str]:
    """Probe the services as a learner does. Return for each its problem, "" if there is none."""
    return {name: SERVICES[name].problem(each, timeout=5) for name, each in endpoints(settings).items()}


def problem(settings: Settings) -> str:
    """Return the problems of all services in one line."""
    if not (settings.home / HANDOUT).exists():
        return "the hand-out is missing; `lab up` writes it again"
    return "; ".join(f"{SERVICES[name].title}: {each}" for name, each in problems(settings).items() if each)


def open_ports(settings: Settings) -> list[int]:
    """Return the TCP ports that other machines connect to."""
    how = State.load(settings.home).shared
    return [port for name, port in how.ports.items() if name in endpoints(settings)] if how else []


def _shared_at(address: str, lab: State, settings: Settings) -> Shared:
    if any(each.process.alive() for each in lab.services.values()):
        if lab.shared and lab.shared.address == address:
            return lab.shared
        now = f"is shared at {lab.shared.address}" if lab.shared else "is not shared"
        remedy = f"End it with `lab down`, then `lab up --share {address}`. Its data stays."
        raise LabError(f"The lab runs already, and {now}.", remedy=remedy)
    ip = _own_ip(address)
    chosen = {
        name: ports.any_free(ip) if settings.any_port else ports.next_free(each.shared_port, but=set(), host=ip)
        for name, each in SERVICES.items()
    }
    return Shared(address=address, ip=ip, ports=chosen)


def _own_ip(address: str) -> str:
    try:
        ip = str(socket.getaddrinfo(address, None, socket.AF_INET)[0][4][0])
        with socket.socket() as probing:
            probing.bind((ip, 0))
    except OSError:
        ip = ""
    # Debian resolves a machine's own name to 127.0.1.1, which only the machine itself can reach.
    if ip and ip not in {"0.0.0.0", "127.0.0.1"} and (ip == address or not ip.startswith("127.")):  # noqa: S104
        return ip
    cards = psutil.net_if_addrs().values()
    own = [each.address for card in cards for each in card if each.family == socket.AF_INET]
    others = ", ".join(each for each in own if not each.startswith("127."))
    raise ConfigurationError(
        "--share",
        f"other machines cannot reach this one at {address}",
        remedy=f"Use an address of this machine ({others}): `lab down`, then `lab up --share ADDRESS`."
        if others
        else "This machine has no network address: connect it to a network.",
    )


def _listeners(how: Shared, settings: Settings, chosen: Mapping[str, str]) -> dict[str, Listener]:
    _own_ip(how.address)  # a laptop may have moved to another network
    for name, provider in chosen.items():
        if provider in {"given", "compose"}:
            raise LabError(
                f"The lab can share only services that it starts itself, and {name} comes from elsewhere ({provider}).",
                remedy="`docker compose down`, `lab leave`, or unset LAB_* variables; or end the sharing: `lab down`.",
            )
    password = _credentials(settings.home / "share", how.address)
    return {
        name: Listener(address=how.address, ip=how.ip, port=port, user=_USER, password=password)
        for name, port in how.ports.items()
        if chosen.get(name) in PROGRAMS
    }


def _credentials(folder: Path, address: str) -> str:
    """Return the password. It and the authority are kept when the lab ends, so that hand-outs stay valid."""
    import trustme
    from cryptography.hazmat.primitives import serialization as pem

    password, key, certificate = (folder / name for name in ("password.txt", "ca-key.pem", "ca.pem"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o700)  # the brokers' configurations contain the password too
    if not certificate.exists():
        authority = trustme.CA(organization_name="MQTT and Kafka lessons")
        password.write_text(secrets.token_urlsafe(12), encoding="utf-8")
        authority.private_key_pem.write_to_path(key)
        authority.cert_pem.write_to_path(certificate)
    issued = trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes()).issue_cert(address)
    # Kafka reads keys in this format only.
    parts = pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()
    own = pem.load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(*parts)
    (folder / "server.pem").write_bytes(own + b"".join(each.bytes() for each in issued.cert_chain_pems))
    return password.read_text(encoding="utf-8")


def _open(lab: State, settings: Settings, listeners: Mapping[str, Listener]) -> None:
    """Write the hand-out, and start the TLS proxy unless it runs."""
    folder, file = settings.home / "share", settings.home / HANDOUT
    variables = {
        f"{SERVICES[name].prefix}{key}": value
        for name, each in listeners.items()
        for key, value in {
            **SERVICES[name].shared(each.address, each.port),
            "USERNAME": each.user,
            "PASSWORD": each.password,
        }.items()
    }
    proxied = [name for name in listeners if SERVICES[name].proxied]
    if file.exists() and variables.items() <= env_file.read(file)[0].items() and not _closed(settings, proxied):
        return
    end(settings)
    env_file.write(file, variables, (folder / "ca.pem").read_text("utf-8"), comment=_COMMENT.format(file=HANDOUT))
    login = listeners[proxied[0]]
    config = {
        "ip": login.ip,
        "user": login.user,
        "password": login.password,
        "listeners": {listeners[name].port: f"http://127.0.0.1:{lab.services[name].ports[0]}" for name in proxied},
    }
    (folder / "gate.json").write_text(json.dumps(config), encoding="utf-8")
    proxy = processes.start([sys.executable, "-m", "helpers.lab.services.gate"], log=folder / "log.txt", folder=folder)
    deadline = time.monotonic() + _READY_WITHIN
    while reason := _closed(settings, proxied):
        if not proxy.alive() or time.monotonic() > deadline:
            log = processes.tail(folder / "log.txt")
            cause = f"The TLS proxy of the shared lab did not start: {reason}. The last lines of its log:\n{log}"
            raise LabError(cause, remedy="`lab down`, then `lab up`.")
        time.sleep(0.05)


def _closed(settings: Settings, proxied: list[str]) -> str:
    """Return the first problem of the services behind the proxy, "" if there is none."""
    found = endpoints(settings)
    return next(filter(None, (SERVICES[name].problem(found[name], timeout=5) for name in proxied)), "")
