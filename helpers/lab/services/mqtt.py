"""The MQTT broker: Eclipse Mosquitto, Apache Artemis, or an external broker."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from helpers.lab.errors import LabError
from helpers.lab.runtime.ports import LOOPBACK
from helpers.lab.runtime.program import Instance, Program, installed, jars, jvm, log4j
from helpers.lab.services.base import Endpoint, Names, Service
from helpers.lab.services.variables import Variables

_TIMEOUT = 15.0
# Retained messages follow the SUBACK without an end mark: when none came for this long (seconds), that was all.
_QUIET = 0.3
_PORT, _TLS_PORT = 1883, 8883
_REMEDY = "Install it (Debian: `apt install mosquitto`), or set LAB_MQTT_PROVIDER=embedded: the lab brings a broker."


@dataclass(frozen=True, kw_only=True)
class MqttEndpoint(Endpoint):
    """An MQTT broker's address. ``tls`` is None, or the keyword arguments of paho's ``client.tls_set``."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: dict[str, Any] | None = None

    @property
    def address(self) -> str:
        """The broker's address as people write it."""
        return f"{'mqtts' if self.tls is not None else 'mqtt'}://{self.host}:{self.port}"


def client(endpoint: MqttEndpoint, client_id: str = "", *, subscribe: Sequence[tuple[str, int]] = ()) -> paho.Client:
    """Make an MQTT 5 client with the endpoint's password and TLS, and a client id of its own, if none is given.

    Each time it connects it subscribes to the topic filters, which go with their QoS.
    """
    # A client without an id gets one from the broker; but Artemis refuses it when it connects again.
    made = paho.Client(CallbackAPIVersion.VERSION2, client_id or f"lab-{time.time_ns()}", protocol=paho.MQTTv5)
    if endpoint.username is not None:
        made.username_pw_set(endpoint.username, endpoint.password)
    if endpoint.tls is not None:
        made.tls_set(**endpoint.tls)

    def on_connect(connecting: paho.Client, *_: object) -> None:
        if subscribe:
            connecting.subscribe(list(subscribe))

    made.on_connect = on_connect
    return made


@contextmanager
def connected(made: paho.Client, endpoint: MqttEndpoint, **options: Any) -> Iterator[None]:  # noqa: ANN401  paho's
    """Connect with paho's ``connect`` options and run the network loop; disconnect and end it afterwards."""
    made.connect(endpoint.host, endpoint.port, keepalive=30, **options)
    made.loop_start()
    try:
        yield
    finally:
        made.disconnect()
        made.loop_stop()


def _external(variables: Variables) -> MqttEndpoint:
    tls, ca = variables.tls()
    user, password = variables.login() or (None, None)
    return MqttEndpoint(
        host=variables["HOST"],
        port=variables.port(_TLS_PORT if tls else _PORT),
        provider="given",
        username=user,
        password=password,
        tls=({"ca_certs": ca} if ca else {}) if tls else None,
    )


def _mosquitto(instance: Instance) -> list[str]:
    program = installed("mosquitto", _REMEDY)
    (instance.folder / "data").mkdir(exist_ok=True)
    # As root, Mosquitto drops to user `mosquitto`, which cannot write here. Ignored for other users.
    lines = {"persistence_location": "data/", "user": "root"}
    users = instance.folder / "users.txt"
    if listener := instance.listener:
        users.write_text(f"{listener.user}:{listener.password}\n", encoding="utf-8")
    else:
        lines = {"listener": f"{instance.ports[0]} {LOOPBACK}"} | lines
    if users.exists():
        hasher = [installed("mosquitto_passwd", _REMEDY), "-U", users.name]
        subprocess.run(hasher, cwd=instance.folder, check=True, timeout=20, capture_output=True)
    shared = instance.shared("mosquitto.conf")
    return [program, "-c", instance.write("mosquitto.conf", lines, between=" ", first=shared)]


def _artemis(instance: Instance) -> list[str]:
    (instance.folder / "etc").mkdir(exist_ok=True)
    port = {"acceptorConfigurations.mqtt.params.port": instance.ports[0]}
    instance.write("artemis.properties", port, name="etc/broker.properties")
    flags = []
    if instance.listener:
        for name in ("users.properties", "roles.properties", "login.config"):
            (instance.folder / name).write_text(instance.shared(name), encoding="utf-8")
        flags = ["-Djava.security.auth.login.config=login.config"]
    main = "org.apache.activemq.artemis.core.server.embedded.Main"
    return [*jvm("-Xmx256m", log4j(), *flags), "-cp", jars("artemis", instance.cache), main, "."]


