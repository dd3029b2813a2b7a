"""Scratch clusters: several Kafka brokers and a controller for this Python alone, each of which can be broken."""

from __future__ import annotations

import contextlib
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from helpers.errors import LessonError, in_range
from helpers.lab import state
from helpers.lab.errors import LabError
from helpers.lab.progress import OnScreen, html_table
from helpers.lab.runtime import archive, launch, ports, processes
from helpers.lab.runtime.ports import LOOPBACK
from helpers.lab.scratch.adapt import adapted, settings_in
from helpers.lab.scratch.broker import Scratch, Startable
from helpers.lab.services.base import Endpoint, MaskedConfig
from helpers.lab.services.kafka import KAFKA, KafkaEndpoint, closed
from helpers.lab.settings import Settings
from helpers.relay import Relay

CONTROLLER = 100
_FEWEST, _MOST = 2, 6
# Measured with three brokers in use, and rounded up: 664 MB.
_MB_FOR_CONTROLLER, _MB_FOR_BROKER = 130, 190
_RESUME = "from helpers import lab; lab.up(lab.Settings.from_environment(), only={})"
_HEAP = {"controller": "-Xmx96m", "broker": "-Xmx192m"}


class Cluster(Startable):
    """Kafka brokers with the ids 1, 2, 3 … in the racks a, b, c …, and a controller of their own, 100.

    ``cluster[2]`` is a :class:`~helpers.lab.scratch.broker.Scratch`: kill, stop, freeze or start it. Use the cluster
    as a context manager, or call :meth:`start` and :meth:`close`. ``relays`` are the lines to the brokers, by their
    ids, if it was made ``via_relays``: ``cluster.relays[2].frozen()``.
    """

    def __init__(self, size: int, settings: Settings, options: Mapping[str, object], *, via_relays: bool) -> None:
        self.relays: dict[int, Relay] = {}
        self._settings, self._via_relays = settings, via_relays
        self._paused: list[str] = []
        voter = ports.any_free()
        values = {"controller": CONTROLLER, "port": voter, "copies": min(size, 3), "enough": min(size, 3) - 1}
        own = settings_in("cluster.properties", id=secrets.token_urlsafe(16), **values)
        self._options: dict[str, object] = {**own, **options}
        self.controller = self._node(CONTROLLER, "controller", voter)
        self.nodes = {node: self._node(node, "broker", ports.any_free()) for node in range(1, size + 1)}

    def __getitem__(self, node: int) -> Scratch:
        if node not in self.nodes:
            brokers = ", ".join(map(str, self.nodes))
            raise LabError(f"This cluster has no broker {node}.", remedy=f"Its brokers are {brokers}.")
        return self.nodes[node]

    def _repr_html_(self) -> str:
        return html_table(("node", "address", "state"), self._rows())

    def __repr__(self) -> str:
        return "\n".join(f"{node:<12} {address:<18} {state}" for node, address, state in self._rows())

    def _rows(self) -> list[tuple[str, str, str]]:
        rows = [("controller", self.controller), *((f"broker {node}", each) for node, each in self.nodes.items())]
        return [(name, each.address, "running" if each.alive else "not running") for name, each in rows]

    def start(self) -> Self:
        """Start all nodes side by side, or those that do not run. Returns once the controller knows all brokers.

        Raises:
            LabError: There is too little memory, or a node does not start.
        """
        launch.prepare([KAFKA.programs[0]], self._settings, OnScreen())
        everything, first = [self.controller, *self.nodes.values()], not self.controller.address
        self._require_memory(sum(not each.alive for each in self.nodes.values()), controllers=not self.controller.alive)
        self._open_lines()
        start_all(everything, close=first)
        archive.make_later([self.nodes[1].pid] if first else [], self._settings.cache, self._settings.home / "archive")
        return self

    def close(self) -> None:
        """End all nodes and delete their data."""
        for each in (*self.nodes.values(), self.controller):
            each.close()
        for line in self.relays.values():
            line.close()
        home, paused, self._paused = self._settings.home, self._paused, []
        if back := [each for each in paused if each in state.State.load(home).services]:  # not after `lab down`
            # In a process of its own, since this Python may be ending.
            processes.start([sys.executable, "-c", _RESUME.format(back)], log=home / "resumed.txt", folder=home)

    def add(self) -> Scratch:
        """Start one more broker, with the next id. It holds no data until partitions are moved to it."""
        self._require_memory(1)
        node = max(self.nodes) + 1
        self.nodes[node] = self._node(node, "broker", ports.any_free())
        self._open_lines()
        return self.nodes[node].start()

    @property
    def kafka(self) -> MaskedConfig:
        """The client configuration, as ``here.kafka``: the addresses of all brokers."""
        servers = [each.kafka["bootstrap.servers"] for each in self.nodes.values()]
        return next(iter(self.nodes.values())).kafka | {"bootstrap.servers": ",".join(servers)}

    def _open_lines(self) -> None:
        for each in self.relays.values():
            with contextlib.suppress(LessonError):  # it runs already
                each.start()

    def _require_memory(self, brokers: int, *, controllers: int = 0) -> None:
        """Raise a ``LabError`` if this machine, or a container's limit, leaves too little memory for so many nodes."""
        needed = brokers * _MB_FOR_BROKER + controllers * _MB_FOR_CONTROLLER
        free = int(processes.free_memory() / 1e6)
        if free < needed and not self._pause((needed - free) * 1e6):
            remedy = "Close other programs, or end the lab's own brokers with `lab down` in a terminal."
            if controllers and brokers > _FEWEST and free >= needed - (brokers - _FEWEST) * _MB_FOR_BROKER:
                remedy += f" `lab.cluster(brokers={_FEWEST})` fits now, and shows most of it."
            raise LabError(f"{brokers} Kafka brokers need {needed} MB of memory; {free} MB are free.", remedy=remedy)

    def _pause(self, lacking: float) -> bool:
        """End the lab's own Kafka and registry if that frees ``lacking`` bytes, and no client is connected to them."""
        with state.locked(self._settings.home) as lab:
            own = [each for name in ("kafka", "registry") if (each := lab.services.get(name)) and each.process.alive()]
            used = lab.shared or any(ports.in_use(each.pid, each.ports) for each in own)
            if used or sum(each.process.memory() for each in own) < lacking:
                return False
            for each in own:
                each.process.end(grace=30)
        self._paused += [each.service for each in own]
        OnScreen().say("Memory is short: the lab's Kafka and schema registry pause until this cluster is closed.")
        return True

    def _node(self, node: int, role: str, port: int) -> Scratch:
        listener = f"{'CONTROLLER' if role == 'controller' else 'PLAINTEXT'}://{LOOPBACK}"
        public = ports.any_free() if role == "broker" and self._via_relays else port
        own: dict[str, object] = {"process.roles": role, "node.id": node, "listeners": f"{listener}:{port}"}
        own |= {"advertised.listeners": f"{listener}:{public}"}
        own |= {"broker.rack": chr(ord("a") + node - 1)} if role == "broker" else {}
        if public != port:
            self.relays[node] = Relay(LOOPBACK, port, parse=False, listen=public)

        def probe(endpoint: KafkaEndpoint, timeout: float) -> str:
            return KAFKA.probe(endpoint, timeout) or _unregistered(node, endpoint, timeout)

        program = replace(adapted(KAFKA.programs[0], dict, _HEAP[role]), title=f"Kafka's {role} {node}")
        service = replace(KAFKA, title=f"Kafka {role}", probe=probe if role == "broker" else connect)
        service = replace(service, local=lambda _port, provider: KAFKA.local(public, provider))
        return Scratch(service, program, self._settings, {**self._options, **own}, listen=(port, port))


