"""What a lesson's first cell calls: attach to the lab, clear what the lesson made before, say what is in use."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from helpers import lessons
from helpers.errors import LabError
from helpers.lab import lifecycle
from helpers.lab.lifecycle import Status
from helpers.lab.progress import OnScreen, Reporter, html_table
from helpers.lab.services.endpoints import InfluxEndpoint, KafkaEndpoint, Masked, MqttEndpoint, RegistryEndpoint
from helpers.lab.services.programs import PROGRAMS
from helpers.lab.settings import Settings
from helpers.lab.state import State

_NEEDED = ("mqtt", "kafka", "registry")
_REMEDY = "`lab doctor` in a terminal says more; `lab up` repairs what died."
_REMEDIES = {
    "given": "Check the {variables} variables and the network; `lab doctor` says more.",
    "compose": "`docker compose up --wait` returns when it is ready; `docker compose logs {name}` says more.",
}


@dataclass(frozen=True, kw_only=True)
class Here:
    """The services in use: addresses and configuration, never a client. Shown as a table at the end of a cell.

    ``ns`` goes in front of every topic, group, client id and subject. ``kafka`` and ``registry`` are dicts for
    confluent-kafka's clients; ``influxdb`` is None where there is none.
    """

    ns: str
    mqtt: MqttEndpoint
    kafka: Masked
    registry: Masked
    influxdb: InfluxEndpoint | None
    status: tuple[Status, ...]

    def __repr__(self) -> str:
        return "\n".join(f"{title:<16} {address:<42} {by}" for title, address, by in self._rows())

    def _repr_html_(self) -> str:
        return html_table(("service", "address", "provided by"), self._rows())

    def _rows(self) -> list[tuple[str, str, str]]:
        rows = [(each.service.title, each.endpoint.address, provided_by(each)) for each in self.status if each.endpoint]
        absent = [each.service.title for each in self.status if not each.endpoint]
        rows += [(title, "–", "not here; only lesson 9 asks for it") for title in absent]
        return rows + ([("Namespace", self.ns, "in front of every name")] if self.ns else [])


def provided_by(status: Status) -> str:
    """Say in words where a service comes from."""
    elsewhere = {"given": "given by LAB_* variables or `lab join`", "compose": "Docker Compose", "none": "–"}
    return elsewhere.get(status.provider) or PROGRAMS[status.provider].title


def connect(*, lesson: str | None = None, report: Reporter | None = None) -> Here:
    """Attach to the lab, starting it if need be, and reset what ``lesson`` (``"04"``) made before.

    Raises:
        ConfigurationError: ``LAB_*`` variables contradict each other, or there is no such lesson.
        LabError: A service is not to be had; the message names it and what to do.
    """
    settings = Settings.from_environment()
    chosen = lessons.find(lesson) if lesson is not None else None
    here = attach(settings, report=report or OnScreen())
    if chosen is not None:
        reset_names(settings, here, lesson=chosen)
    return here


def attach(settings: Settings, *, report: Reporter) -> Here:
    """Return the services in use, starting what does not run.

    Raises:
        LabError: A service that every lesson needs is not to be had.
    """
    statuses = lifecycle.status(settings)
    if any(not each.ready and each.provider != "given" for each in statuses if each.service.name in _NEEDED):
        statuses = lifecycle.up(settings, report=report)
    by_name = {each.service.name: each for each in statuses}
    for name in _NEEDED:
        found = by_name[name]
        if not found.ready:
            address = found.endpoint.address if found.endpoint else "nowhere"
            raise LabError(
                f"{found.service.title} at {address} cannot be used: {found.trouble}.",
                service=name,
                remedy=_REMEDIES.get(found.provider, _REMEDY).format(name=name, variables=f"LAB_{name.upper()}_*"),
            )
    mqtt, kafka, registry = (by_name[name].endpoint for name in _NEEDED)
    influxdb = by_name["influxdb"]
    assert isinstance(mqtt, MqttEndpoint)
    assert isinstance(kafka, KafkaEndpoint)
    assert isinstance(registry, RegistryEndpoint)
    return Here(
        ns=settings.ns,
        mqtt=mqtt,
        kafka=kafka.conf,
        registry=registry.conf,
        influxdb=influxdb.endpoint if influxdb.ready and isinstance(influxdb.endpoint, InfluxEndpoint) else None,
        status=tuple(statuses),
    )


def reset_names(settings: Settings, here: Here, *, lesson: lessons.Lesson | None = None) -> Counter[str]:
    """Delete what one lesson made, or all of them, in one's own namespace. Return how many of each kind.

    Raises:
        LabError: A service refused; the message says which name and why.
    """
    from helpers.lab import reset

    alone = not settings.given and State.load(settings.home).shared is None
    owned = reset.owner(here.ns, lesson, alone=alone)
    these = [lesson] if lesson else list(lessons.LESSONS.values())
    # On a broker that others use, only one's own subtrees are asked for; no topic filter means half a level's name.
    filters = ["#"] if alone else [f"{here.ns}{word}/#" for each in these for word in each.owns]
    clients = [f"{here.ns}{client}" for each in these for client in each.sessions]
    return (
        reset.sessions(here.mqtt, clients)
        + reset.retained(here.mqtt, filters, owned)
        + reset.kafka(here.kafka, owned)
        + reset.registry(here.registry, owned)
        + (reset.influxdb(here.influxdb, owned) if here.influxdb else Counter())
    )
