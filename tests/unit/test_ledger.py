"""A ledger gives each published reading exactly one fate."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from helpers.errors import LessonError
from helpers.figures.fates import COLOURS
from helpers.ledger import FATES, Ledger, name_of

NAMES = [(f"G-00{generator}", "boot", seq) for generator in (1, 2) for seq in range(1, 4)]


class Record:
    """A record as Kafka's client gives it."""

    def __init__(self, key: str, seq: int | str, boot: str = "boot") -> None:
        self._key, self._headers = key.encode(), [("boot", boot.encode()), ("seq", str(seq).encode())]

    def key(self) -> bytes:
        return self._key

    def headers(self) -> list[tuple[str, bytes]]:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 2, 1_500


def ledger() -> Ledger:
    made = Ledger()
    for name in NAMES:
        made.publish(name)
    return made


some = st.sets(st.sampled_from(NAMES))


@given(
    st.lists(st.sampled_from(NAMES)),
    st.lists(st.sampled_from(NAMES)),
    some,
    some,
)
def test_fates_add_up_to_what_was_published_whatever_happens(
    stored: list[tuple[str, str, int]],
    dead: list[tuple[str, str, int]],
    waiting: set[tuple[str, str, int]],
    acknowledged: set[tuple[str, str, int]],
) -> None:
    made = ledger()
    made.acknowledge(*acknowledged)
    made._sessions["bridge"] = waiting
    for names, is_dead in ((stored, False), (dead, True)):
        for generator, boot, seq in names:
            made._note(Record(generator, seq, boot), dead=is_dead)
    counts = made.counts()
    assert list(counts) == list(FATES)
    assert sum(counts.values()) == len(NAMES) == len(made.table())
    assert counts["once"] + counts["repeated"] == len(set(stored))
    assert counts["lost"] == len(acknowledged - set(stored) - set(dead) - waiting)


def test_each_fate() -> None:
    made = ledger()
    once, twice, dead, waits, own, lost = NAMES
    for name in (once, twice, twice):
        made._note(Record(name[0], name[2]), dead=False)
    made._note(Record(f"yard/{dead[0]}/readings", dead[2]), dead=True)  # a dead letter's key is its MQTT topic
    made._sessions["bridge"] = {waits, once}
    made.acknowledge(lost)
    assert [made.fate(name) for name in NAMES] == list(FATES)
    assert list(made.table()["fate"]) == list(FATES)
    assert list(made.table()["stored"].dropna()) == [1.5, 1.5]
    assert own not in made.acknowledged


def test_what_was_never_published_is_counted_apart() -> None:
    made = ledger()
    for record in (Record("G-009", 1), Record("G-001", 1, boot="another"), Record("G-001", "no number")):
        made._note(record, dead=False)
    made._note(Record("yard/x", "no number"), dead=True)
    assert made.unknown == 3
    assert len(made.dead_letters) == 1
    assert made.counts()["at the device"] == len(NAMES)


def test_order_is_that_of_first_appearance() -> None:
    kept, broken = ledger(), ledger()
    for seq in (1, 2, 1, 3):
        kept._note(Record("G-001", seq), dead=False)
        kept._note(Record("G-002", seq), dead=False)
    for seq in (1, 3, 2):
        broken._note(Record("G-001", seq), dead=False)
    assert kept.in_order
    assert not broken.in_order


def test_a_name_needs_boot_and_seq() -> None:
    assert name_of("G-001", [("seq", b"7"), ("boot", "a1")]) == ("G-001", "a1", 7)
    for headers in (None, [("seq", "7")], [("boot", "a1"), ("seq", "x")], [("boot", None), ("seq", "1")]):
        with pytest.raises(LessonError, match="boot and seq identify a reading of G-001"):
            name_of("G-001", headers)


def test_each_fate_has_a_colour() -> None:
    assert tuple(COLOURS) == FATES
    assert len(set(COLOURS.values())) == len(FATES)
