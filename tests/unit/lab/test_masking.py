"""No secret is ever shown: not by repr, str, a notebook, an error or a table."""

from __future__ import annotations

import pprint

import pytest
from IPython.lib.pretty import pretty

from helpers.lab.connect import Here
from helpers.lab.lifecycle import Status
from helpers.lab.services.base import MaskedConfig
from helpers.lab.services.influxdb import InfluxEndpoint
from helpers.lab.services.mqtt import MqttEndpoint
from helpers.lab.services.table import SERVICES
from helpers.lab.settings import Settings

SECRET = "hunter2"
CONF = {
    "bootstrap.servers": "broker.example:9092",
    "sasl.username": "ana",
    "sasl.password": SECRET,
    "ssl.key.password": SECRET,
    "ssl.keystore.password": SECRET,
    "ssl.key.pem": SECRET,
    "basic.auth.user.info": f"ana:{SECRET}",
    "bearer.auth.token": SECRET,
    "sasl.oauthbearer.client.secret": SECRET,
}
ENV = {
    "LAB_NAMESPACE": "ana",
    "LAB_MQTT_HOST": "broker.example",
    "LAB_MQTT_USERNAME": "ana",
    "LAB_MQTT_PASSWORD": SECRET,
    "LAB_KAFKA_BOOTSTRAP_SERVERS": "broker.example:9092",
    "LAB_KAFKA_USERNAME": "ana",
    "LAB_KAFKA_PASSWORD": SECRET,
    "LAB_REGISTRY_URL": "https://registry.example",
    "LAB_REGISTRY_USERNAME": "ana",
    "LAB_REGISTRY_PASSWORD": SECRET,
    "LAB_INFLUXDB_URL": "https://influx.example",
    "LAB_INFLUXDB_TOKEN": SECRET,
}


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, pprint.pformat, pretty, lambda m: f"{[m]}"])
@pytest.mark.parametrize(
    "made",
    [
        MaskedConfig,
        lambda conf: MaskedConfig(conf) | {"group.id": "g"},
        lambda conf: {"group.id": "g"} | MaskedConfig(conf),
        lambda conf: MaskedConfig({}) | conf,
        lambda conf: MaskedConfig(conf).copy(),
    ],
)
def test_a_configuration_shows_names_but_no_secret(made, show) -> None:
    conf = made(CONF)
    shown = show(conf)
    assert SECRET not in shown
    assert "ana" in shown
    assert "broker.example:9092" in shown


def test_a_configuration_still_holds_what_the_client_needs() -> None:
    assert {**MaskedConfig(CONF)} == CONF
    assert (MaskedConfig(CONF) | {"group.id": "g"})["sasl.password"] == SECRET


def test_in_place_it_stays_masked() -> None:
    conf = MaskedConfig({})
    conf |= CONF
    conf.update(CONF)
    assert SECRET not in repr(conf)


def test_an_empty_secret_looks_empty() -> None:
    assert repr(MaskedConfig({"sasl.password": ""})) == "{'sasl.password': ''}"


def test_an_address_shows_no_secret() -> None:
    mqtt = MqttEndpoint(host="h", port=1, provider="given", username="ana", password=SECRET)
    influxdb = InfluxEndpoint(url="http://h", provider="given", username="ana", password=SECRET, token=SECRET)
    for each in (mqtt, influxdb):
        assert SECRET not in f"{each!r} {each} {each.address} {pretty(each)}"


def test_the_settings_show_no_secret() -> None:
    settings = Settings.from_environment(ENV)
    assert len(settings.external) == len(SERVICES)
    assert SECRET not in f"{settings!r} {settings}"


@pytest.fixture
def here() -> Here:
    given = Settings.from_environment(ENV).external
    status = tuple(
        Status(service=SERVICES[name], provider="given", endpoint=given[name], problem="") for name in SERVICES
    )
    mqtt, kafka, registry, influxdb = (given[name] for name in SERVICES)
    return Here(ns="ana-", mqtt=mqtt, kafka=kafka.conf, registry=registry.conf, influxdb=influxdb, status=status)


def test_what_a_lesson_sees_shows_no_secret(here: Here) -> None:
    assert SECRET not in f"{here!r} {here} {here._repr_html_()} {here.status} {pretty(here)}"
    assert SECRET not in "".join(str(each.as_dict()) for each in here.status)


def test_what_a_lesson_sees_is_a_table_of_addresses(here: Here) -> None:
    for shown in (repr(here), here._repr_html_()):
        assert "mqtt://broker.example:1883" in shown
        assert "given by LAB_* variables" in shown
        assert "ana-" in shown
