"""Names that a broker would refuse are refused here first, and every message has one way to go."""

from __future__ import annotations

import doctest
import re

import pytest
from hypothesis import given, strategies as st

from helpers import topics
from helpers.topics import Route, TopicError, TopicMapping

LEVELS = st.text(
    st.characters(exclude_characters="/+#", exclude_categories=["Cc", "Cn", "Cs"]), min_size=1, max_size=20
)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(topics).failed == 0


@pytest.mark.parametrize(("name", "prefix"), [("", ""), ("ana", "ana-"), ("ana2-", "ana2-")])
def test_a_namespace_is_a_prefix(name: str, prefix: str) -> None:
    assert topics.namespace(name) == prefix


@pytest.mark.parametrize("name", ["Ana", "2b", "a/b", "a_b", "a-b", "a" * 33, "a#"])
def test_a_bad_namespace_is_refused(name: str) -> None:
    with pytest.raises(TopicError):
        topics.namespace(name)


@pytest.mark.parametrize("name", ["readings", "a.b_c-D9", "x" * 249])
def test_kafka_takes_legal_names(name: str) -> None:
    assert topics.check_kafka_topic(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "ä", "x" * 250, "a\n"])
def test_kafka_names_are_checked(name: str) -> None:
    with pytest.raises(TopicError) as error:
        topics.check_kafka_topic(name)
    assert error.value.name == name


def test_names_that_differ_in_dots_and_underscores_collide() -> None:
    topics.refuse_collisions(["a.b", "a.b", "a-b"])
    with pytest.raises(TopicError, match=re.escape("'a_b': collides with 'a.b'")):
        topics.refuse_collisions(["a.b", "a_b"])


@pytest.mark.parametrize("name", ["a", "/", "a//b", "$SYS/x", "ä/ö", "a b"])
def test_mqtt_topics(name: str) -> None:
    assert topics.check_mqtt_topic(name) == name
    assert topics.check_mqtt_filter(name) == name


@pytest.mark.parametrize(
    "name", ["", "a/+", "a/#", "a\0b", "a\nb", "\x85", "\uffff", "\U0001fffe", "\ud800", "ä" * 40_000]
)
def test_mqtt_topics_are_checked(name: str) -> None:
    with pytest.raises(TopicError):
        topics.check_mqtt_topic(name)


@pytest.mark.parametrize("name", ["#", "+", "a/+/b/#", "+/+", "$share/g/a/#"])
def test_mqtt_filters(name: str) -> None:
    assert topics.check_mqtt_filter(name) == name


@pytest.mark.parametrize(
    "name", ["a#", "#/a", "a/#/b", "a+/b", "$share/g", "$share//a", "$share/g+/a", "$share/g/", ""]
)
def test_mqtt_filters_are_checked(name: str) -> None:
    with pytest.raises(TopicError):
        topics.check_mqtt_filter(name)


def test_a_shared_filter_has_a_group() -> None:
    assert topics.split_share("$share/bridges/a/#") == ("bridges", "a/#")
    assert topics.split_share("a/#") == (None, "a/#")


@pytest.mark.parametrize(
    ("pattern", "mqtt_topic", "matches"),
    [
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b", True),
        ("#", "$SYS/uptime", False),
        ("+/b", "$a/b", False),
        ("{x}/b", "$a/b", False),
        ("+", "", True),
        ("a/+/c", "a//c", True),
        ("a/{x}/c", "a//c", False),
        ("a/{x}/c", "a/b/d/c", False),
        ("a.c", "abc", False),
        ("a/{x}", "a/b\nc", True),
    ],
)
def test_a_pattern_matches_as_its_filter_does(*, pattern: str, mqtt_topic: str, matches: bool) -> None:
    mapping = TopicMapping(pattern, topic="t")
    if matches:
        assert mapping.route(mqtt_topic) == Route("t", None)
    else:
        with pytest.raises(TopicError):
            mapping.route(mqtt_topic)


@given(device=LEVELS)
def test_there_and_back(device: str) -> None:
    mapping = TopicMapping("n-generators/{device}/readings", topic="n-readings", key="{device}")
    assert mapping.route(mapping.mqtt_topic(device=device)) == Route("n-readings", device)


def test_levels_and_the_whole_topic_make_names() -> None:
    mapping = TopicMapping("plant/{site}/{kind}/#", topic="plant.{kind}", key="{mqtt_topic}")
    assert mapping.route("plant/b/fuel/left") == Route("plant.fuel", "plant/b/fuel/left")
    assert mapping.filter == "plant/+/+/#"
    assert mapping.kafka_topics == ()
    with pytest.raises(TopicError, match="not a valid Kafka topic name"):
        mapping.route("plant/b/fuel level/left")


@pytest.mark.parametrize(
    ("pattern", "topic", "key"),
    [
        ("a/{x}/{x}", "t", None),
        ("a/{mqtt_topic}", "t", None),
        ("a/{x}", "t", "{y}"),
        ("a/{x}", "t/{x}", None),
        ("a/x{x}", "t", None),
        ("a/{X}", "t", None),
        ("a/#/b", "t", None),
        ("a", "{", None),
        ("$share/g/a", "t", None),
    ],
)
def test_a_contradictory_template_is_refused(pattern: str, topic: str, key: str | None) -> None:
    with pytest.raises(TopicError):
        TopicMapping(pattern, topic=topic, key=key)


@pytest.mark.parametrize("levels", [{}, {"device": ""}, {"device": "a/b"}, {"device": "+"}])
def test_the_way_back_needs_whole_levels(levels: dict[str, str]) -> None:
    with pytest.raises(TopicError):
        TopicMapping("g/{device}", topic="t").mqtt_topic(**levels)
