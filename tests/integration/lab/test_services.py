"""A new service is one module and one row in the table: everything else about the lab follows from them."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from helpers import lab, lessons
from helpers.errors import ConfigurationError
from helpers.lab import env_file, reset
from helpers.lab.runtime.program import Instance, Program
from helpers.lab.services import http
from helpers.lab.services.base import Service
from helpers.lab.services.influxdb import InfluxEndpoint
from helpers.lab.services.table import PROGRAMS, SERVICES
from helpers.lab.services.variables import Variables


def _command(instance: Instance) -> list[str]:
    (instance.folder / "served").mkdir(exist_ok=True)
    return [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", "served", str(instance.ports[0])]


def _external(variables: Variables) -> InfluxEndpoint:
    return InfluxEndpoint(url=variables.url(), provider="given")


SHELF = Service(
    name="shelf",
    title="Shelf of files",
    ports=(8090,),
    shared_port=8490,
    required=False,
    variables=("URL", "USERNAME", "PASSWORD", "CA", "PROVIDER"),
    embedded=Program(name="shelves", title="Python's web server", command=_command),
    local=lambda port, provider: InfluxEndpoint(url=f"http://127.0.0.1:{port}", provider=provider),
    external=_external,
    shared=lambda host, port: {"URL": f"https://{host}:{port}"},
    probe=lambda endpoint, timeout: http.probe(endpoint.address, endpoint.conf, timeout),
    smoke_test=lambda endpoint, _name: http.request(endpoint.address, endpoint.conf, timeout=20).decode(),
    reset=lambda _endpoint, names: Counter(files=sum(map(names.owned, ["hello-1", "other"]))),
)


@pytest.fixture(autouse=True)
def _row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SERVICES, "shelf", SHELF)
    monkeypatch.setitem(PROGRAMS, "shelves", SHELF.embedded)


def test_it_starts_is_seen_and_ends(own: lab.Settings) -> None:
    (started,) = lab.up(own, only=["shelf"])
    assert started.ready
    assert started.provider == "shelves"
    assert SHELF.smoke_test(started.endpoint, "hello").startswith("<!DOCTYPE")
    (again,) = lab.up(own, only=["shelf"])
    assert again.pid == started.pid
    names = reset.names("", lessons.find("00"), alone=False)
    assert reset.reset([again], names) == {"files": 1}
    assert lab.down(own) == ["shelf"]
    (ended,) = lab.status(own, only=["shelf"])
    assert ended.problem == "not running"


def test_a_scratch_one_starts_and_ends(own_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in own_env.items():
        monkeypatch.setenv(name, value)
    with lab.scratch("shelf") as own:
        assert own.provider == "shelves"
        folder = own.log.parent
    assert not folder.exists()


def test_its_variables_name_an_external_one(own_env: dict[str, str]) -> None:
    env = {**own_env, "LAB_NAMESPACE": "ana", "LAB_SHELF_URL": "http://shelf.example"}
    assert lab.Settings.from_environment(env).external["shelf"].address == "http://shelf.example"
    with pytest.raises(ConfigurationError, match="LAB_SHELF_COLOUR"):
        lab.Settings.from_environment({**env, "LAB_SHELF_COLOUR": "red"})
    with pytest.raises(ConfigurationError, match="given, compose, embedded, none"):
        lab.Settings.from_environment({**own_env, "LAB_SHELF_PROVIDER": "native"})


def test_a_hand_out_may_name_it(tmp_path: Path) -> None:
    file = tmp_path / "workshop.env"
    certificate = "-----BEGIN CERTIFICATE-----\n"
    env_file.write(file, {"LAB_SHELF_URL": "https://shelf.example"}, certificate, comment="shared")
    assert env_file.read(file)[0]["LAB_SHELF_CA"] == str(file)
