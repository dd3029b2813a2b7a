"""The room's board: what a notebook notes and shows, with and without the board's broker, and who sees it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import lab
from helpers.board import follow, record
from helpers.board.record import Entry
from helpers.checks import brokers
from helpers.lab.services import mqtt
from tests.integration.lab.conftest import LAB, kernel, run_lab
from tests.waiting import wait_until

FOLLOW = """
from pathlib import Path
from helpers.board.follow import follow
from helpers.checks.result import done, not_yet
from helpers.lab.services import mqtt

class checks:
    exercise_1 = exercise_2 = staticmethod(lambda answer: answer)

broker = mqtt.MqttEndpoint(host="127.0.0.1", port={port}, provider="given")
follow(Path({home!r}), "start_here", broker=broker, make=mqtt.client)
"""


@pytest.fixture
def entries() -> Callable[[Any, str], dict[str, Entry | None]]:
    """What is on the board of a room: by what follows the room's name."""

    def read(services: Any, room: str) -> dict[str, Entry | None]:
        found = brokers.retained(services, f"lab-progress/{room}/#")
        return {topic.split("/", 2)[2]: record.entry(payload) for topic, payload in found.items()}

    return read


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("here")  # scratch brokers are of the tests' kind
def test_no_check_waits_for_the_board_or_fails_without_it(
    tmp_path: Path, lab_env: dict[str, str], entries: Callable[[Any, str], dict[str, Entry | None]]
) -> None:
    env = {**lab_env, "LAB_HOME": str(tmp_path)}
    follow.agree(tmp_path, "monday", "ana")
    with lab.scratch("mqtt") as broker:
        with kernel(env) as notebook:
            notebook.write(FOLLOW.format(port=broker.mqtt.port, home=str(tmp_path)))
            notebook.write('checks.exercise_1(not_yet("nothing came", "publish"))')
            assert notebook.write('checks.exercise_1(done("it came"))') == "✅ it came"
            notebook.write('from helpers.figures import Prediction\nprediction = Prediction("late", "yes", "no")')
            notebook.write('prediction.choice = "b"')

            def shown() -> dict[str, Entry | None]:
                return entries(broker, "monday")

            wait_until(lambda: any("prediction late" in each for each in shown()), "the prediction is on the board")
            found = shown()
            [vote] = [each for each in found if "prediction" in each]
            assert vote.startswith("~")  # no name stands beside a prediction
            assert {*found} == {vote, *(f"ana/start_here/{each}" for each in ("exercise_1", "here", "opened"))}
            exercise = found["ana/start_here/exercise_1"]
            assert exercise
            assert (exercise.state, exercise.tries) == ("done", 2)

            broker.kill()
            assert notebook.write('checks.exercise_2(done("without a board"))') == "✅ without a board"
            assert record.load(tmp_path)["start_here/exercise_2"].state == "done"
            broker.start()
            # paho waits up to two minutes between two attempts.
            wait_until(lambda: "ana/start_here/exercise_2" in shown(), "what was queued is on the board", timeout=240)

        def away() -> bool:
            here = shown().get("ana/start_here/here")
            return here is None or here.state == "away"

        wait_until(away, "the last will says that the learner is away")
        assert "ana/start_here/exercise_2" in shown()


def test_the_board_is_served_survives_a_reset_and_is_forgotten(
    lab_env: dict[str, str], here: Any, unique: Callable[[str], str], entries: Any
) -> None:
    room, client = unique("room"), mqtt.client(here.mqtt)
    entry = record.Entry.now("done")
    topic = f"lab-progress/{room}/ana/start_here/exercise_1"
    with mqtt.connected(client, here.mqtt):
        client.publish(topic, json.dumps(entry._asdict()), qos=1, retain=True).wait_for_publish(30)
        client.publish(f"lab-progress/{room}/ana/start_here/junk", "junk", qos=1, retain=True).wait_for_publish(30)
    assert run_lab(lab_env, "reset", "--all").returncode == 0

    command = [LAB, "board", "--port", "0"]
    with subprocess.Popen(command, env=lab_env, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) as process:
        try:
            said = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline() if process.stdout else "")
            assert said

            def served() -> dict[str, Any]:
                with urllib.request.urlopen(f"{said[0]}entries", timeout=30) as answer:  # noqa: S310
                    found: dict[str, Any] = json.load(answer)["entries"]
                return {key: each for key, each in found.items() if f"/{room}/" in key}

            wait_until(served, "the entry is served")
            assert served() == {topic: entry._asdict()}
        finally:
            process.terminate()
            process.wait(60)
    assert "Entries deleted: " in run_lab(lab_env, "board", "--forget").stdout
    assert entries(here, room) == {}


def test_progress_is_shown_reported_and_exported(tmp_path: Path) -> None:
    env = {**os.environ, "LAB_HOME": str(tmp_path)}
    assert "Your next lesson: 00 Start here" in run_lab(env, "progress").stdout
    record.note(tmp_path, "start_here/exercise_1", "done")
    record.note(tmp_path, "start_here/exercise_2", "done")
    assert "Your next lesson: 02 Publish with MQTT" in run_lab(env, "progress", "--path", "embedded").stdout
    assert "| 00 Start here | 2 of 2 | 2 |" in run_lab(env, "progress", "--report").stdout
    file = tmp_path / "ana.json"
    assert "On the board you are ana" in run_lab(env, "progress", "--export", str(file)).stdout
    assert record.read(file) == record.load(tmp_path)
    (tmp_path / "b").mkdir()
    record.write(tmp_path / "b" / "ana.json", {})
    answer = run_lab(env, "board", str(file), str(tmp_path / "b" / "ana.json"))
    assert answer.returncode == 2
    assert "FILES: several named ana" in answer.stderr
    answer = run_lab(env, "board", str(file), "--forget")
    assert answer.returncode == 2
    assert "--forget: it deletes from the broker, not FILES" in answer.stderr
    answer = run_lab(env, "board", str(tmp_path / "ben.json"))
    assert answer.returncode == 1
    assert "ben.json does not hold a learner's progress" in answer.stderr
