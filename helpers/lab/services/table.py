"""The table of services. A new service is one module and one row here."""

from __future__ import annotations

from typing import Any

from helpers.lab.services.base import Service
from helpers.lab.services.influxdb import INFLUXDB
from helpers.lab.services.kafka import CONNECT, KAFKA
from helpers.lab.services.mqtt import MQTT
from helpers.lab.services.registry import REGISTRY

SERVICES: dict[str, Service[Any]] = {each.name: each for each in (MQTT, KAFKA, REGISTRY, INFLUXDB)}
PROGRAMS = {program.name: program for service in (*SERVICES.values(), CONNECT) for program in service.programs}
