"""Scratch brokers for lessons and tests that break things: own port, own folder, deleted afterwards."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from helpers.errors import ConfigurationError
from helpers.lab.errors import BrokerEnded, LabError
from helpers.lab.progress import OnScreen
from helpers.lab.providers import provider as default_provider
from helpers.lab.runtime import launch, ports, processes
from helpers.lab.runtime.processes import Process
from helpers.lab.runtime.program import Instance, Program
from helpers.lab.services.base import E, MaskedConfig, Service
from helpers.lab.services.influxdb import INFLUXDB, InfluxEndpoint
from helpers.lab.services.kafka import CONNECT, KAFKA
from helpers.lab.services.mqtt import MQTT, MqttEndpoint
from helpers.lab.services.registry import REGISTRY
from helpers.lab.services.table import SERVICES
from helpers.lab.settings import Settings

T = TypeVar("T")


class Startable(ABC):
    """Something with a start and an end: a context manager by these two."""

    ns = ""  # used by one Python only, so names need no namespace

    @abstractmethod
    def start(self) -> Self:
        """Start what does not run. Returns once it is ready."""

    @abstractmethod
    def close(self) -> None:
        """End it and delete its data."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(eq=False, repr=False)
class Scratch(Startable):
    """A broker for this Python alone. Use it as a context manager, or call :meth:`start` and :meth:`close`.

    It can be killed, stopped, frozen and started again on the same port with the same data. If it is not closed, it
    ends with Python; if Python was killed, the next scratch broker or ``lab down`` ends it. ``listen`` are its ports,
    if they must be known before it starts.
    """

    _service: Service[Any]
    _program: Program
    _settings: Settings
    _options: Mapping[str, object]
    listen: tuple[int, ...] = ()
    _instance: Instance | None = field(default=None, init=False)
    _process: Process | None = field(default=None, init=False)

    @property
    def provider(self) -> str:
        """The name of its program."""
        return self._program.name

    def start(self) -> Self:
        """Start the broker, or start it again after :meth:`kill` or :meth:`stop`. Returns once it is ready."""
        if self.alive:
            return self
        _meant_to_run.discard(self)  # until it is ready, its start says what goes wrong
        launch.prepare([self._program], self._settings, OnScreen())
        if first := self._instance is None:
            processes.sweep()
            folder = Path(tempfile.mkdtemp(prefix=f"scratch-{self.provider}-"))
            (folder / processes.SCRATCH).touch()
            chosen = self.listen or tuple(ports.any_free() for _ in self._service.ports)
            self._instance = Instance(folder=folder, cache=self._settings.cache, ports=chosen, settings=self._options)
            atexit.register(self.close)
        try:
            self._process = launch.launch(self._program, self._instance, owned=True)
            launch.await_ready(self._service, self._program, self._instance, self._process, again="this cell")
        except BaseException as error:
            for _, process in processes.started_in([self._instance.folder]):  # an interrupt may have come anywhere
                process.kill()
            if first and not isinstance(error, LabError):  # that names its log, which stays until Python ends
                self.close()
            raise
        _meant_to_run.add(self)
        return self

    def close(self) -> None:
        """End the broker and delete its data."""
        if self._process is not None:
            self.kill()
        if self._instance is not None:
            shutil.rmtree(self._instance.folder, ignore_errors=True)
        self._process = self._instance = None
        atexit.unregister(self.close)

    def kill(self) -> None:
        """SIGKILL: the broker ends at once, as in a power cut."""
        _meant_to_run.discard(self)  # first: an interrupted kill is no broker that ended by itself
        self._running.kill()

    def stop(self) -> None:
        """SIGTERM: the broker ends in good order, or at once if this is interrupted."""
        try:
            self._running.end(grace=30)
        finally:
            self.kill()

    def freeze(self) -> None:
        """SIGSTOP: the broker hangs; its connections stay open and nothing answers."""
        self._alive.freeze()

    def thaw(self) -> None:
        """SIGCONT: the broker continues where it was frozen."""
        self._alive.thaw()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the broker while a ``with`` block runs, however that ends."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    @property
    def alive(self) -> bool:
        """Whether it runs, frozen or not."""
        return self._process is not None and self._process.alive()

    @property
    def address(self) -> str:
        """Its address as people write it; "" before its first start."""
        return self._endpoint(self._service).address if self._instance else ""

    @property
    def pid(self) -> int:
        """The broker's process id."""
        return self._running.pid

    @property
    def log(self) -> Path:
        """The broker's log file."""
        return self._made(self._instance).log

    @property
    def mqtt(self) -> MqttEndpoint:
        """The address of an MQTT scratch broker, as ``here.mqtt``."""
        return self._endpoint(MQTT)

    @property
    def kafka(self) -> MaskedConfig:
        """The client configuration of a Kafka scratch broker, as ``here.kafka``."""
        return self._endpoint(KAFKA).conf

    @property
    def registry(self) -> MaskedConfig:
        """The client configuration of a scratch schema registry, as ``here.registry``."""
        return self._endpoint(REGISTRY).conf

    @property
    def influxdb(self) -> InfluxEndpoint:
        """The address of a scratch InfluxDB, as ``here.influxdb``."""
        return self._endpoint(INFLUXDB)

    @property
    def _running(self) -> Process:
        return self._made(self._process)

    @property
    def _alive(self) -> Process:
        if not self._running.alive():
            raise LabError(f"This scratch {self._service.title} is not running any more.", remedy="Call its start().")
        return self._running

    def _made(self, part: T | None) -> T:
        """Return what a start makes."""
        if part is None:
            raise LabError(f"This scratch {self._service.title} is not started.", remedy="Call its start() first.")
        return part

    def _endpoint(self, service: Service[E]) -> E:
        if service.name != self._service.name:
            title, name = self._service.title, self._service.name
            raise LabError(f"This scratch service is not a {service.title} but {title}.", remedy=f"Use its .{name}.")
        found: E = self._service.local(self._made(self._instance).ports[0], self.provider)
        return found


