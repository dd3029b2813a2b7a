"""InfluxDB: version 1.x where ``influxd`` is installed, or an external server of any version."""

from __future__ import annotations

import json
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from helpers.lab.errors import LabError
from helpers.lab.runtime.ports import LOOPBACK
from helpers.lab.runtime.program import CONF, Instance, Program, installed
from helpers.lab.services import http
from helpers.lab.services.base import Endpoint, MaskedConfig, Names, Service
from helpers.lab.services.variables import Variables

_TIMEOUT = 15.0


@dataclass(frozen=True, kw_only=True)
class InfluxEndpoint(Endpoint):
    """An InfluxDB's address. A token (2.x, 3), or a username and password (1.x), or neither."""

    url: str
    database: str = "generators"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca: str | None = None

    @property
    def conf(self) -> MaskedConfig:
        """Its login and authority under the names that a registry's configuration uses."""
        login = f"{self.username}:{self.password}" if self.username else None
        return MaskedConfig({"basic.auth.user.info": login, "token": self.token, "ssl.ca.location": self.ca})

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What ``urlopen`` takes as its context: trusts the authority in the file ``ca``; None for the system's."""
        return ssl.create_default_context(cafile=self.ca) if self.ca else None

    @property
    def address(self) -> str:
        """The URL."""
        return self.url


def _external(variables: Variables) -> InfluxEndpoint:
    user, password = variables.login() or (None, None)
    if user and variables.get("TOKEN"):
        raise variables.error("TOKEN", "it contradicts a username and a password", "Set one or the other.")
    return InfluxEndpoint(
        url=variables.url(),
        provider="given",
        database=variables.get("DATABASE") or "generators",
        username=user,
        password=password,
        token=variables.get("TOKEN"),
        ca=variables.authority(),
    )


def _command(instance: Instance) -> list[str]:
    program = installed("influxd", "Install it (Debian: `apt install influxdb`), or set LAB_INFLUXDB_URL.")
    port, backup = instance.ports
    text = (CONF / "influxdb.conf").read_text(encoding="utf-8")
    text = text.replace("[http]\n", f'[http]\n  bind-address = "{LOOPBACK}:{port}"\n')
    text = text.replace("[data]\n", '[data]\n  dir = "data/data"\n  wal-dir = "data/wal"\n')
    text = f'bind-address = "{LOOPBACK}:{backup}"\n{text}\n[meta]\n  dir = "data/meta"\n'
    (instance.folder / "influxdb.conf").write_text(text, encoding="utf-8")
    return [program, "-config", "influxdb.conf"]


def _probe(endpoint: InfluxEndpoint, timeout: float) -> str:
    return http.probe(f"{endpoint.url}/ping", endpoint.conf, timeout)


def _query(endpoint: InfluxEndpoint, path: str, parameters: Mapping[str, str], method: str = "GET") -> list[str]:
    """Return the last value of each row of the answer.

    Raises:
        OSError: InfluxDB did not answer, or with an error.
    """
    url = f"{endpoint.url}{path}?{urlencode({'db': endpoint.database, **parameters})}"
    text = http.request(url, endpoint.conf, method=method, timeout=_TIMEOUT) or b"{}"
    (result,) = json.loads(text).get("results") or [{}]
    if "error" in result:  # with status 200
        raise OSError(result["error"])
    return [row[-1] for series in result.get("series", []) for row in series["values"]]


def _reset(endpoint: InfluxEndpoint, names: Names) -> Counter[str]:
    """Drop measurements with all their points."""
    try:
        # In a row of SHOW MEASUREMENTS the name is the last value: InfluxDB 3 puts the database before it.
        every = _query(endpoint, "/query", {"q": "SHOW MEASUREMENTS"})
    except (OSError, ValueError):  # no such database, or a token that may not look: lessons made nothing here
        return Counter()
    measurements = [name for name in every if names.owned(name)]
    for name in measurements:
        try:
            _query(endpoint, "/query", {"q": f'DROP MEASUREMENT "{name}"'}, "POST")
        except OSError:  # InfluxDB 3 has another API for it
            try:
                _query(endpoint, "/api/v3/configure/table", {"table": name}, "DELETE")
            except OSError as error:
                raise LabError(f"InfluxDB did not drop {name}: {error}.") from error
    return Counter(measurements=len(measurements))


INFLUXDB = Service(
    name="influxdb",
    title="InfluxDB",
    ports=(8086, 8088),
    shared_port=8087,
    required=False,
    proxied=True,
    variables=("URL", "USERNAME", "PASSWORD", "TOKEN", "DATABASE", "CA", "PROVIDER"),
    native=Program(name="influxd", title="InfluxDB", command=_command),
    local=lambda port, provider: InfluxEndpoint(url=f"http://{LOOPBACK}:{port}", provider=provider),
    external=_external,
    shared=lambda host, port: {"URL": f"https://{host}:{port}"},
    probe=_probe,
    smoke_test=lambda _endpoint, _name: "answers",  # a learner's login may not write
    reset=_reset,
)
