"""Real clients, a real Kafka: what is acknowledged is stored, whatever happens to either side."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mqtt5
import paho.mqtt.client as mqtt
import psutil
import pytest
import trustme
from mqtt5 import DisconnectReasonCode
from paho.mqtt.reasoncodes import ReasonCode

from helpers.lab.runtime.program import on_path
from helpers.proxy import BridgeError, Server
from tests.integration.proxy.support import Bench, Raw, publish, serving
from tests.waiting import wait_until

CONNECTIONS = 1_000
AWAY = 150.0  # seconds
ANA = (
    "ana:$7$101$VnA/aUxvO9TZfDO9$"
    "SrTfqXq4jL5+RjGeNw9bKfxdNWMtE/d8N/hEzoNMyi3Xk6oJgrmFH2JscKoviErD+v+u8t++RV5n9wdHf4CVTQ=="  # secret
)


@contextmanager
def paho(server: Server, client_id: str, protocol: int = mqtt.MQTTv5, **options: Any) -> Iterator[mqtt.Client]:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=protocol)
    if tls := options.pop("tls", None):
        client.tls_set(**tls)
    if user := options.pop("user", None):
        client.username_pw_set(user, "secret")
    for name, value in options.items():
        setattr(client, name, value)
    client.connect("localhost" if tls else server.config.host, server.port, keepalive=2)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def mosquitto_pub(server: Server, version: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if not on_path("mosquitto_pub"):
        pytest.skip("mosquitto_pub is not installed")
    command = ["mosquitto_pub", "-h", server.config.host, "-p", str(server.port), "-V", version, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.parametrize("version", ["mqttv5", "mqttv311"])
def test_what_mosquitto_pub_publishes_is_stored(bench: Bench, version: str) -> None:
    with serving(bench.proxy_config()) as server:
        for qos in "012":
            done = mosquitto_pub(server, version, "-q", qos, "-r", "-t", bench.readings(f"G-{qos}"), "-m", "{}")
            assert ("not supported" in done.stderr) is ((version, qos) == ("mqttv5", "2")), done.stderr
    ledger = server.snapshot()
    stored = {record.key(): dict(record.headers()) for record in bench.found()}
    assert set(stored) == {b"G-0", b"G-1"} | ({b"G-2"} if version == "mqttv311" else set())
    assert all(headers["mqtt.retain"] == b"1" for headers in stored.values())
    assert ledger.counts.produced == len(stored)
    assert ledger.counts.dropped_qos0 == 0


@pytest.mark.parametrize(("protocol", "qos"), [(mqtt.MQTTv5, 1), (mqtt.MQTTv311, 1), (mqtt.MQTTv311, 2)])
def test_what_paho_publishes_is_stored_in_order_and_poison_is_a_dead_letter(
    bench: Bench, protocol: int, qos: int
) -> None:
    with serving(bench.proxy_config(serializer="json")) as server, paho(server, "G-1", protocol) as client:
        sent = [client.publish(bench.readings("G-1"), str(number), qos=qos) for number in range(500)]
        sent += [client.publish(bench.readings("G-1"), "{poison", qos=qos), client.publish("elsewhere", "{}", qos=qos)]
        for each in sent:
            each.wait_for_publish(90)
            assert each.is_published()
    assert [int(record.value()) for record in bench.found()] == [*range(500)]
    assert {record.value() for record in bench.found(bench.dead)} == {b"{poison", b"{}"}


@pytest.mark.parametrize("protocol", [mqtt.MQTTv5, mqtt.MQTTv311])
def test_subscribe_and_unsubscribe_are_refused(bench: Bench, protocol: int) -> None:
    refused: list[ReasonCode] = []
    unsubscribed: list[list[ReasonCode]] = []
    callbacks = {
        "on_subscribe": lambda _c, _d, _m, codes, _p: refused.extend(codes),
        "on_unsubscribe": lambda _c, _d, _m, codes, _p: unsubscribed.append(codes),
    }
    with serving(bench.proxy_config()) as server, paho(server, "G-1", protocol, **callbacks) as client:
        wait_until(client.is_connected, "CONNACK comes")
        client.subscribe("a/#")
        client.unsubscribe("a/#")
        wait_until(lambda: refused and unsubscribed, "SUBACK and UNSUBACK come")
    assert refused[0].is_failure
    assert [str(code) for code in unsubscribed[0]] == (["No subscription found"] if protocol == mqtt.MQTTv5 else []), (
        "3.1.1 has no codes for it"
    )
    assert server.snapshot().counts.broken == 0


def away(bench: Bench, how: str) -> None:
    bench.kafka.stop() if how == "killed" else bench.kafka.freeze()


def back(bench: Bench, how: str) -> None:
    bench.kafka.start() if how == "killed" else bench.kafka.thaw()


@pytest.mark.parametrize("how", ["frozen", "killed"])
def test_kafka_away_no_puback_and_all_of_them_afterwards(bench: Bench, how: str) -> None:
    with serving(bench.proxy_config(stall_after=1)) as server:
        devices, watched = bench.devices_at(server), Raw(server, "watched", keep_alive=60)
        devices.publish(100)
        devices.settle()
        away(bench, how)
        devices.publish(1000)
        watched.send(publish(bench.readings("watched"), user_properties=[("seq", "0")]))
        assert watched.silent(3.0), "no PUBACK without Kafka"
        watched.send(b"\xc0\x00")
        assert isinstance(watched.packet(), mqtt5.PingRespPacket), "and the connection is up"
        wait_until(lambda: server.snapshot().stalled, "the proxy says that it waits")
        assert server.snapshot().counts.acked <= 100
        back(bench, how)
        assert isinstance(watched.packet(), mqtt5.PubAckPacket)
        devices.settle()
        devices.close()
        watched.close()
    result = bench.result(devices)
    assert (result.missing, result.duplicates, result.out_of_order) == ([], 0, [])
    assert server.snapshot().counts.broken == 0


@pytest.mark.weekly
@pytest.mark.timeout(900)  # Kafka is away for most of it
def test_kafka_away_for_minutes_no_puback_and_all_of_them_afterwards(bench: Bench) -> None:
    def megabytes() -> float:
        return psutil.Process().memory_info().rss / 1e6

    numbers = [*range(1, 101)]
    with serving(bench.proxy_config(receive_maximum=len(numbers))) as server:
        clients = {f"G-{number}": Raw(server, f"G-{number}", keep_alive=30) for number in range(50)}
        bench.kafka.stop()
        for name, client in clients.items():
            client.send(*(publish(bench.readings(name), number) for number in numbers))
        wait_until(lambda: server.counts.received == len(clients) * len(numbers), "the proxy has all of them")
        before, held, ends = megabytes(), server.snapshot().held, time.monotonic() + AWAY
        while time.monotonic() < ends:
            for client in clients.values():
                client.send(b"\xc0\x00")
                assert isinstance(client.packet(), mqtt5.PingRespPacket), "no PUBACK, and the connection is up"
            time.sleep(2)
        assert (server.snapshot().held, server.counts.acked) == (held, 0)
        assert megabytes() < before + 50
        bench.kafka.start()
        for client in clients.values():
            assert [client.packet().packet_id for _ in numbers] == numbers
            client.close()
    assert server.counts.broken == 0
    assert len(bench.found()) == len(clients) * len(numbers)


def test_held_bytes_are_bounded_while_kafka_is_frozen(bench: Bench) -> None:
    budget = 200_000
    with serving(bench.proxy_config(byte_budget=budget)) as server:
        clients = [Raw(server, f"G-{number}") for number in range(5)]
        bench.kafka.freeze()
        for client in clients:
            client.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while server.snapshot().held < 10 * budget:  # nothing stops it but a full socket
                    client.send(publish(bench.readings("G"), 1, b"x" * 1000))
        held = server.snapshot().held
        bench.kafka.thaw()
        for client in clients:
            client.close()
        # What one read brings comes on top: a quarter of a megabyte of bytes, and what they cost in memory.
        assert budget <= held < budget + 2 * 262_144
    assert server.snapshot().held == 0


def test_a_client_that_dies_leaves_its_will_and_one_that_leaves_does_not(bench: Bench) -> None:
    def wills() -> list[bytes]:
        return [record.value() for record in bench.found() if record.value().startswith(b"gone")]

    def will(name: str, delay: int = 0) -> dict[str, Any]:
        last = mqtt5.Will(bench.readings("G"), payload=f"gone {name}".encode(), will_delay_interval=delay)
        return {"will": last, "session_expiry_interval": 60 if delay else 0}

    with serving(bench.proxy_config()) as server:
        Raw(server, "dies", **will("dead")).close()
        leaves = Raw(server, "leaves", **will("left"))
        leaves.send(mqtt5.DisconnectPacket().write())
        assert leaves.packet() is None
        silent = Raw(server, "silent", keep_alive=1, **will("silent"))
        assert silent.packet().reason_code == DisconnectReasonCode.KEEP_ALIVE_TIMEOUT
        Raw(server, "delayed", **will("delayed", 1)).close()
        Raw(server, "returns", **will("returned", 3)).close()
        wait_until(lambda: server.counts.connections <= 1, "the proxy has seen the ends")
        returned = Raw(server, "returns")
        first = Raw(server, "same", **will("taken over"))
        Raw(server, "same").send(mqtt5.DisconnectPacket().write())
        assert first.packet().reason_code == DisconnectReasonCode.SESSION_TAKEN_OVER
        wait_until(lambda: len(wills()) >= 4, "four wills are stored")
        assert returned.silent(3.0)
        open_at_the_end = Raw(server, "open", **will("open"))
    assert open_at_the_end.packet().reason_code == DisconnectReasonCode.SERVER_SHUTTING_DOWN
    assert sorted(wills()) == [b"gone dead", b"gone delayed", b"gone open", b"gone silent", b"gone taken over"]


def test_users_see_their_own_topics_only(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text(f"{ANA}\n")
    config = bench.proxy_config(users=str(file), allow=(f"{bench.name}/{{user}}/#",))
    with serving(config) as server:
        for version in ("mqttv5", "mqttv311"):
            refused = mosquitto_pub(server, version, "-u", "ana", "-P", "wrong", "-t", bench.readings("ana"), "-m", "1")
            assert refused.returncode != 0
            assert "user name or password" in refused.stderr.lower()
        ana = Raw(server, "G-1", username="ana", password=b"secret")
        ana.send(
            publish(bench.readings("ana"), 1), publish(bench.readings("ben"), 2), publish(bench.readings("ana"), 3)
        )
        codes = [(answer.packet_id, answer.reason_code) for answer in (ana.packet(), ana.packet(), ana.packet())]
        assert codes == list(enumerate(map(mqtt5.PubAckReasonCode, (0, 135, 0)), start=1))
        ana.send(mqtt5.PublishPacket(bench.readings("ben"), b"{}").write())
        assert ana.packet().reason_code == DisconnectReasonCode.NOT_AUTHORIZED, "QoS 0 has no other answer"
        ana.close()
    assert [record.key() for record in bench.found()] == [b"ana", b"ana"]
    assert server.snapshot().counts.denied == 2


def test_tls_and_a_certificate_as_the_user_name(bench: Bench, tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    files = {}
    for name, issuer in (("localhost", authority), ("gen-001", authority), ("stranger", other)):
        certificate = issuer.issue_cert(name, common_name=name)
        files[name] = tmp_path / f"{name}.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(files[name])
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    config = bench.proxy_config(
        certfile=str(files["localhost"]), client_ca=str(trusted), allow=(f"{bench.name}/{{user}}/#",)
    )
    with serving(config) as server:
        tls = {"ca_certs": str(trusted), "certfile": str(files["gen-001"]), "keyfile": str(files["gen-001"])}
        with paho(server, "G-1", tls=tls) as client:
            client.publish(bench.readings("gen-001"), "{}", qos=1).wait_for_publish(90)
        with paho(
            server, "G-2", tls={**tls, "certfile": str(files["stranger"]), "keyfile": str(files["stranger"])}
        ) as c:
            assert not c.is_connected()
    (record,) = bench.found()
    assert record.key() == b"gen-001"
    assert server.snapshot().counts.connects == 1


def test_many_connections(bench: Bench) -> None:
    with serving(bench.proxy_config()) as server:
        clients = [Raw(server, f"G-{number}") for number in range(CONNECTIONS)]
        assert server.counts.connections == CONNECTIONS
        for client in clients:
            client.send(publish(bench.readings("G"), 1), publish(bench.readings("G"), 2))
        for client in clients:
            assert [client.packet().packet_id, client.packet().packet_id] == [1, 2]
        for client in clients:
            client.close()
        wait_until(lambda: server.counts.connections == 0, "all ends are seen")
    assert len(bench.found()) == 2 * CONNECTIONS


@pytest.mark.skipif(sys.platform != "linux", reason="by design: only Linux spreads connections over a shared port")
def test_two_proxies_share_a_port(bench: Bench) -> None:
    with serving(bench.proxy_config(reuse_port=True)) as one:
        with serving(bench.proxy_config(reuse_port=True, port=one.port)) as other:
            clients = [Raw(one, f"G-{number}") for number in range(64)]
            for client in clients:
                client.send(publish(bench.readings("G")))
            for client in clients:
                assert isinstance(client.packet(), mqtt5.PubAckPacket)
                client.close()
        connects = one.counts.connects, other.counts.connects
    assert min(connects) > 0, "each connection goes to either by its own port number"
    assert sum(connects) == 64
    assert len(bench.found()) == 64


def test_hostile_connections_leave_the_others_alone(bench: Bench) -> None:
    with serving(bench.proxy_config(connect_timeout=1)) as server:
        good = Raw(server, "good")
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\x10\xff\xff\xff\xff", b"\x10\x02", b""):
            hostile = Raw(server, None)
            hostile.send(data)
            assert hostile.packet() is None
            hostile.close()
        good.send(publish(bench.readings("G")))
        assert isinstance(good.packet(), mqtt5.PubAckPacket)
        good.close()
    assert server.snapshot().counts.broken == 5


def test_a_port_that_is_taken_is_named(bench: Bench) -> None:
    with serving(bench.proxy_config()) as server, pytest.raises(BridgeError, match="cannot listen"):  # noqa: SIM117
        with serving(bench.proxy_config(port=server.port)):
            pass
    with pytest.raises(BridgeError, match="cannot listen"), serving(bench.proxy_config(port=70_000)):
        pass
