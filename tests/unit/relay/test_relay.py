"""The relay passes on, holds back and cuts; the packets it names are those that crossed it."""

from __future__ import annotations

import contextlib
import gc
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, strategies as st

from helpers.errors import LessonError
from helpers.lab.runtime import ports
from helpers.relay import Relay
from helpers.relay.packets import PacketReader

WITHIN = 10.0


def packet(first: int, body: bytes) -> bytes:
    """An MQTT control packet; the remaining length may need two bytes."""
    low, high = len(body) & 0x7F, len(body) >> 7
    return bytes([first, *([low | 0x80, high] if high else [low])]) + body


def text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


CONNECT_5 = packet(0x10, text("MQTT") + bytes([5, 2, 0, 60, 5, 0x11, 0, 0, 0, 60]) + text("meter"))
CONNECT_311 = packet(0x10, text("MQTT") + bytes([4, 2, 0, 60]) + text("old-meter"))
CONNACK = packet(0x20, bytes([0, 0, 0]))
PUBLISH_0 = packet(0x30, text("a/b") + b"\x00hello")
PUBLISH_1_DUP = packet(0x3B, text("a/b") + b"\x01\x02" + b"\x00" + b"x" * 300)
PUBACK = packet(0x40, b"\x01\x02")
PINGREQ = packet(0xC0, b"")
STREAM = [CONNECT_5, CONNACK, PUBLISH_0, PUBLISH_1_DUP, PUBACK, PINGREQ]


def test_packets_are_named_with_their_ids_and_flags() -> None:
    read = list(PacketReader(True).feed(b"".join(STREAM)))
    assert [each.kind for each in read] == ["CONNECT", "CONNACK", "PUBLISH", "PUBLISH", "PUBACK", "PINGREQ"]
    assert [each.size for each in read] == [len(each) for each in STREAM]
    assert read[0].client == "meter"
    assert (read[2].topic, read[2].qos, read[2].packet_id, read[2].dup) == ("a/b", 0, None, False)
    assert (read[3].qos, read[3].packet_id, read[3].dup) == (1, 0x0102, True)
    assert read[3].label == "PUBLISH QoS 1 · id 258 · DUP"
    assert read[4].packet_id == 0x0102


def test_the_client_id_of_mqtt_3_is_found_too() -> None:
    (read,) = PacketReader(True).feed(CONNECT_311)
    assert read.client == "old-meter"


@given(cuts=st.lists(st.integers(0, sum(map(len, STREAM)))))
def test_bytes_may_come_in_any_portions(cuts: list[int]) -> None:
    whole = b"".join(STREAM)
    places = [0, *sorted(cuts), len(whole)]
    reader = PacketReader(True)
    portions = [whole[begin:end] for begin, end in itertools.pairwise(places)]
    assert [each for portion in portions for each in reader.feed(portion)] == list(PacketReader(True).feed(whole))


NOT_MQTT = [
    b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x5a" * 20,  # how TLS begins
    b"\x30\xff\xff\xff\xff\x7f",  # a length of five bytes
    b"\x00\x00",  # kind 0 is reserved
    packet(0x10, b"\x00"),  # a CONNECT without its fields
    packet(0x10, text("MQTT") + bytes([5, 2, 0, 60, 0xFF, 0xFF, 0xFF, 0xFF])),
]


@pytest.mark.parametrize("data", NOT_MQTT)
def test_reading_stops_at_bytes_that_are_not_mqtt(data: bytes) -> None:
    reader = PacketReader(True)
    assert [each.kind for each in reader.feed(CONNECT_5 + data)] == ["CONNECT"]
    assert list(reader.feed(PINGREQ)) == []


