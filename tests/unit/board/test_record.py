"""What is noted about a learner: tries are counted, what is done stays done, and what others wrote does no harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.board import record
from helpers.board.record import Entry
from helpers.errors import LessonError

KEY = "kafka_is_a_log/exercise_1"
GOOD = {"state": "done", "tries": 3, "first": 1_764_000_000, "last": 1_764_000_100}


def test_tries_are_counted_until_it_is_done_and_then_it_stays_done(tmp_path: Path) -> None:
    states = [record.note(tmp_path / "lab", KEY, each) for each in ("not yet", "not yet", "done", "not yet")]
    assert [(each.state, each.tries) for each in states] == [("not yet", 1), ("not yet", 2), ("done", 3), ("done", 3)]
    assert states[0].first == states[-1].first
    assert record.load(tmp_path / "lab") == {KEY: states[-1]}


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "progress.json").write_text("{", encoding="utf-8")
    assert record.load(tmp_path) == {}
    assert record.note(tmp_path, KEY, "done").tries == 1
    assert list(record.load(tmp_path)) == [KEY]


@pytest.mark.parametrize(
    "change",
    [
        {"tries": "three"}, {"tries": None}, {"first": "yesterday"}, {"first": -1}, {"last": 1e30}, {"last": 1},
        {"last": float("nan")}, {"tries": float("inf")},
    ],
)  # fmt: skip
def test_what_is_not_an_entry_is_left_out(change: dict[str, object]) -> None:
    assert record.entry({**GOOD, **change}) is None


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"1", b'"done"', b"null", b"\xff"])
def test_any_bytes_may_be_on_the_board(payload: bytes) -> None:
    assert record.entry(payload) is None
    assert record.entry(json.dumps(GOOD).encode()) == Entry(**GOOD)


def test_an_export_is_read_again(tmp_path: Path) -> None:
    record.write(tmp_path / "ana.json", {KEY: Entry(**GOOD)})
    assert record.read(tmp_path / "ana.json") == {KEY: Entry(**GOOD)}


@pytest.mark.parametrize("text", [None, "", "[]", "7", "not JSON"])
def test_a_file_of_something_else_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "ana.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(LessonError, match=r"ana\.json.*\n.*lab progress --export"):
        record.read(file)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "lab").write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(LessonError, match=r"progress\.json cannot be written"):
        record.note(tmp_path / "lab", KEY, "done")
