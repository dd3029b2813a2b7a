"""Private brokers for lessons and tests that break things: own port, own folder, gone afterwards."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self, TypeVar

from helpers.errors import ConfigurationError, LabError
from helpers.lab.progress import OnScreen
from helpers.lab.runtime import launch as starting
from helpers.lab.runtime import ports, processes
from helpers.lab.runtime.processes import Process
from helpers.lab.services import endpoints
from helpers.lab.services import table as services
from helpers.lab.services.endpoints import (
    Endpoint,
    InfluxEndpoint,
    KafkaEndpoint,
    Masked,
    MqttEndpoint,
    RegistryEndpoint,
)
from helpers.lab.services.programs import PROGRAMS, Site
from helpers.lab.services.table import SERVICES
from helpers.lab.settings import Settings

T = TypeVar("T", bound=Endpoint)


class Scratch:
    """A broker of one's own. Use it as a context manager, or call :meth:`start` and :meth:`close`.

    It can be killed, stopped, frozen and started again on the same port with the same data. What was not closed is
    closed when Python ends; if that was killed, by the next private broker or by ``lab down``.
    """

    def __init__(self, service: str, *, program: str, settings: Settings, options: Mapping[str, object]) -> None:
        self.provider = program
        self._service = SERVICES[service]
        self._program = PROGRAMS[program]
        self._settings = settings
        self._options = options
        self._site: Site | None = None
        self._process: Process | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Self:
        """Start the broker, or start it again after :meth:`kill` or :meth:`stop`. Returns once it is ready."""
        if self._process is not None and self._process.alive():
            return self
        starting.prepare([self._program], self._settings, OnScreen())
        if self._site is None:
            sweep()
            folder = Path(tempfile.mkdtemp(prefix=f"scratch-{self.provider}-"))
            chosen = tuple(ports.any_free() for _ in range(self._program.ports))
            self._site = Site(folder=folder, cache=self._settings.cache, ports=chosen, settings=self._options)
            atexit.register(self.close)
        try:
            self._process = starting.launch(self._program, self._site, owned=True)
            starting.await_ready(self._service, self.provider, self._site, self._process)
        except LabError:
            if self._process is not None:
                self._process.kill()  # its log stays until Python ends: the error names it
            raise
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End the broker and delete its data."""
        if self._process is not None:
            self._process.kill()
        if self._site is not None:
            shutil.rmtree(self._site.folder, ignore_errors=True)
        self._process = self._site = None
        atexit.unregister(self.close)

    def kill(self) -> None:
        """SIGKILL: the broker ends without a goodbye, as in a power cut."""
        self._running.kill()

    def stop(self) -> None:
        """SIGTERM: the broker ends in good order."""
        self._running.end(grace=30)

    def freeze(self) -> None:
        """SIGSTOP: the broker hangs; its connections stay open and nothing answers."""
        self._alive.freeze()

    def thaw(self) -> None:
        """SIGCONT: the broker goes on where it was frozen."""
        self._alive.thaw()

    @property
    def pid(self) -> int:
        """The broker's process id."""
        return self._running.pid

    @property
    def log(self) -> Path:
        """The file with what the broker printed."""
        return self._place.log

    @property
    def mqtt(self) -> MqttEndpoint:
        """The address of an MQTT scratch broker, as ``here.mqtt``."""
        return self._endpoint(MqttEndpoint)

    @property
    def kafka(self) -> Masked:
        """The client configuration of a Kafka scratch broker, as ``here.kafka``."""
        return self._endpoint(KafkaEndpoint).conf

    @property
    def registry(self) -> Masked:
        """The client configuration of a scratch schema registry, as ``here.registry``."""
        return self._endpoint(RegistryEndpoint).conf

    @property
    def influxdb(self) -> InfluxEndpoint:
        """The address of a scratch InfluxDB, as ``here.influxdb``."""
        return self._endpoint(InfluxEndpoint)

    @property
    def _running(self) -> Process:
        if self._process is None:
            raise LabError(f"This scratch {self._service.title} is not started.", remedy="Call its start() first.")
        return self._process

    @property
    def _alive(self) -> Process:
        if not self._running.alive():
            raise LabError(f"This scratch {self._service.title} does not run any more.", remedy="Call its start().")
        return self._running

    @property
    def _place(self) -> Site:
        if self._site is None:
            raise LabError(f"This scratch {self._service.title} is not started.", remedy="Call its start() first.")
        return self._site

    def _endpoint(self, kind: type[T]) -> T:
        endpoint = endpoints.local(self._service.name, port=self._place.ports[0], provider=self.provider)
        if not isinstance(endpoint, kind):
            raise LabError(f"This scratch broker is a {self._service.title}.", remedy=f"Use its .{self._service.name}.")
        return endpoint


def sweep() -> None:
    """End private brokers whose Python is gone, and delete their data."""
    for folder, process in processes.orphans():
        process.kill()
        if folder.name.startswith("scratch-"):  # the process says where it was begun, and may be anybody's
            shutil.rmtree(folder, ignore_errors=True)


def scratch(service: str, *, provider: str | None = None, **settings: object) -> Scratch:
    """Make a private broker: ``with lab.scratch("mqtt", max_queued_messages=100) as broker``.

    Args:
        service: ``mqtt``, ``kafka``, ``registry`` or ``influxdb``.
        provider: The program, for example ``mosquitto`` or ``artemis``. By default what the lab itself would start,
            whoever provides the lab's own service: nobody shares a scratch broker.
        **settings: Lines of the program's own configuration, the last word over the lab's.

    Raises:
        ConfigurationError: There is no such service or program.
    """
    lab = Settings.from_environment()
    if service not in SERVICES:
        raise ConfigurationError(
            "lab.scratch", f"there is no service {service!r}", remedy=f"Use {', '.join(SERVICES)}."
        )
    ways = SERVICES[service].ways
    if provider is None:
        forced = {name: way for name, way in lab.providers.items() if way in {"native", "embedded"}}
        alone = Settings(home=lab.home, cache=lab.cache, providers=forced)
        provider = services.provider(SERVICES[service], alone, composed=frozenset())
    if provider not in ways:
        raise ConfigurationError(
            "lab.scratch", f"{provider!r} does not provide {service}", remedy=f"Use {' or '.join(ways)}, if installed."
        )
    return Scratch(service, program=provider, settings=lab, options=settings)
