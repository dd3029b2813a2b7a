"""What leaves a notebook: nothing without a yes; with it, states, tries and times, and predictions without a name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers import kernel, running
from helpers.board import follow, record
from helpers.checks.result import Result, done, not_yet
from helpers.figures.prediction import Prediction

SECRET = "password = 'swordfish'"


class Client:
    """Stands for paho's client: keeps what is published, and never connects."""

    def __init__(self) -> None:
        self.retained: dict[str, str] = {}
        self.will: tuple[str, str] = ("", "")
        self.on_connect: Callable[..., None] = lambda *_: None

    def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
        assert (qos, retain) == (1, True)
        self.retained[topic] = payload

    def will_set(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
        assert (qos, retain) == (1, True)
        self.will = topic, payload

    def connect_async(self, host: str, port: int, *, keepalive: int) -> None:
        assert (host, port, keepalive) == ("board", 1883, 30)

    def loop_start(self) -> None: ...

    def disconnect(self) -> None: ...


class Notebook:
    """Stands for IPython: runs the callbacks that are registered for the end of a cell."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any], None]] = []
        self.events = SimpleNamespace(
            register=lambda _event, callback: self.callbacks.append(callback),
            unregister=lambda _event, callback: self.callbacks.remove(callback),
        )

    def run(self, source: str, result: Result | None = None) -> None:
        for each in self.callbacks:
            each(SimpleNamespace(info=SimpleNamespace(raw_cell=source), result=result))


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    shell = Notebook()
    monkeypatch.setattr(kernel, "ipython", lambda: shell)
    monkeypatch.setattr(Prediction, "asked", {})
    monkeypatch.setattr(running, "_ends", {})
    return shell


def followed(home: Path) -> Client:
    client = Client()
    follow.follow(home, "start_here", broker=SimpleNamespace(host="board", port=1883), make=lambda _broker: client)
    return client


def test_after_a_yes_states_leave_and_never_code(tmp_path: Path, notebook: Notebook) -> None:
    follow.agree(tmp_path, "monday", "ana")
    client = followed(tmp_path)
    client.on_connect()
    notebook.run(f"{SECRET}\nchecks.exercise_1(watch)", not_yet("Nothing came.", "Try publish."))
    notebook.run(f"{SECRET}\nchecks.exercise_1(watch)", done("It came."))
    notebook.run(SECRET)
    mine = {topic.removeprefix("lab-progress/monday/ana/start_here/"): each for topic, each in client.retained.items()}
    assert {*mine} == {"opened", "here", "exercise_1"}
    assert {*json.loads(mine["exercise_1"])} == {"state", "tries", "first", "last"}
    assert not [each for each in mine.values() if "swordfish" in each or "publish" in each or "came" in each]
    assert client.will[0] == "lab-progress/monday/ana/start_here/here"
    assert json.loads(client.will[1])["state"] == "away"
    running.end()
    assert client.retained["lab-progress/monday/ana/start_here/here"] == ""
    assert notebook.callbacks == []


def test_a_prediction_is_counted_without_a_name(tmp_path: Path, notebook: Notebook) -> None:
    follow.agree(tmp_path, "monday", "ana")
    client = followed(tmp_path)
    prediction, _unanswered = Prediction("late", "yes", "no"), Prediction("early", "yes", "no")
    notebook.run("prediction")
    for choice in "ab":  # the room votes, discusses, and votes again, before any other cell runs
        prediction.choice = choice
        [(topic, payload)] = [(topic, each) for topic, each in client.retained.items() if "prediction" in topic]
        assert topic.split("/")[2].startswith("~")
        assert "ana" not in topic
        assert json.loads(payload)["state"] == choice
    client.retained.clear()
    notebook.run("print(prediction)")
    assert client.retained == {}  # only what changed is published


def test_without_a_yes_it_is_noted_here_only(tmp_path: Path, notebook: Notebook) -> None:
    client = followed(tmp_path)
    notebook.run("checks.exercise_2(watch)", done("It came."))
    assert client.retained == {}
    assert {key: each.state for key, each in record.load(tmp_path).items()} == {
        "start_here/opened": "opened",
        "start_here/exercise_2": "done",
    }


@pytest.mark.parametrize("source", ["checks.exercise_1", "exercise_1(watch)", "", None])
def test_only_checks_are_noted(tmp_path: Path, notebook: Notebook, source: str) -> None:
    followed(tmp_path)
    notebook.run(source, done("It came."))
    notebook.run("checks.exercise_1(watch)", None)  # a check that raised
    assert [*record.load(tmp_path)] == ["start_here/opened"]


def test_a_run_in_which_no_one_learns_is_not_noted(
    tmp_path: Path, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_UNATTENDED", "1")
    followed(tmp_path)
    assert notebook.callbacks == []
    assert record.load(tmp_path) == {}


def test_a_check_does_not_fail_where_nothing_can_be_noted(tmp_path: Path, notebook: Notebook) -> None:
    home = tmp_path / "lab"
    home.write_text("a file, not a folder", encoding="utf-8")
    followed(home)
    notebook.run("checks.exercise_1(watch)", done("It came."))


def test_who_joins_anew_without_the_board_is_off_it(tmp_path: Path) -> None:
    follow.agree(tmp_path, "monday", "ana")
    assert follow.agreed(tmp_path)[:2] == ["monday", "ana"]
    follow.agree(tmp_path, "", "ana")
    assert follow.agreed(tmp_path) == []
