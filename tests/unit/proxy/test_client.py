"""What a connection does with what its client sends, without a network and without Kafka."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import mqtt5
import pytest
from hypothesis import given, strategies as st
from mqtt5 import ConnAckReasonCode, DisconnectReasonCode, QoS

from helpers.proxy import ProxyConfig, Server
from helpers.proxy.client import Client
from helpers.sink import InFlight
from helpers.topics import TopicMapping

KAFKA = {"bootstrap.servers": "127.0.0.1:1"}
ROUTES = (TopicMapping("g/{device}/r", topic="readings", key="{device}"),)


class Transport(asyncio.Transport):
    """Keeps what is written, and whether the connection is read and open."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.open, self.reading = b"", True, True

    def write(self, data: Any) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.open = False

    def abort(self) -> None:
        self.open = False

    close = abort

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Sink:
    """Keeps what it is sent until a test stores it."""

    def __init__(self) -> None:
        self.held, self.outstanding = 0, 0
        self.sent: list[InFlight] = []

    def send(self, message: InFlight) -> None:
        self.held += message.size
        self.sent.append(message)

    @property
    def topics(self) -> list[str]:
        return [message.packet.topic for message in self.sent]


class Place:
    """A server whose clients are connected by calls; time stands still unless a test moves it."""

    def __init__(self, **changes: Any) -> None:
        config = ProxyConfig(kafka=KAFKA, routes=ROUTES, dead_letter_topic="dead", **changes)
        self.server, self.sink = Server(config), Sink()
        self.server.sink = cast("Any", self.sink)
        self.server._loop = cast("Any", self)
        self.server._wake = asyncio.Event()
        self.server.state = "carrying"
        self.clock = 0.0

    def time(self) -> float:
        return self.clock

    def client(self, *data: bytes) -> tuple[Client, Transport]:
        client, transport = Client(self.server), Transport()
        client.connection_made(transport)
        for piece in data:
            client.data_received(piece)
        return client, transport

    def store(self) -> None:
        for message in self.sink.sent:
            message.done = True
        for client in self.server.connections:
            client.acknowledge()


def connect(client_id: str = "G-1", **options: Any) -> bytes:
    return mqtt5.ConnectPacket(client_id, **options).write()


def publish(number: int = 1, topic: str = "g/1/r", qos: QoS = QoS.AT_LEAST_ONCE, **options: Any) -> bytes:
    return mqtt5.PublishPacket(topic, b"x", qos=qos, packet_id=number or None, **options).write()


CONNECT_FOUR = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03G-1"
PUBLISH_FOUR = b"\x34\x0a\x00\x05g/1/r\x00\x07x"


def answers(written: bytes) -> list[Any]:
    found, view = [], memoryview(written)
    while view:
        packet, length = mqtt5.read(view)
        found.append(packet)
        view = view[length:]
    return found


def reason(transport: Transport) -> Any:
    """The code of the DISCONNECT that was sent last."""
    assert not transport.open
    last = answers(transport.written)[-1]
    assert isinstance(last, mqtt5.DisconnectPacket)
    return last.reason_code


def test_pubacks_wait_for_kafka_and_keep_their_order() -> None:
    place = Place()
    client, transport = place.client(connect(), publish(1) + publish(2), publish(3))
    (connack,) = answers(transport.written)
    assert (connack.reason_code, connack.max_qos, connack.session_present) == (
        ConnAckReasonCode.SUCCESS, QoS.AT_LEAST_ONCE, False,
    )  # fmt: skip
    place.sink.sent[1].done = place.sink.sent[2].done = True
    client.acknowledge()
    assert len(answers(transport.written)) == 1, "the first is not stored yet"
    place.store()
    assert [each.packet_id for each in answers(transport.written)[1:]] == [1, 2, 3]
    assert place.server.counts.acked == 3


