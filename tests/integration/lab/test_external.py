"""External services with TLS and passwords work as well, and the passwords are not shown."""

from __future__ import annotations

import base64
import getpass
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from helpers import lab
from helpers.lab import doctor
from helpers.lab.progress import Reporter
from helpers.lab.runtime import ports, processes
from helpers.lab.runtime.program import on_path

USER, PASSWORD = "ana", "open sesame"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def mqtt(authority: trustme.CA, ca: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Mosquitto that wants TLS and a password."""
    if not on_path("mosquitto_passwd") or not on_path("mosquitto"):
        pytest.skip("Mosquitto is not installed")
    folder = tmp_path_factory.mktemp("mosquitto")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    subprocess.run([on_path("mosquitto_passwd"), "-c", "-b", folder / "users", USER, PASSWORD], check=True)
    port = ports.any_free()
    conf = folder / "mosquitto.conf"
    conf.write_text(
        f"user {getpass.getuser()}\nlistener {port} 127.0.0.1\nallow_anonymous false\npassword_file {folder}/users\n"
        f"certfile {folder}/cert.pem\nkeyfile {folder}/key.pem\n"
    )
    broker = processes.start([on_path("mosquitto"), "-c", str(conf)], log=folder / "log.txt", folder=folder)
    while ports.is_free(port):
        assert broker.alive(), processes.tail(folder / "log.txt")
        time.sleep(0.05)
    yield {
        "LAB_MQTT_HOST": "127.0.0.1",
        "LAB_MQTT_PORT": str(port),
        "LAB_MQTT_CA": ca,
        "LAB_MQTT_USERNAME": USER,
        "LAB_MQTT_PASSWORD": PASSWORD,
    }
    broker.kill()


@pytest.fixture(scope="module")
def kafkas(
    authority: trustme.CA, ca: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, dict[str, str]]]:
    """A Kafka with a listener for SASL PLAIN without TLS, and one for SASL SCRAM with TLS."""
    certificate = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    pem = tmp_path_factory.mktemp("kafka") / "server.pem"
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(pkcs8 + b"".join(each.bytes() for each in certificate.cert_chain_pems))
    main, controller, plain, scram = (ports.any_free() for _ in range(4))
    names = {"PLAINTEXT": main, "PLAIN": plain, "SCRAM": scram}
    addresses = ",".join(f"{name}://127.0.0.1:{port}" for name, port in names.items())
    login = "org.apache.kafka.common.security"
    broker = lab.scratch(
        "kafka",
        **{
            "listeners": f"{addresses},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": addresses,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
            "PLAIN:SASL_PLAINTEXT,SCRAM:SASL_SSL",
            "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256",
            "listener.name.plain.plain.sasl.jaas.config": f"{login}.plain.PlainLoginModule required "
            f'user_{USER}="{PASSWORD}";',
            "listener.name.scram.scram-sha-256.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": pem,
        },
    )
    chosen = iter((main, controller))
    original = ports.any_free
    try:
        ports.any_free = lambda: next(chosen)
        broker.start()
    finally:
        ports.any_free = original
    upsertion = UserScramCredentialUpsertion(
        USER, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), PASSWORD.encode()
    )
    admin = AdminClient({**broker.kafka})  # kept: without it the answer would not be waited for
    admin.alter_user_scram_credentials([upsertion])[USER].result(20)
    shared = {"LAB_KAFKA_USERNAME": USER, "LAB_KAFKA_PASSWORD": PASSWORD}
    yield {
        "PLAIN": {**shared, "LAB_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{plain}"},
        "SCRAM": {
            **shared,
            "LAB_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{scram}",
            "LAB_KAFKA_SASL": "SCRAM-SHA-256",
            "LAB_KAFKA_CA": ca,
        },
    }
    broker.close()


@pytest.fixture(scope="module")
def registry() -> Iterator[dict[str, str]]:
    """A registry behind a proxy that asks for a name and a password."""
    wanted = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
    with lab.scratch("registry") as broker:
        behind = broker.registry["url"].removesuffix("/apis/ccompat/v7")

        class Proxy(BaseHTTPRequestHandler):
            def _pass_on(self) -> None:
                if self.headers.get("Authorization") != wanted:
                    self.send_error(401)
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = urllib.request.Request(behind + self.path, body or None, method=self.command)  # noqa: S310
                request.add_header("Content-Type", self.headers.get("Content-Type", "application/json"))
                try:
                    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                        status, text = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    status, text = error.code, error.read()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield {
                "LAB_REGISTRY_URL": f"http://127.0.0.1:{server.server_port}/apis/ccompat/v7",
                "LAB_REGISTRY_USERNAME": USER,
                "LAB_REGISTRY_PASSWORD": PASSWORD,
            }
            server.shutdown()


@pytest.fixture
def external_env(
    own_env: dict[str, str], mqtt: dict[str, str], kafkas: dict[str, dict[str, str]], registry: dict[str, str]
) -> Callable[[str], dict[str, str]]:
    return lambda mechanism: own_env | mqtt | kafkas[mechanism] | registry | {"LAB_NAMESPACE": "ana"}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM"])
def test_the_doctor_passes_external_services(external_env: Any, mechanism: str) -> None:
    report = doctor.examine(lab.Settings.from_environment(external_env(mechanism)), report=Reporter())
    assert report.passed, report


def test_a_lesson_runs_on_external_services_and_nothing_is_started(
    external_env: Any, command: Callable[..., Any], own: lab.Settings
) -> None:
    env = external_env("SCRAM")
    answer = command(env, "run", "00")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    status = command(env, "status")
    assert "given by LAB_* variables" in status.stdout
    for text in (answer.stdout, answer.stderr, status.stdout):
        assert PASSWORD not in text
    assert not (own.home / "kafka").exists()
    assert "topic" in command(env, "reset", "--lesson", "00").stdout


@pytest.mark.parametrize(
    ("variable", "service"),
    [
        ("LAB_MQTT_PASSWORD", "MQTT broker"),
        ("LAB_KAFKA_PASSWORD", "Kafka"),
        ("LAB_REGISTRY_PASSWORD", "Schema registry"),
    ],
)
def test_a_wrong_password_is_named_with_its_service(
    external_env: Any, command: Callable[..., Any], variable: str, service: str
) -> None:
    answer = command(external_env("PLAIN") | {variable: "wrong word"}, "reset")
    assert answer.returncode == 1
    assert service in answer.stderr
    assert "wrong word" not in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_certificate_of_an_unknown_authority_is_refused(
    external_env: Any, command: Callable[..., Any], tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    answer = command(external_env("PLAIN") | {"LAB_MQTT_CA": str(stranger)}, "reset")
    assert answer.returncode == 1
    assert "certificate" in answer.stderr.lower()
