"""What a lesson's first cell calls: attach to the lab, delete what the lesson made before, show the services."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from helpers import kernel, lessons, running
from helpers.board.follow import follow
from helpers.lab import lifecycle, reset
from helpers.lab.errors import LabError
from helpers.lab.progress import OnScreen, Reporter, html_table
from helpers.lab.scratch import broker as scratch
from helpers.lab.services.base import MaskedConfig
from helpers.lab.services.influxdb import InfluxEndpoint
from helpers.lab.services.mqtt import MqttEndpoint, client
from helpers.lab.services.table import PROGRAMS, SERVICES
from helpers.lab.settings import Settings

_REMEDY = "`lab up` in a terminal starts what is missing; then run the lesson again from its first cell."
_REMEDIES = {
    "given": "Check the {variables}* variables and the network; `lab doctor` says more.",
    "compose": "`docker compose up --wait` returns when it is ready; `docker compose logs {name}` says more.",
}


@dataclass(frozen=True, kw_only=True)
class Here:
    """The services in use: addresses and configuration, never a client. Shown as a table at the end of a cell.

    ``ns`` goes in front of every topic, group, client id and subject. ``kafka`` and ``registry`` are dicts for
    confluent-kafka's clients; ``influxdb`` is None if it is not available, and so is what a lesson does not need.
    """

    ns: str
    mqtt: MqttEndpoint
    kafka: MaskedConfig
    registry: MaskedConfig
    influxdb: InfluxEndpoint | None
    status: tuple[lifecycle.Status, ...]

    def __repr__(self) -> str:
        return "\n".join(f"{title:<16} {address:<42} {by}" for title, address, by in self._rows())

    def _repr_html_(self) -> str:
        return html_table(("service", "address", "provided by"), self._rows())

    def _rows(self) -> list[tuple[str, str, str]]:
        rows = [(each.service.title, each.endpoint.address, provided_by(each)) for each in self.status if each.endpoint]
        absent = [each.service for each in self.status if not each.endpoint]
        rows += [(each.title, "–", "not available; only lesson 10 uses it") for each in absent]
        return rows + ([("Namespace", self.ns, "in front of every name")] if self.ns else [])


def provided_by(status: lifecycle.Status) -> str:
    """Return who provides a service, in words."""
    elsewhere = {"given": "given by LAB_* variables or `lab join`", "compose": "Docker Compose", "none": "–"}
    return elsewhere.get(status.provider) or PROGRAMS[status.provider].title


def connect(*, lesson: str | None = None, report: Reporter | None = None) -> Here:
    """Attach to the lab, starting what ``lesson`` (a number or slug) needs, and reset what that lesson made before.

    With a lesson, what an earlier run of it left running in this process is ended first (:func:`~helpers.lab.beside`).

    Raises:
        ConfigurationError: ``LAB_*`` variables contradict each other, or there is no such lesson.
        LabError: A service cannot be used; the message names it and what to do.
    """
    settings = Settings.from_environment()
    chosen = lessons.find(lesson) if lesson is not None else None
    kernel.explain_errors(lambda: None)  # until the lab runs, what is missing is on its way
    here = attach(settings, report=report or OnScreen(), only=chosen.needs if chosen else SERVICES)
    used = [each.service.name for each in here.status if each.ready]

    def look() -> None:
        scratch.require_running()
        _require(lifecycle.status(settings, only=used))

    kernel.explain_errors(look)
    if chosen is not None:
        running.end()
        reset.reset(here.status, reset.names(here.ns, chosen, alone=reset.exclusive(settings)))
        follow(settings.home, chosen.slug, broker=settings.external.get("mqtt"), make=client)
    return here


def attach(settings: Settings, *, report: Reporter, only: Collection[str] = SERVICES) -> Here:
    """Return the services in use, starting what does not run.

    Raises:
        LabError: One that is needed cannot be used.
    """
    statuses = lifecycle.status(settings, only=only)
    if any(each.service.required and not each.ready and each.provider != "given" for each in statuses):
        statuses = lifecycle.up(settings, report=report, only=only)
    _require([each for each in statuses if each.service.required])
    ready = {each.service.name: each.endpoint for each in statuses if each.ready}
    found: dict[str, Any] = {name: ready.get(name) for name in ("mqtt", "influxdb")}
    found |= {name: getattr(ready.get(name), "conf", None) for name in ("kafka", "registry")}
    return Here(ns=settings.ns, status=tuple(statuses), **found)


def _require(statuses: list[lifecycle.Status]) -> None:
    """Raise ``LabError`` for the first service that cannot be used."""
    for each in statuses:
        if not each.ready:
            address = f" at {each.endpoint.address}" if each.endpoint else ""
            remedy = _REMEDIES.get(each.provider, _REMEDY).format(name=each.service.name, variables=each.service.prefix)
            raise LabError(f"{each.service.title}{address} cannot be used: {each.problem}.", remedy=remedy)
