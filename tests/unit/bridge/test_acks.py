"""PUBACKs leave in the order of receipt, and never for a connection that is gone."""

from __future__ import annotations

import mqtt5
from hypothesis import given, strategies as st

from helpers.bridge.acks import AckQueue
from helpers.sink import InFlight
from helpers.sink.records import Moment

NO_OWNER = None


def message(packet_id: int) -> InFlight:
    packet = mqtt5.PublishPacket("t", b"", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id)
    return InFlight(packet, Moment(float(packet_id), ("mqtt.received", "0")), NO_OWNER)


def ids(acks: bytes) -> list[int]:
    found, view = [], memoryview(acks)
    while view:
        packet, length = mqtt5.read(view)
        assert isinstance(packet, mqtt5.PubAckPacket)
        found.append(packet.packet_id)
        view = view[length:]
    return found


@given(order=st.permutations(range(1, 21)))
def test_acks_leave_in_receive_order_however_reports_come(order: list[int]) -> None:
    acks, waiting, left = AckQueue(), {number: message(number) for number in range(1, 21)}, []
    acks.begin()
    for each in waiting.values():
        acks.add(each)
    reported = set()
    for number in order:
        waiting[number].done = True
        reported.add(number)
        left += ids(acks.take())
        assert set(left) <= reported, "acknowledged before it was stored"
    assert left == list(range(1, 21))
    assert len(acks) == 0
    assert acks.oldest is None


def test_a_reconnect_forgets_what_was_in_flight() -> None:
    acks = AckQueue()
    acks.begin()
    old = message(7)
    acks.add(old)
    assert acks.oldest == 7
    acks.begin()
    new = message(7)
    acks.add(new)
    old.done = True
    assert acks.take() == b"", "the old connection's report must not acknowledge the new message with the same id"
    new.done = True
    assert ids(acks.take()) == [7]