def test_qos_2_is_refused_in_mqtt_5_and_kept_apart_in_3_1_1() -> None:
    place = Place()
    _, transport = place.client(connect(), publish(1, qos=QoS.EXACTLY_ONCE))
    assert reason(transport) == DisconnectReasonCode.QOS_NOT_SUPPORTED
    client, transport = place.client(CONNECT_FOUR, PUBLISH_FOUR)
    assert transport.written == b"\x20\x02\x00\x00"
    place.store()
    assert transport.written.endswith(b"\x50\x02\x00\x07"), "PUBREC"
    client.data_received(b"\x3c" + PUBLISH_FOUR[1:])
    assert len(place.sink.sent) == 1, "a repeated one is not stored again"
    assert transport.written.endswith(b"\x50\x02\x00\x07" * 2)
    client.data_received(b"\x62\x02\x00\x07")
    assert transport.written.endswith(b"\x70\x02\x00\x07"), "PUBCOMP"
    client.data_received(PUBLISH_FOUR)
    assert len(place.sink.sent) == 2, "the number is free again"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the codec, on its way to a panic
@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (publish(1, topic="g/x/r").replace(b"x/r", b"+/r"), "TOPIC_NAME_INVALID"),
        (publish(1, topic="", topic_alias=1), "TOPIC_ALIAS_INVALID"),
        (b"\x32\x07\x00\x03g/1\x00\x00\x00", "MALFORMED_PACKET"),  # packet identifier 0
        (b"\x32\x07\x00\x03\xff\xff\xff\x00\x01\x00", "MALFORMED_PACKET"),  # not UTF-8
        (b"\xc1\x00", "MALFORMED_PACKET"),
        (connect(), "PROTOCOL_ERROR"),
        (mqtt5.PubAckPacket(1).write(), "PROTOCOL_ERROR"),
        (mqtt5.AuthPacket().write(), "PROTOCOL_ERROR"),
        (b"\x30\xff\xff\x7f", "PACKET_TOO_LARGE"),
        (b"".join(map(publish, range(1, 12))), "RECEIVE_MAX_EXCEEDED"),
    ],
)
def test_what_a_client_must_not_send_ends_its_connection_with_the_reason(sent: bytes, code: str) -> None:
    place = Place(receive_maximum=10)
    neighbour, transport = place.client(connect("G-2"), publish(5))
    _, ended = place.client(connect(), sent)
    assert reason(ended) == getattr(DisconnectReasonCode, code)
    assert place.server.counts.broken == 1
    neighbour.data_received(publish(6))
    place.store()
    assert [each.packet_id for each in answers(transport.written)[1:]] == [5, 6]


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (connect("x" * 1001), "CLIENT_ID_NOT_VALID"),
        (connect(will=mqtt5.Will("a/x")).replace(b"a/x", b"a/#"), "TOPIC_NAME_INVALID"),
        (connect(will=mqtt5.Will("g/1/r", qos=QoS.EXACTLY_ONCE)), "QUALITY_NOT_SUPPORTED"),
        (connect(authentication_method="SCRAM"), "BAD_AUTHENTICATION_METHOD"),
        (b"\x10\x10\x00\x04MQTT\x06\x02\x00\x3c\x00\x00\x03G-1", "UNSUPPORTED_PROTOCOL_VERSION"),
    ],
)
def test_a_connect_that_is_refused_gets_the_reason(packet: bytes, code: str) -> None:
    place = Place()
    _, transport = place.client(packet)
    if code != "UNSUPPORTED_PROTOCOL_VERSION":
        (answer,) = answers(transport.written)
        assert answer.reason_code == getattr(ConnAckReasonCode, code)
    assert not transport.open
    assert place.server.counts.refused == 1


def test_an_empty_client_id_is_assigned_or_refused() -> None:
    _, transport = Place().client(connect(""))
    assert answers(transport.written)[0].assigned_client_id
    _, transport = Place().client(CONNECT_FOUR[:1] + b"\x0c" + CONNECT_FOUR[2:9] + b"\x00\x00\x3c\x00\x00")
    assert transport.written == b"\x20\x02\x00\x02", "3.1.1, without clean session"


def test_subscribe_is_refused_and_the_connection_goes_on() -> None:
    _, transport = Place().client(
        connect(), mqtt5.SubscribePacket(9, [mqtt5.TopicFilter("a/#")] * 2).write(), b"\xc0\x00"
    )
    _, suback, pong = answers(transport.written)
    assert suback.packet_id == 9
    assert suback.reason_codes == [mqtt5.SubAckReasonCode.IMPLEMENTATION_SPECIFIC_ERROR] * 2
    assert isinstance(pong, mqtt5.PingRespPacket)
    _, transport = Place().client(CONNECT_FOUR, b"\x82\x06\x00\x09\x00\x01a\x01")
    assert transport.written.endswith(b"\x90\x03\x00\x09\x80")


