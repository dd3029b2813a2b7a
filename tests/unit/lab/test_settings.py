"""The ``LAB_*`` variables: what they give, and everything that is refused before anything is contacted."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

import pytest

from helpers.errors import ConfigurationError
from helpers.lab.providers import provider
from helpers.lab.services.influxdb import InfluxEndpoint
from helpers.lab.services.kafka import KafkaEndpoint
from helpers.lab.services.mqtt import MqttEndpoint
from helpers.lab.services.registry import RegistryEndpoint
from helpers.lab.services.table import SERVICES
from helpers.lab.settings import Settings
from helpers.paths import ROOT

PROXY = "http://proxy.example:3128"
NS = {"LAB_NAMESPACE": "ana"}
MQTT = NS | {"LAB_MQTT_HOST": "broker.example"}
KAFKA = NS | {"LAB_KAFKA_BOOTSTRAP_SERVERS": "a.example:9092,b.example:9092"}
REGISTRY = NS | {"LAB_REGISTRY_URL": "https://registry.example/"}
INFLUXDB = NS | {"LAB_INFLUXDB_URL": "http://influx.example:8086"}


@pytest.fixture
def pem(tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    file.write_text("a certificate")
    return str(file)


def test_nothing_set_is_the_lab_of_this_checkout() -> None:
    settings = Settings.from_environment({})
    assert settings.home == ROOT / ".lab"
    assert (settings.ns, settings.any_port, settings.providers, settings.external) == ("", False, {}, {})


def test_an_empty_variable_is_an_unset_one() -> None:
    empty = dict.fromkeys(["LAB_HOME", "LAB_PORTS", "LAB_NAMESPACE", "LAB_MQTT_HOST", "LAB_KAFKA_PROVIDER"], "")
    assert Settings.from_environment(empty) == Settings.from_environment({})


def test_folders_are_absolute_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({"LAB_HOME": "here", "LAB_CACHE": "there"})
    assert (settings.home, settings.cache) == (tmp_path / "here", tmp_path / "there")


def test_an_external_mqtt_broker_over_tls_with_a_password(pem: str) -> None:
    env = MQTT | {"LAB_MQTT_USERNAME": "ana", "LAB_MQTT_PASSWORD": "pw", "LAB_MQTT_CA": pem}
    given = Settings.from_environment(env).external["mqtt"]
    assert given == MqttEndpoint(
        host="broker.example", port=8883, provider="given", username="ana", password="pw", tls={"ca_certs": pem}
    )
    assert given.address == "mqtts://broker.example:8883"


def test_tls_without_a_ca_trusts_what_the_system_trusts() -> None:
    given = Settings.from_environment(MQTT | {"LAB_MQTT_TLS": "yes"}).external["mqtt"]
    assert isinstance(given, MqttEndpoint)
    assert (given.port, given.tls) == (8883, {})


def test_without_tls_the_port_is_1883() -> None:
    given = Settings.from_environment(MQTT | {"LAB_MQTT_TLS": "off"}).external["mqtt"]
    assert isinstance(given, MqttEndpoint)
    assert (given.port, given.tls) == (1883, None)


@pytest.mark.parametrize(
    ("more", "conf"),
    [
        ({}, {}),
        ({"TLS": "1"}, {"security.protocol": "SSL"}),
        (
            {"USERNAME": "ana", "PASSWORD": "pw"},
            {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"},
        ),
        (
            {"USERNAME": "ana", "PASSWORD": "pw", "SASL": "scram-sha-512", "TLS": "1"},
            {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"},
        ),
    ],
)
def test_an_external_kafka(more: dict[str, str], conf: dict[str, str]) -> None:
    env = KAFKA | {f"LAB_KAFKA_{name}": value for name, value in more.items()}
    given = Settings.from_environment(env).external["kafka"]
    assert isinstance(given, KafkaEndpoint)
    login = {"sasl.username": "ana", "sasl.password": "pw"} if "USERNAME" in more else {}
    assert dict(given.conf) == {"bootstrap.servers": "a.example:9092,b.example:9092", "log_level": 2, **conf, **login}


def test_an_external_kafka_with_its_own_authority(pem: str) -> None:
    given = Settings.from_environment(KAFKA | {"LAB_KAFKA_CA": pem}).external["kafka"]
    assert isinstance(given, KafkaEndpoint)
    assert given.conf["security.protocol"] == "SSL"
    assert given.conf["ssl.ca.location"] == pem


def test_an_external_registry(pem: str) -> None:
    env = REGISTRY | {"LAB_REGISTRY_USERNAME": "ana", "LAB_REGISTRY_PASSWORD": "pw", "LAB_REGISTRY_CA": pem}
    given = Settings.from_environment(env).external["registry"]
    assert isinstance(given, RegistryEndpoint)
    assert given.address == "https://registry.example"
    assert given.conf["basic.auth.user.info"] == "ana:pw"
    assert given.conf["timeout"] == 10  # seconds: a registry that hangs is not waited for
    assert given.conf["ssl.ca.location"] == pem


def test_an_external_influxdb() -> None:
    env = INFLUXDB | {"LAB_INFLUXDB_TOKEN": "tok", "LAB_INFLUXDB_DATABASE": "mine"}
    given = Settings.from_environment(env).external["influxdb"]
    assert given == InfluxEndpoint(url="http://influx.example:8086", provider="given", token="tok", database="mine")


CONTRADICTIONS = [
    ({"LAB_MQTT_HOST": "broker.example"}, "LAB_NAMESPACE", "mqtt"),
    ({"LAB_NAMESPACE": "Ana!"}, "LAB_NAMESPACE", "namespace"),
    ({"LAB_NAMESPACE": "ana-b"}, "LAB_NAMESPACE", "namespace"),
    ({"LAB_PORTS": "8000"}, "LAB_PORTS", "any"),
    # An address is missing.
    (NS | {"LAB_MQTT_PORT": "1883"}, "LAB_MQTT_PORT", "LAB_MQTT_HOST"),
    (NS | {"LAB_MQTT_PASSWORD": "pw"}, "LAB_MQTT_PASSWORD", "LAB_MQTT_HOST"),
    (NS | {"LAB_KAFKA_TLS": "1"}, "LAB_KAFKA_TLS", "LAB_KAFKA_BOOTSTRAP_SERVERS"),
    (NS | {"LAB_REGISTRY_USERNAME": "ana"}, "LAB_REGISTRY_USERNAME", "LAB_REGISTRY_URL"),
    (NS | {"LAB_INFLUXDB_TOKEN": "tok"}, "LAB_INFLUXDB_TOKEN", "LAB_INFLUXDB_URL"),
    # A misspelt variable must not be passed over in silence.
    (MQTT | {"LAB_MQTT_USER": "ana"}, "LAB_MQTT_USER", "USERNAME"),
    (NS | {"LAB_KAFKA_BOOTSTRAP": "a:1"}, "LAB_KAFKA_BOOTSTRAP", "BOOTSTRAP_SERVERS"),
    # Malformed.
    (MQTT | {"LAB_MQTT_PORT": "mqtt"}, "LAB_MQTT_PORT", "65535"),
    (MQTT | {"LAB_MQTT_PORT": "0"}, "LAB_MQTT_PORT", "65535"),
    (MQTT | {"LAB_MQTT_PORT": "65536"}, "LAB_MQTT_PORT", "65535"),
    (MQTT | {"LAB_MQTT_TLS": "maybe"}, "LAB_MQTT_TLS", "yes nor no"),
    (MQTT | {"LAB_MQTT_CA": "nowhere.pem"}, "LAB_MQTT_CA", "nowhere.pem"),
    (NS | {"LAB_KAFKA_BOOTSTRAP_SERVERS": "broker.example"}, "LAB_KAFKA_BOOTSTRAP_SERVERS", "port"),
    (NS | {"LAB_KAFKA_BOOTSTRAP_SERVERS": "a:9092,b"}, "LAB_KAFKA_BOOTSTRAP_SERVERS", "port"),
    (NS | {"LAB_REGISTRY_URL": "registry.example:8081"}, "LAB_REGISTRY_URL", "https://"),
    (NS | {"LAB_INFLUXDB_URL": "http://"}, "LAB_INFLUXDB_URL", "not a valid URL"),
    (NS | {"LAB_INFLUXDB_URL": "http://influx.example:80a"}, "LAB_INFLUXDB_URL", "not a valid URL"),
    (NS | {"LAB_INFLUXDB_URL": "http://influx.example:8086 "}, "LAB_INFLUXDB_URL", "not a valid URL"),
    (NS | {"LAB_REGISTRY_URL": "https://[::1:8081"}, "LAB_REGISTRY_URL", "not a valid URL"),
    # One half of a pair.
    (MQTT | {"LAB_MQTT_USERNAME": "ana"}, "LAB_MQTT_PASSWORD", "together"),
    (KAFKA | {"LAB_KAFKA_PASSWORD": "pw"}, "LAB_KAFKA_USERNAME", "together"),
    (REGISTRY | {"LAB_REGISTRY_PASSWORD": "pw"}, "LAB_REGISTRY_USERNAME", "together"),
    (INFLUXDB | {"LAB_INFLUXDB_USERNAME": "ana"}, "LAB_INFLUXDB_PASSWORD", "together"),
    # One thing against another.
    (MQTT | {"LAB_MQTT_TLS": "0", "LAB_MQTT_CA": __file__}, "LAB_MQTT_CA", "TLS"),
    (KAFKA | {"LAB_KAFKA_TLS": "no", "LAB_KAFKA_CA": __file__}, "LAB_KAFKA_CA", "TLS"),
    (KAFKA | {"LAB_KAFKA_SASL": "PLAIN"}, "LAB_KAFKA_SASL", "username"),
    (
        KAFKA | {"LAB_KAFKA_SASL": "GSSAPI", "LAB_KAFKA_USERNAME": "ana", "LAB_KAFKA_PASSWORD": "pw"},
        "LAB_KAFKA_SASL",
        "SCRAM-SHA-256",
    ),
    (NS | {"LAB_REGISTRY_URL": "http://r.example", "LAB_REGISTRY_CA": __file__}, "LAB_REGISTRY_CA", "https:"),
    (INFLUXDB | {"LAB_INFLUXDB_CA": __file__}, "LAB_INFLUXDB_CA", "https:"),
    (
        INFLUXDB | {"LAB_INFLUXDB_USERNAME": "a", "LAB_INFLUXDB_PASSWORD": "b", "LAB_INFLUXDB_TOKEN": "c"},
        "LAB_INFLUXDB_TOKEN",
        "password",
    ),
    # A provider that is none, or is not what the address says.
    ({"LAB_MQTT_PROVIDER": "emqx"}, "LAB_MQTT_PROVIDER", "embedded"),
    ({"LAB_KAFKA_PROVIDER": "native"}, "LAB_KAFKA_PROVIDER", "compose"),
    ({"LAB_KAFKA_PROVIDER": "given"}, "LAB_KAFKA_PROVIDER", "not set"),
    (MQTT | {"LAB_MQTT_PROVIDER": "native"}, "LAB_MQTT_PROVIDER", "LAB_MQTT_HOST"),
    (REGISTRY | {"LAB_REGISTRY_PROVIDER": "compose"}, "LAB_REGISTRY_PROVIDER", "LAB_REGISTRY_URL"),
]


@pytest.mark.parametrize(("env", "setting", "said"), CONTRADICTIONS, ids=lambda each: str(each)[:60])
def test_a_contradiction_names_the_variable_and_a_remedy(env: dict[str, str], setting: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment(env)
    assert caught.value.setting == setting
    assert said in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("service", ["registry", "influxdb"])
@pytest.mark.parametrize("url", ["https://ana:hunter2@host.example", "ana:hunter2@host.example", "https://hunter2@h"])
def test_a_password_in_a_url_is_refused_and_not_repeated(service: str, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment(NS | {f"LAB_{service.upper()}_URL": url})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "env", "composed", "found", "expected"),
    [
        ("mqtt", {}, {"mqtt"}, True, "compose"),
        ("mqtt", {}, set(), True, "mosquitto"),
        ("mqtt", {}, set(), False, "artemis"),
        ("mqtt", MQTT, {"mqtt"}, True, "given"),
        ("mqtt", {"LAB_MQTT_PROVIDER": "embedded"}, {"mqtt"}, True, "artemis"),
        ("mqtt", {"LAB_MQTT_PROVIDER": "native"}, {"mqtt"}, False, "mosquitto"),
        ("mqtt", {"LAB_MQTT_PROVIDER": "compose"}, set(), True, "compose"),
        ("kafka", {}, {"mqtt"}, True, "kafka"),
        ("influxdb", {}, set(), False, "none"),
        ("influxdb", {}, set(), True, "influxd"),
        ("influxdb", {"LAB_INFLUXDB_PROVIDER": "none"}, {"influxdb"}, True, "none"),
    ],
)
def test_the_first_provider_that_matches_is_used(
    monkeypatch: pytest.MonkeyPatch, name: str, env: dict[str, str], composed: set[str], *, found: bool, expected: str
) -> None:
    monkeypatch.setattr("helpers.lab.providers.on_path", lambda program: program if found else None)
    assert provider(SERVICES[name], Settings.from_environment(env), composed=frozenset(composed)) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"http_proxy": PROXY}, "127.0.0.1,localhost"),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "example.org"}, "example.org,127.0.0.1,localhost"),
        ({"all_proxy": PROXY, "no_proxy": "127.0.0.1"}, "127.0.0.1,localhost"),
        ({"http_proxy": PROXY, "no_proxy": "*"}, "*"),
        ({}, None),
    ],
)
def test_a_proxy_is_not_for_this_machine(
    before: dict[str, str], after: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(urllib.request, "getproxies", urllib.request.getproxies_environment)
    os.environ.clear()
    os.environ.update(others | before)
    for _ in range(2):
        Settings.from_environment()
    assert os.environ.get("no_proxy") == after
    if after:
        assert urllib.request.proxy_bypass_environment("127.0.0.1:8081")
    assert not before or PROXY in urllib.request.getproxies().values()
