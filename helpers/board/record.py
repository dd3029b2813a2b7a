"""What a learner has done: one small file under the lab's folder. Lessons go by their slug."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from helpers.errors import LessonError

_FOREVER = 1e11  # seconds, later than any clock says


class Entry(NamedTuple):
    """What became of one exercise: "not yet" or "done" after so many tries, and the times of two (Unix seconds).

    ``last`` is when it was done. Other entries have states of their own: "opened", "here", "hand", "finished", "away",
    the letter of a prediction.
    """

    state: str
    tries: int
    first: float
    last: float

    @classmethod
    def now(cls, state: str) -> Entry:
        """Return an entry of this moment."""
        return cls(state, 1, round(time.time()), round(time.time()))


def entry(value: Any) -> Entry | None:  # noqa: ANN401
    """Return the entry in a JSON object, or its bytes; None for anything else, since others may have written it."""
    with suppress(TypeError, KeyError, ValueError, OverflowError):
        read = json.loads(value) if isinstance(value, bytes) else value
        found = Entry(str(read["state"]), int(read["tries"]), float(read["first"]), float(read["last"]))
        return found if 0 < found.first <= found.last < _FOREVER else None
    return None


def read(file: Path) -> dict[str, Entry]:
    """Return the entries of a file, by a lesson's slug and what they are about, as in ``kafka_is_a_log/exercise_1``.

    Raises:
        LessonError: There is no such file, or it holds something else.
    """
    try:
        values = json.loads(file.read_bytes())
        return {key: found for key, value in values.items() if (found := entry(value))}
    except (OSError, ValueError, AttributeError) as error:
        remedy = "Give a file that `lab progress --export FILE` wrote."
        raise LessonError(f"{file} does not hold a learner's progress.", remedy=remedy) from error


def write(file: Path, entries: Mapping[str, Entry]) -> None:
    """Write a file of entries, whole or not at all.

    Raises:
        LessonError: It cannot be written.
    """
    draft, values = file.with_suffix(".draft"), {key: each._asdict() for key, each in entries.items()}
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(values, indent=1), encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise LessonError(f"{file} cannot be written: {error.strerror}.", remedy="Choose another folder.") from error


def load(home: Path) -> dict[str, Entry]:
    """Return what is noted here; nothing, if the file is damaged."""
    with suppress(LessonError):
        return read(home / "progress.json")
    return {}


def note(home: Path, key: str, state: str) -> Entry:
    """Note one more try with its outcome. An exercise that is done stays done, as it was then.

    Raises:
        LessonError: It cannot be written.
    """
    entries, new = load(home), Entry.now(state)
    if old := entries.get(key):
        new = old if old.state == "done" else new._replace(tries=old.tries + 1, first=old.first)
    write(home / "progress.json", {**entries, key: new})
    return new