def test_unsubscribe_is_answered_that_there_was_no_subscription() -> None:
    _, transport = Place().client(connect(), mqtt5.UnsubscribePacket(9, ["a/#", "b"]).write(), b"\xc0\x00")
    _, unsuback, pong = answers(transport.written)
    assert unsuback.packet_id == 9
    assert unsuback.reason_codes == [mqtt5.UnsubAckReasonCode.NO_SUBSCRIPTION_EXISTED] * 2
    assert isinstance(pong, mqtt5.PingRespPacket)
    _, transport = Place().client(CONNECT_FOUR, b"\xa2\x05\x00\x09\x00\x01a")
    assert transport.written.endswith(b"\xb0\x02\x00\x09"), "3.1.1 has no code for it"


def test_retain_becomes_a_header() -> None:
    place = Place()
    place.client(connect(), publish(1, retain=True), publish(2))
    assert [message.packet.user_properties for message in place.sink.sent] == [[("mqtt.retain", "1")], []]


def test_keep_alive_and_the_deadline_for_connect() -> None:
    place = Place(connect_timeout=5)
    alive, transport = place.client(connect(keep_alive=10))
    late, never = place.client()
    slow, unfinished = place.client()
    for place.clock, byte in zip((4.0, 8.0, 12.0), connect()[:3], strict=True):
        alive.data_received(b"\xc0\x00")
        slow.data_received(bytes([byte]))
        for client in (late, slow, alive):
            client.look()
    assert (transport.open, never.open, unfinished.open) == (True, False, False)
    place.clock = 28.0
    alive.look()
    assert reason(transport) == DisconnectReasonCode.KEEP_ALIVE_TIMEOUT
    just_in_time, transport = place.client()
    place.clock += 4.0
    just_in_time.data_received(connect(keep_alive=2))
    just_in_time.look()
    assert transport.open, "keep-alive begins with CONNECT"


WILL = mqtt5.Will("g/1/gone", payload=b"bye")
DELAYED = mqtt5.Will("g/1/gone", payload=b"bye", will_delay_interval=1000)


def test_a_will_is_sent_unless_the_client_disconnects() -> None:
    place = Place()
    client, _ = place.client(connect(will=WILL))
    client.connection_lost(None)
    assert place.sink.topics == ["g/1/gone"]
    client, _ = place.client(connect(will=WILL), mqtt5.DisconnectPacket().write())
    client.connection_lost(None)
    assert place.server.counts.wills == 1
    with_will = DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE
    client, _ = place.client(connect(will=WILL), mqtt5.DisconnectPacket(reason_code=with_will).write())
    client.connection_lost(None)
    assert place.server.counts.wills == 2


def test_a_delayed_will_waits_as_long_as_the_session_and_is_forgotten_when_it_goes_on() -> None:
    place = Place()

    def dies(client_id: str, expiry: int) -> None:
        client, transport = place.client(connect(client_id, will=DELAYED, session_expiry_interval=expiry))
        assert (answers(transport.written)[0].session_expiry_interval == 300) is (expiry > 300)
        client.connection_lost(None)

    def wills_after(seconds: float) -> int:
        place.clock += seconds
        for client in [*place.server._sessions.values()]:
            place.server.disconnected(client) if client.ended else None
        return place.server.counts.wills

    dies("G-1", 2**32 - 1)
    assert wills_after(299) == 0
    assert wills_after(2) == 1
    dies("G-1", 100)
    place.client(connect())
    assert wills_after(1000) == 1, "the session went on"
    dies("G-1", 100)
    place.client(connect(clean_start=True))
    assert place.server.counts.wills == 2, "the session ended"
    dies("G-2", 0)
    assert place.server.counts.wills == 3, "without a session the will does not wait"
    assert place.server.counts.taken_over == 1
    assert place.server.parked == 0


