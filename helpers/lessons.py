"""The lessons, and the names each one owns on the brokers: what ``lab reset`` may delete, and nothing else."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from helpers.errors import ConfigurationError
from helpers.paths import NOTEBOOKS


@dataclass(frozen=True)
class Lesson:
    """One lesson. ``owns`` are first words of MQTT topics, Kafka topics, groups and subjects, without namespace.

    A name belongs to the lesson if it is such a word, or begins with one followed by ``-``, ``_``, ``.`` or ``/``.
    ``sessions`` are the client ids whose MQTT sessions outlive their connection. ``needs`` are the lab's services that
    must run for it.
    """

    title: str
    file: str
    _: KW_ONLY
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

    def cells(self, tag: str) -> list[str]:
        """The text of the notebook's cells with a tag."""
        notebook = json.loads(self.path.read_text(encoding="utf-8"))
        return ["".join(cell["source"]) for cell in notebook["cells"] if tag in cell["metadata"].get("tags", ())]

    def owned(self, name: str, ns: str) -> bool:
        """Whether ``name``, as it stands on a broker, is this lesson's in the namespace ``ns``."""
        rest = name.removeprefix(ns) if name.startswith(ns) else ""
        return any(rest == word or (rest.startswith(word) and rest[len(word)] in "-_./") for word in self.owns)


LESSONS = {
    each.number: each
    for each in (
        Lesson("Start here", "00_start_here.ipynb", owns=("hello",)),
        Lesson("Emergency generators", "01_emergency_generators.ipynb", owns=("fleet",)),
        Lesson("Publish with MQTT", "02_publish_with_mqtt.ipynb", owns=("emergency_generator", "generators", "depot")),
        Lesson(
            "Delivery in MQTT",
            "03_delivery_in_mqtt.ipynb",
            owns=("delivery",),
            sessions=("delivery-sunday", "delivery-night-shift"),
        ),
        Lesson("Kafka is a log", "04_kafka_is_a_log.ipynb", owns=("log",)),
        Lesson(
            "The schema registry",
            "05_the_schema_registry.ipynb",
            owns=("plain-readings", "typed-readings", "tank-readings", "mixed-readings", "service-readings"),
        ),
        Lesson(
            "Topics, two ways", "06_topics_two_ways.ipynb", owns=("sites", "regions", "workshop", "yards", "design")
        ),
        Lesson(
            "Bridge by hand", "07_bridge_by_hand.ipynb", owns=("bridge",), sessions=("bridge-exercise", "bridge-yard")
        ),
        Lesson("Talk back", "08_talk_back.ipynb", owns=("commands",), sessions=("commands-G-005", "commands-replies")),
        Lesson(
            "A topic becomes a table", "09_a_topic_becomes_a_table.ipynb", owns=("table",), sessions=("table-bridge",)
        ),
        Lesson(
            "Alarms and the big screen",
            "10_alarms_and_the_big_screen.ipynb",
            owns=("alarms",),
            sessions=("alarms-bridge",),
        ),
        Lesson("Copies", "11_copies.ipynb", owns=("copies",), needs=()),
        Lesson("Locks and keys", "12_locks_and_keys.ipynb", owns=("locks",), needs=()),
        Lesson("Break it", "13_break_it.ipynb", owns=("break",), needs=()),
        Lesson("Grow", "14_grow.ipynb", owns=("grow",), needs=()),
        Lesson("A real project", "15_a_real_project.ipynb", owns=("operator",), needs=()),
    )
}
# Readers for whom a part is enough: their lessons in the order in which they are read, some with a part only.
PATHS = {
    "embedded": ("an embedded developer", "00, 02, 03, 08, 12, 07 §1–4"),
    "analyst": ("a data analyst", "00, 01 skimmed, 04 §1–4, 05 §1–3, 09, 10"),
    "backend": ("a backend engineer", "00, 03 §3–6, 04, 05, 07, 11, 13, 15"),
    "architect": ("an architect with one morning", "00, 06, 07 §1–4, 14"),
}
# The first level of the one kind of MQTT topic outside every namespace, which is the lab's: the room's board.
BOARD = "lab-progress"


def find(name: str) -> Lesson:
    """Return a lesson by its number, ``"2"`` and ``"02"`` alike, or by what stays: its slug, or a word it owns.

    Raises:
        ConfigurationError: There is no such lesson.
    """
    for lesson in LESSONS.values():
        if name.zfill(2) == lesson.number or name in {lesson.slug, *lesson.owns}:
            return lesson
    raise ConfigurationError("lesson", f"there is no lesson {name!r}", remedy=f"Choose from {', '.join(LESSONS)}.")


def steps(reader: str | None) -> list[tuple[Lesson, str]]:
    """Return the lessons on a reader's path, or all, each with how much of it: ``"§1–4"``, or ``""`` for the whole."""
    parts = PATHS[reader][1].split(", ") if reader else LESSONS
    return [(LESSONS[number], how) for number, _, how in (each.partition(" ") for each in parts)]