def _probe(endpoint: MqttEndpoint, timeout: float) -> str:
    answers: list[Any] = []
    asking = client(endpoint)
    asking.connect_timeout = timeout
    asking.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(reason)
    deadline = time.monotonic() + timeout
    asking.connect(endpoint.host, endpoint.port)
    while not answers and time.monotonic() < deadline and asking.loop(timeout=0.1) == 0:
        pass
    asking.disconnect()
    if not answers:
        return "no CONNACK"
    return f"refused: {answers[0]}" if answers[0].is_failure else ""


def _smoke_test(endpoint: MqttEndpoint, name: str) -> str:
    """Publish one message at QoS 1 and receive it."""
    arrived: queue.Queue[bytes | bytearray] = queue.Queue()
    granted = threading.Event()
    echo = client(endpoint, name, subscribe=[(f"{name}/#", 1)])
    echo.on_subscribe = lambda *_: granted.set()
    echo.on_message = lambda _c, _d, message: arrived.put(message.payload)
    with connected(echo, endpoint):
        granted.wait(_TIMEOUT)
        echo.publish(f"{name}/ping", b"hello", qos=1)
        try:
            payload = arrived.get(timeout=_TIMEOUT)
        except queue.Empty:
            raise LabError("A message published to the MQTT broker did not come back.") from None
    if payload != b"hello":
        raise LabError(f"The MQTT broker delivered {payload!r} instead of b'hello'.")
    return "published and received"


def _reset(endpoint: MqttEndpoint, names: Names) -> Counter[str]:
    """End sessions and clear retained messages."""
    ended = sum(_end_session(endpoint, client_id) for client_id in names.sessions)
    return Counter({"sessions": ended, "retained messages": _clear_retained(endpoint, names)})


def _end_session(endpoint: MqttEndpoint, client_id: str) -> bool:
    """Connect under the client id, so that the session ends with this connection. Return whether there was one."""
    answers: queue.Queue[bool] = queue.Queue()
    ending = client(endpoint, client_id)
    ending.on_connect = lambda _c, _d, flags, *_: answers.put(flags.session_present)
    at_once = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    at_once.SessionExpiryInterval = 0
    with connected(ending, endpoint, clean_start=False, properties=at_once), contextlib.suppress(queue.Empty):
        return answers.get(timeout=_TIMEOUT)
    return False


def _clear_retained(endpoint: MqttEndpoint, names: Names) -> int:
    """Clear the owned retained messages under the topic filters. Return how many."""
    found: set[str] = set()
    # The times of SUBACK and messages; empty until the subscription is granted.
    arrivals: list[float] = []

    def on_message(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        arrivals.append(time.monotonic())
        if message.retain and message.payload and names.owned(message.topic):
            found.add(message.topic)

    clearing = client(endpoint, subscribe=[(each, 0) for each in names.filters])
    clearing.on_message = on_message
    clearing.on_subscribe = lambda *_: arrivals.append(time.monotonic())
    with connected(clearing, endpoint):
        deadline = time.monotonic() + _TIMEOUT
        while not arrivals or time.monotonic() - arrivals[-1] < _QUIET:
            if not arrivals and time.monotonic() > deadline:
                raise LabError("The MQTT broker did not grant the reset's subscription.")
            time.sleep(0.02)
        for sent in [clearing.publish(topic, b"", qos=1, retain=True) for topic in found]:
            sent.wait_for_publish(_TIMEOUT)
            if not sent.is_published():
                raise LabError("The MQTT broker did not acknowledge clearing a retained message.")
    return len(found)


MQTT = Service(
    name="mqtt",
    title="MQTT broker",
    ports=(_PORT,),
    shared_port=_TLS_PORT,
    variables=("HOST", "PORT", "USERNAME", "PASSWORD", "TLS", "CA", "PROVIDER"),
    native=Program(name="mosquitto", title="Eclipse Mosquitto", command=_mosquitto),
    embedded=Program(name="artemis", title="Apache Artemis", command=_artemis, artifacts="artemis"),
    local=lambda port, provider: MqttEndpoint(host=LOOPBACK, port=port, provider=provider),
    external=_external,
    shared=lambda host, port: {"HOST": host, "PORT": str(port)},
    probe=_probe,
    smoke_test=_smoke_test,
    reset=_reset,
)
