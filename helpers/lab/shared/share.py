"""One lab for a whole room: a second door to each service, where others can reach it, with TLS and a password.

On this machine everything stays as it is. All learners share one login; names keep them apart, not rights.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from helpers.errors import ConfigurationError, LabError
from helpers.lab.runtime import ports, processes
from helpers.lab.services.endpoints import REGISTRY_PATH, Endpoint
from helpers.lab.services.probes import probe
from helpers.lab.services.programs import PROGRAMS, Door
from helpers.lab.settings import Settings
from helpers.lab.shared import handout
from helpers.lab.state import Shared, State

HANDOUT = "workshop.env"
_PORTS = {"mqtt": 8883, "kafka": 9094, "registry": 8443, "influxdb": 8087}
_USER = "workshop"
_READY_WITHIN = 30.0
_COMMENT = """\
A shared lab for the lessons. Whoever has this file can use it: it holds the password.
In the folder of the lessons, with a name of your own:  lab join {file} --name ana"""


def prepare(address: str, lab: State, settings: Settings) -> Shared:
    """Return how the lab is to be shared at ``address``, a name or an IPv4 address of this machine.

    Raises:
        ConfigurationError: The address is not of this machine, or nobody could reach it.
        LabError: The lab runs already, and not so.
    """
    if any(each.process.alive() for each in lab.services.values()):
        if lab.shared and lab.shared.address == address:
            return lab.shared
        now = f"is shared at {lab.shared.address}" if lab.shared else "is not shared"
        remedy = f"End it with `lab down`, then `lab up --share {address}`. Its data stays."
        raise LabError(f"The lab runs already, and {now}.", remedy=remedy)
    ip = _own(address)
    chosen = {
        name: ports.any_free(ip) if settings.any_port else ports.next_free(port, but=set(), host=ip)
        for name, port in _PORTS.items()
    }
    return Shared(address=address, ip=ip, ports=chosen)


def _own(address: str) -> str:
    try:
        ip = str(socket.getaddrinfo(address, None, socket.AF_INET)[0][4][0])
        with socket.socket() as probing:
            probing.bind((ip, 0))
    except OSError:
        ip = ""
    # Debian gives a machine's own name 127.0.1.1, which the machine alone can reach.
    if ip and ip not in {"0.0.0.0", "127.0.0.1"} and (ip == address or not ip.startswith("127.")):  # noqa: S104
        return ip
    cards = psutil.net_if_addrs().values()
    has = [each.address for card in cards for each in card if each.family == socket.AF_INET]
    raise ConfigurationError(
        "--share",
        f"{address} is no address at which others can reach this machine",
        remedy=f"It has {', '.join(each for each in has if not each.startswith('127.')) or 'none: join a network'}. "
        "Use one of them: `lab down`, then `lab up --share ADDRESS`.",
    )


def doors(lab: State, settings: Settings, chosen: Mapping[str, str]) -> dict[str, Door]:
    """Return the door of each service that this lab starts, and see that there is a certificate for it.

    Raises:
        LabError: Somebody else provides a service.
    """
    if lab.shared is None:
        return {}
    _own(lab.shared.address)  # a laptop moves from one network to the next
    for name, way in chosen.items():
        if way in {"given", "compose"}:
            raise LabError(
                f"The lab can share only what it starts itself, and {name} is somebody else's ({way}).",
                service=name,
                remedy="`docker compose down` ends the containers; `lab leave`, or unset the LAB_* variables.",
            )
    password = _credentials(settings.home / "share", lab.shared.address)
    return {
        name: Door(address=lab.shared.address, ip=lab.shared.ip, port=port, user=_USER, password=password)
        for name, port in lab.shared.ports.items()
        if chosen.get(name) in PROGRAMS
    }


def _credentials(folder: Path, address: str) -> str:
    """Return the password. It and the authority outlive the lab's runs: what was handed out stays good."""
    import trustme
    from cryptography.hazmat.primitives import serialization as pem

    password, key, certificate = (folder / name for name in ("password.txt", "ca-key.pem", "ca.pem"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o700)  # the brokers' configurations hold the password too
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


def open_gate(lab: State, settings: Settings, opened: Mapping[str, Door]) -> None:
    """Write the hand-out, and see that the gate before the registry and InfluxDB is open.

    Raises:
        LabError: The gate does not open.
    """
    folder, file = settings.home / "share", settings.home / HANDOUT
    variables = _variables(opened)
    if file.exists() and variables.items() <= handout.read(file)[0].items() and not trouble(settings, only="registry"):
        return
    close_gate(settings)
    handout.write(file, variables, (folder / "ca.pem").read_text("utf-8"), comment=_COMMENT.format(file=HANDOUT))
    behind = {name: lab.services[name].ports[0] for name in ("registry", "influxdb") if name in opened}
    told = {
        "ip": opened["registry"].ip,
        "user": _USER,
        "password": opened["registry"].password,
        "doors": {opened[name].port: f"http://127.0.0.1:{port}" for name, port in behind.items()},
    }
    (folder / "gate.json").write_text(json.dumps(told), encoding="utf-8")
    gate = processes.start([sys.executable, "-m", "helpers.lab.services.gate"], log=folder / "log.txt", folder=folder)
    deadline = time.monotonic() + _READY_WITHIN
    while reason := trouble(settings, only="registry"):
        if not gate.alive() or time.monotonic() > deadline:
            said = processes.tail(folder / "log.txt")
            raise LabError(f"The gate of the shared lab did not open: {reason}\n{said}", remedy="`lab down`, `lab up`.")
        time.sleep(0.05)


def close_gate(settings: Settings) -> bool:
    """End the gate. Return whether there was one."""
    running = list(processes.started_in([settings.home / "share"]))
    for _, process in running:
        process.end(grace=5)
    return bool(running)


def _variables(opened: Mapping[str, Door]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for name, door in opened.items():
        at = f"{door.address}:{door.port}"
        where = {
            "mqtt": {"HOST": door.address, "PORT": str(door.port)},
            "kafka": {"BOOTSTRAP_SERVERS": at},
            "registry": {"URL": f"https://{at}{REGISTRY_PATH}"},
            "influxdb": {"URL": f"https://{at}"},
        }[name]
        login = {"USERNAME": door.user, "PASSWORD": door.password}
        variables |= {f"LAB_{name.upper()}_{key}": value for key, value in (where | login).items()}
    return variables


def seen_from_outside(settings: Settings) -> Mapping[str, Endpoint]:
    """Return the services as a learner with the hand-out reaches them."""
    variables, _ = handout.read(settings.home / HANDOUT)
    elsewhere = {"LAB_NAMESPACE": "visitor", "LAB_HOME": str(settings.home / "share")}
    return Settings.from_environment({**variables, **elsewhere}).given


def open_ports(settings: Settings) -> list[int]:
    """Return the TCP ports of the doors."""
    shared, doors = State.load(settings.home).shared, seen_from_outside(settings)
    return [port for name, port in shared.ports.items() if name in doors] if shared else []


def trouble(settings: Settings, *, only: str = "") -> str:
    """Try the doors from the outside. Return "" when all are open, else what was wrong, in a few words."""
    if not (settings.home / HANDOUT).exists():
        return "there is no hand-out"
    found = seen_from_outside(settings)
    asked = {name: probe(found[name], timeout=5) for name in ([only] if only else found)}
    return "; ".join(f"{found[name].address}: {reason}" for name, reason in asked.items() if reason)


def forget(settings: Settings) -> None:
    """Throw away password, authority and hand-out: what was handed out is good no more."""
    shutil.rmtree(settings.home / "share", ignore_errors=True)
    (settings.home / HANDOUT).unlink(missing_ok=True)
