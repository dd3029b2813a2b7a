"""The read loop: packets come out whole, wherever the network cut them; anything else ends the connection."""

from __future__ import annotations

import mqtt5
import pytest
from hypothesis import given, strategies as st

from helpers.bridge.reader import Reader
from helpers.errors import BridgeError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"), max_size=20)
PUBLISH = st.builds(
    lambda topic, payload, properties, number: mqtt5.PublishPacket(
        topic or "t",
        payload,
        qos=mqtt5.QoS.AT_LEAST_ONCE if number else mqtt5.QoS.AT_MOST_ONCE,
        packet_id=number,
        user_properties=properties,
    ),
    TEXT,
    st.binary(max_size=300),
    st.lists(st.tuples(TEXT, TEXT), max_size=3),
    st.one_of(st.none(), st.integers(1, 65_535)),
)


def feed(reader: Reader, data: bytes, cuts: list[int]) -> list[bytes]:
    found: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        piece = data[start:end]
        while piece:
            space = reader.space()
            count = min(len(space), len(piece))
            space[:count] = piece[:count]
            piece = piece[count:]
            found += [packet.write() for packet in reader.packets(count)]
    return found


def test_packets_may_be_cut_at_every_byte() -> None:
    packets = [
        mqtt5.PublishPacket(
            "a/ü", b"x" * 200, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1, user_properties=[("seq", "1")]
        ),
        mqtt5.PingRespPacket(),
        mqtt5.PublishPacket("b", b""),
        mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]),
    ]
    wire = [packet.write() for packet in packets]
    data = b"".join(wire)
    for cut in range(1, len(data)):
        assert feed(Reader(), data, [cut]) == wire
    assert feed(Reader(), data, list(range(1, len(data)))) == wire


@given(packets=st.lists(PUBLISH, max_size=20), data=st.data(), size=st.integers(2, 400))
def test_packets_come_out_as_they_went_in(packets: list[mqtt5.PublishPacket], data: st.DataObject, size: int) -> None:
    wire = [packet.write() for packet in packets]
    whole = b"".join(wire)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=10)))
    assert feed(Reader(size), whole, cuts) == wire


def test_a_packet_larger_than_the_buffer_arrives_and_the_buffer_shrinks_again() -> None:
    reader = Reader(1000)
    large = mqtt5.PublishPacket("t", bytes(256_000)).write()
    assert feed(reader, large, []) == [large]
    assert len(reader.space()) == 1000


# The codec leaves the UnicodeDecodeError unraised when it panics.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "wire",
    [
        b"\x00\x00",
        b"\xff\xff\xff\xff\xff\xff",
        b"\x36\x00",
        b"\x32\x05\x00\x10abc",
        b"\x32\x05\x00\x03\xff\xfe\xfd",
        b"\x30\x03\x00\x00\x00",
    ],
    ids=["type", "length", "qos", "inner length", "not UTF-8", "empty topic"],
)
def test_malformed_bytes_end_the_connection(wire: bytes) -> None:
    with pytest.raises(BridgeError, match="malformed"):
        feed(Reader(), wire, [])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@given(noise=st.binary(max_size=200))
def test_noise_never_hangs_or_escapes_as_another_error(noise: bytes) -> None:
    try:
        feed(Reader(64), noise, [])
    except BridgeError as error:
        assert "malformed" in str(error)  # noqa: PT017 - most noise is malformed, some is a packet