@given(data=st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail(data: bytes) -> None:
    list(PacketReader(True).feed(data))


class Broker:
    """The far side: keeps what it reads, and sends what it is told to."""

    def __init__(self) -> None:
        self.read = bytearray()
        self.ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        try:
            while data := connection.recv(65536):
                self.read += data
        except OSError:
            pass
        self.ended.set()

    def close(self) -> None:
        self._listener.close()
        for each in self.connections:
            each.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made
    made.close()


@pytest.fixture
def relay(broker: Broker) -> Iterator[Relay]:
    with Relay("127.0.0.1", broker.port) as made:
        yield made


@pytest.fixture
def client(relay: Relay, broker: Broker) -> Iterator[socket.socket]:
    with socket.create_connection((relay.host, relay.port), timeout=WITHIN) as made:
        made.sendall(CONNECT_5)
        wait_for(lambda: broker.read == CONNECT_5)
        yield made


def test_bytes_pass_both_ways_and_are_noted(relay: Relay, broker: Broker, client: socket.socket) -> None:
    broker.connections[0].sendall(CONNACK)
    assert client.recv(100) == CONNACK
    client.sendall(PUBLISH_1_DUP)
    wait_for(lambda: broker.read.endswith(PUBLISH_1_DUP))
    seen = [(each.client, each.kind, each.to_broker) for each in relay.packets()]
    assert seen == [("meter", "CONNECT", True), ("meter", "CONNACK", False), ("meter", "PUBLISH", True)]
    assert relay.count() == {"CONNECT": 1, "CONNACK": 1, "PUBLISH": 1}
    assert relay.packets(since=relay.now) == []


def test_a_frozen_line_holds_bytes_back_and_a_thaw_lets_them_go_on_in_order(
    relay: Relay, broker: Broker, client: socket.socket
) -> None:
    relay.freeze()
    client.sendall(PUBLISH_0)
    client.sendall(PINGREQ)
    wait_for(lambda: relay.count()["PINGREQ"] == 1)
    assert broker.read == CONNECT_5
    relay.thaw()
    client.sendall(PUBACK)
    wait_for(lambda: broker.read == CONNECT_5 + PUBLISH_0 + PINGREQ + PUBACK)
    assert not any(each.lost for each in relay.packets())


def test_one_direction_can_be_frozen_alone(relay: Relay, broker: Broker, client: socket.socket) -> None:
    relay.freeze(to_broker=False)
    client.sendall(PUBLISH_0)
    wait_for(lambda: broker.read.endswith(PUBLISH_0))
    broker.connections[0].sendall(CONNACK)
    wait_for(lambda: relay.count()["CONNACK"] == 1)
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(100)


def test_a_frozen_line_does_not_tell_that_one_side_closed(relay: Relay, broker: Broker, client: socket.socket) -> None:
    relay.freeze()
    client.close()
    assert not broker.ended.wait(0.3)
    relay.thaw()
    assert broker.ended.wait(WITHIN)


@pytest.mark.parametrize("data", NOT_MQTT)
def test_bytes_that_are_not_mqtt_pass_unchanged(relay: Relay, broker: Broker, data: bytes) -> None:
    with socket.create_connection((relay.host, relay.port), timeout=WITHIN) as client:
        client.sendall(data)
        wait_for(lambda: broker.read == data)
        broker.connections[0].sendall(data)
        assert client.recv(1000) == data
        client.sendall(data)
        wait_for(lambda: broker.read == data + data)


def test_a_relay_for_other_protocols_records_nothing(broker: Broker) -> None:
    with (
        Relay("127.0.0.1", broker.port, parse=False) as relay,
        socket.create_connection((relay.host, relay.port), timeout=WITHIN) as client,
    ):
        with relay.frozen():
            client.sendall(CONNECT_5)
            time.sleep(0.1)  # long enough to arrive, were it not held back
            assert broker.read == b""
        wait_for(lambda: broker.read == CONNECT_5)
        assert relay.packets() == []


def test_frozen_thaws_after_an_error_too(relay: Relay, broker: Broker, client: socket.socket) -> None:
    def interrupted() -> None:
        with relay.frozen():
            client.sendall(PUBLISH_0)
            wait_for(lambda: relay.count()["PUBLISH"] == 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    wait_for(lambda: broker.read == CONNECT_5 + PUBLISH_0)


def test_frozen_may_end_after_the_relay_was_closed(relay: Relay) -> None:
    with relay.frozen():
        relay.close()


def test_a_thaw_after_one_side_has_ended_leaves_the_other_side_open(
    relay: Relay, broker: Broker, client: socket.socket
) -> None:
    client.shutdown(socket.SHUT_WR)
    assert broker.ended.wait(WITHIN)
    with relay.frozen():
        broker.connections[0].sendall(PUBACK)
        wait_for(lambda: relay.count()["PUBACK"] == 1)
    assert client.recv(100) == PUBACK


def test_a_cut_ends_both_sides_and_loses_what_was_held_back(
    relay: Relay, broker: Broker, client: socket.socket
) -> None:
    relay.freeze()
    client.sendall(PUBLISH_0)
    wait_for(lambda: relay.count()["PUBLISH"] == 1)
    relay.cut()
    assert broker.ended.wait(WITHIN)
    with contextlib.suppress(ConnectionError):  # a reset says the same
        assert client.recv(100) == b""
    assert [each.lost for each in relay.packets()] == [False, True]
    assert relay.packets()[-1].label == "PUBLISH QoS 0 · lost"
    assert broker.read == CONNECT_5


@pytest.mark.usefixtures("client")
def test_after_a_cut_new_connections_may_come(relay: Relay, broker: Broker) -> None:
    relay.cut()
    with socket.create_connection((relay.host, relay.port), timeout=WITHIN) as again:
        again.sendall(CONNECT_5)
        wait_for(lambda: broker.read == CONNECT_5 + CONNECT_5)


def test_one_side_may_stop_sending_and_still_read_to_the_end(broker: Broker, client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)
    assert broker.ended.wait(WITHIN)
    broker.connections[0].sendall(PUBACK)
    assert client.recv(100) == PUBACK


def test_a_broker_that_is_not_there_looks_like_a_connection_that_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with (
        Relay("127.0.0.1", port) as relay,
        socket.create_connection((relay.host, relay.port), timeout=WITHIN) as client,
        contextlib.suppress(ConnectionError),
    ):
        assert client.recv(100) == b""


def test_a_relay_runs_once_at_a_time_and_again_after_it_was_closed(broker: Broker) -> None:
    relay = Relay("127.0.0.1", broker.port)
    with pytest.raises(LessonError, match="not running"):
        relay.cut()
    with relay:
        relay.freeze()
        with pytest.raises(LessonError, match="already running"):
            relay.start()
    relay.close()
    with relay, socket.create_connection((relay.host, relay.port), timeout=WITHIN) as client:
        client.sendall(PINGREQ)
        wait_for(lambda: broker.read == PINGREQ)


def test_a_relay_listens_on_a_port_that_is_known_before_it_starts(broker: Broker) -> None:
    port = ports.any_free()
    relay = Relay("127.0.0.1", broker.port, listen=port)
    assert relay.port == port
    for _time in range(2):
        with relay:
            socket.create_connection(("127.0.0.1", port), WITHIN).close()


def test_a_relay_whose_port_is_taken_says_so_and_starts_when_it_is_free(broker: Broker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        relay = Relay("127.0.0.1", broker.port, listen=other.getsockname()[1])
        for _time in range(2):
            with pytest.raises(LessonError, match=f"port {relay.port}"):
                relay.start()
        assert not [each for each in threading.enumerate() if each.name == "relay"]
        relay.close()
    with relay:
        socket.create_connection((relay.host, relay.port), WITHIN).close()


def test_a_relay_that_closes_while_connections_open_leaves_nothing_behind(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    for _time in range(100):
        with Relay("127.0.0.1", broker.port) as relay:
            for _connection in range(3):
                socket.create_connection((relay.host, relay.port), WITHIN).close()
    gc.collect()  # asyncio logs a pending task when it is destroyed
    assert caplog.text == ""