_meant_to_run: set[Scratch] = set()


def require_running() -> None:
    """Raise ``BrokerEnded`` if one has ended that was neither killed nor stopped here."""
    for each in tuple(_meant_to_run):
        if not each.alive:
            raise BrokerEnded(f"{each._program.title} at {each.address}", log=each.log)


def scratch(service: str, *, provider: str | None = None, **settings: object) -> Scratch:
    """Make a scratch broker: ``with lab.scratch("mqtt", max_queued_messages=100) as broker``.

    Args:
        service: ``mqtt``, ``kafka``, ``registry``, ``influxdb``, or ``connect``, which needs the ``bootstrap.servers``.
        provider: The program, for example ``mosquitto`` or ``artemis``. By default the one that the lab itself would
            start, even if the lab's own service is external or a container.
        **settings: Lines of the program's own configuration. They override the lab's.

    Raises:
        ConfigurationError: There is no such service or program.
    """
    lab, services = Settings.from_environment(), SERVICES | {CONNECT.name: CONNECT}
    if service not in services:
        raise ConfigurationError("lab.scratch", f"unknown service {service!r}", remedy=f"Use {', '.join(services)}.")
    programs = {program.name: program for program in services[service].programs}
    if provider is None:
        forced = {name: each for name, each in lab.providers.items() if each in {"native", "embedded"}}
        local = Settings(home=lab.home, cache=lab.cache, providers=forced)
        provider = default_provider(services[service], local, composed=frozenset())
    if provider not in programs:
        remedy = f"Use {' or '.join(programs)}, if installed."
        raise ConfigurationError("lab.scratch", f"{provider!r} does not provide {service}", remedy=remedy)
    return Scratch(services[service], programs[provider], lab, settings)
