"""The lessons, and the names each one owns on the brokers: what ``lab reset`` may delete, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from helpers.errors import ConfigurationError
from helpers.paths import NOTEBOOKS


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One lesson. ``owns`` are first words of MQTT topics, Kafka topics, groups and subjects, without namespace.

    A name belongs to the lesson if it is such a word, or begins with one followed by ``-``, ``_``, ``.`` or ``/``.
    ``sessions`` are the client ids whose MQTT sessions outlive their connection. ``needs`` are the lab's services that
    must run for it.
    """

    title: str
    file: str
    owns: tuple[str, ...]
    sessions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ("mqtt", "kafka", "registry", "influxdb")

    @property
    def number(self) -> str:
        """Two digits, which change when a lesson is inserted before this one."""
        return Path(self.file).name[:2]

    @property
    def slug(self) -> str:
        """What stays when the number changes: the file's name without it."""
        return Path(self.file).stem[3:]

    @property
    def path(self) -> Path:
        """The notebook."""
        return NOTEBOOKS / self.file

    def owned(self, name: str, ns: str) -> bool:
        """Whether ``name``, as it stands on a broker, is this lesson's in the namespace ``ns``."""
        rest = name.removeprefix(ns) if name.startswith(ns) else ""
        return any(rest == word or (rest.startswith(word) and rest[len(word)] in "-_./") for word in self.owns)


LESSONS = {
    each.number: each
    for each in (
        Lesson(title="Start here", file="00_start_here.ipynb", owns=("hello",)),
        Lesson(title="Emergency generators", file="01_emergency_generators.ipynb", owns=("fleet",)),
        Lesson(
            title="Publish with MQTT",
            file="02_publish_with_mqtt.ipynb",
            owns=("emergency_generator", "generators", "depot"),
        ),
        Lesson(
            title="Delivery in MQTT",
            file="03_delivery_in_mqtt.ipynb",
            owns=("delivery",),
            sessions=("delivery-sunday", "delivery-night-shift"),
        ),
        Lesson(title="Kafka is a log", file="04_kafka_is_a_log.ipynb", owns=("log",)),
        Lesson(
            title="The schema registry",
            file="05_the_schema_registry.ipynb",
            owns=("plain-readings", "typed-readings", "tank-readings", "mixed-readings", "service-readings"),
        ),
        Lesson(
            title="Topics, two ways",
            file="06_topics_two_ways.ipynb",
            owns=("sites", "regions", "workshop", "yards", "design"),
        ),
        Lesson(
            title="Bridge by hand",
            file="07_bridge_by_hand.ipynb",
            owns=("bridge",),
            sessions=("bridge-exercise", "bridge-yard"),
        ),
        Lesson(
            title="Talk back",
            file="08_talk_back.ipynb",
            owns=("commands",),
            sessions=("commands-G-005", "commands-replies"),
        ),
        Lesson(
            title="A topic becomes a table",
            file="09_a_topic_becomes_a_table.ipynb",
            owns=("table",),
            sessions=("table-bridge",),
        ),
        Lesson(
            title="Alarms and the big screen",
            file="10_alarms_and_the_big_screen.ipynb",
            owns=("alarms",),
            sessions=("alarms-bridge",),
        ),
        Lesson(title="Copies", file="11_copies.ipynb", owns=("copies",), needs=()),
        Lesson(title="Locks and keys", file="12_locks_and_keys.ipynb", owns=("locks",), needs=()),
        Lesson(title="Break it", file="13_break_it.ipynb", owns=("break",), needs=()),
        Lesson(title="Grow", file="14_grow.ipynb", owns=("grow",), needs=()),
    )
}


def find(name: str) -> Lesson:
    """Return a lesson by its number, ``"2"`` and ``"02"`` alike, or by what stays: its slug, or a word it owns.

    Raises:
        ConfigurationError: There is no such lesson.
    """
    for lesson in LESSONS.values():
        if name.zfill(2) == lesson.number or name in {lesson.slug, *lesson.owns}:
            return lesson
    raise ConfigurationError("lesson", f"there is no lesson {name!r}", remedy=f"Choose from {', '.join(LESSONS)}.")
