"""``docker-compose.yml`` offers what the lab offers: the same services and ports, from the same configuration files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.lab.artifacts import listed
from helpers.lab.services import SERVICES
from helpers.paths import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
CONF = ROOT / "helpers" / "lab" / "conf"


def test_the_services_have_the_labs_names() -> None:
    assert set(COMPOSE["services"]) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_on_the_labs_port_of_this_machine_only(name: str) -> None:
    published = COMPOSE["services"][name]["ports"]
    assert [each.rsplit(":", 1)[0] for each in published] == [f"127.0.0.1:{SERVICES[name].port}"]


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_and_has_a_health_check(name: str) -> None:
    service = COMPOSE["services"][name]
    assert re.fullmatch(r"[\w/-]+:\d+\.\d+\.\d+", service["image"])
    assert service["healthcheck"]["test"]


@pytest.mark.parametrize(("name", "artifact"), [("kafka", "kafka_2.13"), ("registry", "apicurio-registry-app")])
def test_a_container_runs_the_version_that_the_lab_runs(name: str, artifact: str) -> None:
    versions = {each.version for each in listed() if each.name == artifact}
    assert {COMPOSE["services"][name]["image"].split(":")[1]} == versions


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mqtt", "mosquitto.conf"),
        ("kafka", "kafka.properties"),
        ("registry", "apicurio.properties"),
        ("influxdb", "influxdb.conf"),
    ],
)
def test_a_container_reads_the_labs_configuration_file(name: str, file: str) -> None:
    mounted = [
        Path(ROOT, each.split(":")[0]).resolve() for each in COMPOSE["services"][name]["volumes"] if each[0] == "."
    ]
    assert (CONF / file).resolve() in mounted
    assert all(path.is_file() for path in mounted)


def test_kafka_is_told_its_address_for_the_host_and_for_containers() -> None:
    environment = COMPOSE["services"]["kafka"]["environment"]
    advertised = dict(each.split("://") for each in environment["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert advertised == {"HOST": f"127.0.0.1:{SERVICES['kafka'].port}", "PLAINTEXT": "kafka:19092"}
    listeners = {each.split("://")[0] for each in environment["KAFKA_LISTENERS"].split(",")}
    lines = (CONF / "kafka.properties").read_text(encoding="utf-8")
    protocols = re.search(r"^listener\.security\.protocol\.map=(.*)$", lines, re.MULTILINE)
    assert protocols
    assert listeners <= {each.split(":")[0] for each in protocols[1].split(",")}