def test_a_client_id_is_taken_over() -> None:
    place = Place()
    first, transport = place.client(connect(will=WILL), publish(1))
    second, _ = place.client(connect())
    assert reason(transport) == DisconnectReasonCode.SESSION_TAKEN_OVER
    assert place.sink.topics == ["g/1/r", "g/1/gone"]
    first.connection_lost(None)
    assert place.server._sessions == {"G-1": second}
    place.store()
    assert len(answers(transport.written)) == 2, "no PUBACK after DISCONNECT"


def test_reading_stops_while_the_budget_is_used_up() -> None:
    place = Place(byte_budget=10_000)
    busy, transport = place.client(connect(), *map(publish, range(1, 14)))
    _, other = place.client(connect("G-2"))
    assert (transport.reading, other.reading) == (False, False)
    place.clock = 1000.0
    busy.look()
    assert transport.open, "keep-alive is not asked of a client that is not read"
    place.sink.held = 9_000
    place.server._watch_budget()
    assert not transport.reading
    place.sink.held = 7_000
    place.server._watch_budget()
    assert (transport.reading, other.reading) == (True, True)


def test_a_client_of_3_1_1_is_not_read_beyond_the_window() -> None:
    place = Place(receive_maximum=2)
    _, transport = place.client(CONNECT_FOUR, PUBLISH_FOUR)
    assert transport.reading
    _, transport = place.client(CONNECT_FOUR, PUBLISH_FOUR, PUBLISH_FOUR[:-2] + b"\x08x")
    assert not transport.reading
    place.store()
    assert transport.reading


def test_a_client_that_does_not_read_its_answers_is_not_read() -> None:
    client, transport = Place().client(connect())
    client.pause_writing()
    assert not transport.reading
    client.resume_writing()
    assert transport.reading


def test_what_is_not_whole_is_bounded_for_all_connections_together() -> None:
    place = Place(byte_budget=25_000)
    half = b"\x30\x90\x4e" + b"x" * 9_000  # of a packet of 10,000 bytes
    held = [place.client(connect(f"G-{number}"), half) for number in range(3)]
    assert [transport.open for _, transport in held] == [True, True, False]
    for client, _ in held:
        client.connection_lost(None)
    assert place.server.parked == 0


STREAM = connect(keep_alive=60) + publish(1) + publish(2, retain=True) + b"\xc0\x00" + publish(3)


@given(cuts=st.lists(st.integers(1, len(STREAM) - 1)))
def test_every_packet_may_be_split_anywhere(cuts: list[int]) -> None:
    ends = [*sorted(cuts), len(STREAM)]
    place = Place()
    _, transport = place.client(*(STREAM[a:b] for a, b in zip([0, *ends], ends, strict=False) if a < b))
    place.store()
    assert [type(each).__name__ for each in answers(transport.written)] == [
        "ConnAckPacket", "PingRespPacket", "PubAckPacket", "PubAckPacket", "PubAckPacket",
    ]  # fmt: skip


PIECES = st.one_of(
    st.binary(max_size=50),
    st.sampled_from([connect("G-9"), CONNECT_FOUR, publish(1), PUBLISH_FOUR, b"\xc0\x00", b"\xe0\x00"]),
    st.builds(lambda first, body: bytes([first, len(body)]) + body, st.integers(0, 255), st.binary(max_size=60)),
    st.builds(
        lambda packet, at, byte: packet[: at % len(packet)] + bytes([byte]) + packet[at % len(packet) + 1 :],
        st.sampled_from([connect("G-9", will=WILL), CONNECT_FOUR, publish(1), PUBLISH_FOUR]),
        st.integers(0),
        st.integers(0, 255),
    ),
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the codec, on its way to a panic
@given(
    first=st.sampled_from([b"", connect("G-9"), CONNECT_FOUR.replace(b"G-1", b"G-9")]),
    pieces=st.lists(PIECES, max_size=6),
)
def test_hostile_bytes_end_one_connection_and_nothing_else(first: bytes, pieces: list[bytes]) -> None:
    place = Place()
    neighbour, transport = place.client(connect("neighbour"), publish(1))
    hostile, _ = place.client(*filter(None, [first, *pieces]))
    neighbour.data_received(publish(2))
    place.store()
    assert transport.open
    assert [each.packet_id for each in answers(transport.written)[1:]] == [1, 2]
    assert place.server.error is None
    hostile.connection_lost(None)
    assert place.server.parked == 0
    assert place.server._sessions == {"neighbour": neighbour}
