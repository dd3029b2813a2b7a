"""Which names a lesson owns: what a reset may delete, and, more important, what it may not."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, strategies as st

from helpers.errors import ConfigurationError
from helpers.lab.reset import names
from helpers.lessons import LESSONS, Lesson, find
from helpers.topics import namespace

LESSON = Lesson(title="", file="99_tanks.ipynb", owns=("tank", "log"))
WORDS = [(each.number, word) for each in LESSONS.values() for word in each.owns]


@pytest.mark.parametrize("name", ["tank", "tank-1", "tank_1", "tank.1", "tank/1/fuel", "log", "log-readings"])
def test_a_lesson_owns_its_words_and_what_goes_on_from_them(name: str) -> None:
    assert LESSON.owned(name, "")
    assert LESSON.owned(f"ana-{name}", "ana-")


@pytest.mark.parametrize(
    "name", ["tanks", "tanker-1", "logs", "logbook", "my-tank", "/tank", "Tank", "", "_tank", "$SYS/tank"]
)
def test_a_lesson_owns_nothing_else(name: str) -> None:
    assert not LESSON.owned(name, "")


@pytest.mark.parametrize(
    "name", ["ana-b-tank", "anab-tank", "anatank", "ana2-tank", "ana", "ana-", "tank", "ana-ana-tank", "b-ana-tank"]
)
def test_the_namespace_ana_ends_where_another_begins(name: str) -> None:
    assert not LESSON.owned(name, "ana-")
    assert not names("ana-", LESSON, alone=False).owned(name)
    assert not names("ana-", None, alone=False).owned(name)


NAMESPACES = st.from_regex(r"[a-z][a-z0-9]{0,19}", fullmatch=True)


@given(NAMESPACES, NAMESPACES, st.sampled_from(WORDS))
def test_no_learner_owns_another_learners_names(one: str, other: str, word: tuple[str, str]) -> None:
    for alone in (True, False):
        mine = names(namespace(one), None, alone=alone).owned
        assert mine(f"{namespace(other)}{word[1]}") == (one == other)
        assert not mine(word[1])


@pytest.mark.parametrize("alone", [True, False])
def test_only_what_lessons_own_goes_unless_one_asks_for_more(alone: bool) -> None:  # noqa: FBT001
    mine = names("", None, alone=alone).owned
    assert mine("hello")
    assert not mine("production-orders")
    assert not mine("acme-readings-dead")


def test_everything_is_all_but_what_is_the_brokers_own_and_the_rooms_board() -> None:
    mine = names("", None, alone=True, everything=True).owned
    assert mine("hello")
    assert mine("acme-readings-dead")
    assert not mine("lab-progress/monday/ana")
    assert not mine("__consumer_offsets")
    assert not mine("_schemas")
    assert not mine("$SYS/broker/uptime")


def test_one_lesson_takes_only_its_own() -> None:
    mine = names("", LESSON, alone=True).owned
    assert mine("tank-1")
    assert not mine("hello")


def test_no_name_belongs_to_two_lessons() -> None:
    shared = [
        (one, other)
        for one, other in combinations(WORDS, 2)
        if one[0] != other[0] and (LESSONS[one[0]].owned(other[1], "") or LESSONS[other[0]].owned(one[1], ""))
    ]
    assert not shared


def test_sessions_are_owned_names() -> None:
    for each in LESSONS.values():
        assert all(each.owned(client, "") for client in each.sessions)


def test_lessons_are_numbered_without_a_gap() -> None:
    assert list(LESSONS) == [f"{number:02}" for number in range(len(LESSONS))]
    assert all(each.file.startswith(f"{each.number}_") for each in LESSONS.values())


@pytest.mark.parametrize("number", ["2", "02"])
def test_a_lesson_is_found_by_its_number(number: str) -> None:
    assert find(number).title == "Publish with MQTT"


@pytest.mark.parametrize("number", ["99", "two", "-1"])
def test_a_lesson_that_is_not_there_is_said(number: str) -> None:
    with pytest.raises(ConfigurationError, match="00, 01"):
        find(number)


def test_a_lesson_is_found_by_its_number_its_slug_or_a_word_that_it_owns() -> None:
    assert find("9") is find("09") is find("a_topic_becomes_a_table") is find("table")
    assert find("alarms") is LESSONS["10"]
    with pytest.raises(ConfigurationError, match="tables"):
        find("tables")


def test_a_name_means_one_lesson() -> None:
    names = [name for each in LESSONS.values() for name in {each.number, each.path.stem[3:], *each.owns}]
    assert sorted(names) == sorted(set(names))