def cluster(brokers: int = 3, *, via_relays: bool = False, **settings: object) -> Cluster:
    """Make a cluster of Kafka brokers: ``with lab.cluster() as cluster``. Three take about 700 MB of memory.

    Where that is short, the lab's own Kafka and registry pause for it, unless they are in use, and come back.

    Args:
        brokers: How many.
        via_relays: Brokers advertise a relay each, and clients and other brokers connect to that: ``cluster.relays``.
        **settings: Lines of Kafka's configuration, for all nodes. They override the lab's.

    Raises:
        OutOfRangeError: There cannot be so many brokers.
    """
    size = int(in_range("the number of brokers", brokers, _FEWEST, _MOST))
    return Cluster(size, Settings.from_environment(), settings, via_relays=via_relays)


def start_all(brokers: Sequence[Scratch], *, close: bool) -> None:
    """Start them side by side. If one does not start, all end; so do they at an interrupt, if they shall ``close``."""
    try:
        with ThreadPoolExecutor(len(brokers)) as pool:
            list(pool.map(Scratch.start, brokers))
    except LabError:
        for each in brokers:  # the logs stay until Python ends, since the error names one
            if each.alive:
                each.kill()
        raise
    except BaseException:  # interrupted: all have started by now
        for each in brokers if close else ():
            each.close()
        raise


def connect(endpoint: Endpoint, timeout: float) -> str:
    """Return "" if connections are accepted. A controller does not speak with Kafka's clients."""
    return closed(re.findall(r"[\w.]+:\d+", endpoint.address)[0], timeout)


def _unregistered(node: int, endpoint: KafkaEndpoint, timeout: float) -> str:
    """Return "" if a broker is in its cluster's metadata, in which it is only while the controller hears of it."""
    try:
        brokers = AdminClient({**endpoint.conf, "log_level": 0}).list_topics(timeout=timeout).brokers
    except KafkaException as error:
        return str(error.args[0].str())
    return "" if node in brokers else "the controller does not know it yet"
