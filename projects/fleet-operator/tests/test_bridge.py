"""Both shapes in which devices speak, without a broker."""

import json
import math

import pytest

import bridge
import dashboard

READING = {"generatorID": "G-001", "fuel": 100.0, "pressure": 380.0}
NAMED = {"seq": 7, "boot": "b", "time": 1700000000.5}


def test_user_properties_and_an_envelope_are_the_same_reading():
    named = [("seq", "7"), ("boot", "b"), ("time", "1700000000.5")]
    envelope = NAMED | {"reading": READING}
    found = bridge.unpack(json.dumps(READING), named)
    assert found == bridge.unpack(json.dumps(envelope), [])
    assert found == (READING, {"boot": "b", "seq": "7", "time": "1700000000.5"})


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"7",
        b"[]",
        b"{}",
        json.dumps(READING).encode(),  # nothing beside it
        json.dumps(NAMED | {"reading": 1}).encode(),
        *(json.dumps(NAMED | {"reading": READING | {"generatorID": each}}).encode() for each in (7, None)),
        *(json.dumps(NAMED | {"reading": READING | {"fuel": each}}).encode() for each in (None, "full", math.nan)),
        *(json.dumps(NAMED | {"reading": READING, "time": each}).encode() for each in (math.inf, -1, None)),
        *(json.dumps(NAMED | {"reading": READING, "seq": each}).encode() for each in (math.inf, -1, "x", 10**20)),
    ],
)
def test_what_cannot_be_unpacked_is_an_error(payload):
    with pytest.raises((ArithmeticError, KeyError, TypeError, ValueError)):
        bridge.unpack(payload, [])


def test_the_dashboard_shows_the_newest_window_and_the_last_alarm():
    state = {"G-001": ({"fuel": 90.0, "hours left": 1.5, "leak": True}, {"time": 0.0}), "G-002": ({}, None)}
    first, second = dashboard.lines(state)
    assert "1.5 h left   LEAKS   ROBBED at 00:00:00 UTC" in first
    assert "not burning" in second
