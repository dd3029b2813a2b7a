"""Packets of both versions: however they are split, whatever is in them."""

from __future__ import annotations

import mqtt5
import pytest
from hypothesis import given, strategies as st
from mqtt5 import ConnAckReasonCode, QoS

from helpers.proxy import packets
from helpers.proxy.packets import FIVE, FOUR, Framer, ProtocolError

WILL = mqtt5.Will("gone", payload=b"bye", qos=QoS.AT_LEAST_ONCE, will_delay_interval=5)
FIVES = [
    mqtt5.ConnectPacket("G-1", username="ana", password=b"secret", will=WILL, keep_alive=10).write(),
    mqtt5.PublishPacket("g/1/r", b"x" * 300, qos=QoS.AT_LEAST_ONCE, packet_id=7, user_properties=[("a", "b")]).write(),
    mqtt5.PublishPacket("g/1/r", b"", retain=True).write(),
    mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("a/#")]).write(),
    mqtt5.UnsubscribePacket(2, ["a/#"]).write(),
    mqtt5.PingReqPacket().write(),
    mqtt5.DisconnectPacket().write(),
]
CONNECT_FOUR = bytes.fromhex(
    "10 26 0004 4d515454 04 ce 000a 0003 472d31 0004 676f6e65 0003 627965 0003 616e61 0005 73746172 74"
)


@given(cuts=st.lists(st.integers(0, sum(map(len, FIVES)))))
def test_packets_are_found_wherever_the_bytes_are_split(cuts: list[int]) -> None:
    stream, framer, found = b"".join(FIVES), Framer(1000), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True):
        if piece := stream[start:end]:
            found += [bytes(frame) for frame in framer.feed(piece)]
    assert found == FIVES
    assert len(framer) == 0


@given(stream=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200)))
def test_any_bytes_end_in_the_same_place_wherever_they_are_split(stream: bytes, cuts: list[int]) -> None:
    def frames(pieces: list[bytes]) -> tuple[list[bytes], bool]:
        framer, found = Framer(100), []
        try:
            for piece in pieces:
                found += [bytes(frame) for frame in framer.feed(piece)]
        except ProtocolError:
            return found, True
        return found, False

    cuts = sorted(cut for cut in cuts if cut <= len(stream))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    # The whole and single bytes are the two ends of all splits; what a failing feed had found before counts too.
    whole, failed = frames([stream])
    split, split_failed = frames([piece for piece in pieces if piece])
    assert failed == split_failed
    assert failed or whole == split


@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xe9\x07"])
def test_a_length_that_is_too_large_is_refused_before_its_packet_comes(length: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(Framer(1000).feed(b"\x30" + length))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the codec, on its way to a panic
@given(st.binary(max_size=60), st.sampled_from([FOUR, FIVE]))
def test_reading_any_packet_gives_one_or_a_protocol_error(body: bytes, version: int) -> None:
    for first in (0x10, 0x30, 0x32, 0x34, 0x36, 0x62, 0x82, 0xA2, 0xC0, 0xE0, 0xF0):
        frame = memoryview(bytes([first, len(body)]) + body)
        for read in (lambda frame: packets.read(frame, version), packets.read_connect):
            try:
                read(frame)
            except ProtocolError:
                continue


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_publish_of_3_1_1_is_the_same_without_properties(qos: int) -> None:
    number = b"\x00\x07" if qos else b""
    for size in (0, 100, 126, 127, 128, 20_000):
        body = b"\x00\x03g/1" + number + b"x" * size
        frame = bytes([0x30 | qos << 1]) + packets._length(len(body)) + body
        packet = packets.read(memoryview(frame), FOUR)
        assert isinstance(packet, mqtt5.PublishPacket)
        assert (packet.topic, packet.payload, packet.packet_id) == ("g/1", b"x" * size, 7 if qos else None)


def test_a_connect_is_read_in_both_versions() -> None:
    level, four = packets.read_connect(memoryview(CONNECT_FOUR))
    assert level == FOUR
    assert four is not None
    assert (four.client_id, four.username, four.password, four.keep_alive) == ("G-1", "ana", b"start", 10)
    assert four.will is not None
    assert (four.will.topic, four.will.payload, four.clean_start) == ("gone", b"bye", True)
    level, five = packets.read_connect(memoryview(FIVES[0]))
    assert level == FIVE
    assert five is not None
    assert five.will is not None
    assert five.will.will_delay_interval == 5


@pytest.mark.parametrize(
    ("changed", "at"),
    [(b"\xcf", 9), (b"\xca", 9), (b"\x4e", 9)],  # reserved; a will's flags without a will; a password without a user
)
def test_contradictory_connect_flags_are_malformed(changed: bytes, at: int) -> None:
    with pytest.raises(ProtocolError):
        packets.read_connect(memoryview(CONNECT_FOUR[:at] + changed + CONNECT_FOUR[at + 1 :]))


@pytest.mark.parametrize("level", [3, 6, 255])
def test_another_version_is_not_read(level: int) -> None:
    assert packets.read_connect(memoryview(CONNECT_FOUR[:8] + bytes([level]) + CONNECT_FOUR[9:])) == (level, None)


def test_refusals_in_both_versions() -> None:
    for code, number in (("UNSUPPORTED_PROTOCOL_VERSION", 1), ("BAD_USER_NAME_OR_PASSWORD", 4), ("NOT_AUTHORIZED", 5)):
        refusal = getattr(ConnAckReasonCode, code)
        assert packets.connack(FOUR, refusal) == bytes([0x20, 2, 0, number])
        answer, _ = mqtt5.read(memoryview(packets.connack(FIVE, refusal)))
        assert isinstance(answer, mqtt5.ConnAckPacket)
        assert answer.reason_code == refusal
        assert answer.max_qos == QoS.AT_LEAST_ONCE
