"""While a lesson is open: note what its checks answer, and show it on the room's board, if the learner agreed to that.

The board's MQTT client has a thread of its own, and publishing only queues. So no cell waits for the board's broker;
while that is away the client waits for it, and sends later.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from helpers import kernel, running
from helpers.board.record import Entry, note
from helpers.checks.result import Result
from helpers.errors import LessonError
from helpers.lessons import BOARD

_CHECK = re.compile(r"\bchecks\.(exercise_\d)\(")
_STATES = {"At work": "here", "I need a hand": "hand", "I am done": "finished"}


def agree(home: Path, room: str, name: str) -> None:
    """Remember that the learner wants to be on the board of a room under a name; without a room, on none."""
    (home / "board.json").unlink(missing_ok=True)
    if room:  # predictions are counted under a word that says nothing
        (home / "board.json").write_text(json.dumps([room, name, f"~{secrets.token_hex(4)}"]), encoding="utf-8")


def agreed(home: Path) -> list[str]:
    """Return the room, the learner's name, and the word under which predictions are counted; or nothing."""
    with suppress(OSError, ValueError):
        return [str(each) for each in json.loads((home / "board.json").read_text(encoding="utf-8"))]
    return []


def follow(home: Path, lesson: str, *, broker: Any, make: Callable[[Any], Any]) -> None:  # noqa: ANN401
    """Note from now on what this notebook's checks answer.

    ``broker`` is the board's, with ``host`` and ``port``, or None; ``make`` makes an MQTT client for it.
    """
    if not (shell := kernel.ipython()) or "LAB_UNATTENDED" in os.environ:  # `lab run` sets it
        return
    say = _on_board(home, lesson, broker, make) if broker and agreed(home) else lambda *_: None

    def noted(what: str, state: str) -> None:
        with suppress(LessonError):  # no check fails because of a full disk
            say(what, note(home, f"{lesson}/{what}", state))

    def vote(change: Any) -> None:  # noqa: ANN401  a Prediction's; at once, so that a room sees it before the answer
        say(f"prediction {change.owner.name}", Entry.now(change.new))

    def after(run: Any) -> None:  # noqa: ANN401  IPython's ExecutionResult
        if (found := _CHECK.search(run.info.raw_cell or "")) and isinstance(run.result, Result):
            noted(found[1], "done" if run.result.passed else "not yet")
        # Not imported here, which takes a second: a lesson that asks for predictions has done so.
        figures = sys.modules.get("helpers.figures.prediction")
        for each in figures.Prediction.asked.values() if figures else ():
            each.observe(vote, "choice")  # once, however many cells run

    shell.events.register("post_run_cell", after)
    running.beside("progress", lambda: shell.events.unregister("post_run_cell", after))
    noted("opened", "opened")


def _on_board(home: Path, lesson: str, broker: Any, make: Callable[[Any], Any]) -> Callable[[str, Entry], None]:  # noqa: ANN401
    """Connect in the background, show the learner's three buttons, and return how to publish an entry.

    The last will says that its learner is away when the notebook is closed. (Artemis ignores a will without a payload.)
    """
    import ipywidgets as widgets
    from IPython.display import display

    room, name, ballot = agreed(home)
    client, here = make(broker), f"{BOARD}/{room}/{name}/{lesson}/here"
    wide = widgets.Layout(width="max-content")
    buttons = widgets.RadioButtons(description="On the board", options=_STATES, orientation="horizontal", layout=wide)

    def say(what: str, entry: Entry) -> None:
        who = ballot if what.startswith("prediction ") else name
        client.publish(f"{BOARD}/{room}/{who}/{lesson}/{what}", json.dumps(entry._asdict()), qos=1, retain=True)

    def show(*_: object) -> None:
        say("here", Entry.now(buttons.value))

    buttons.observe(show, "value")
    client.on_connect = show
    client.will_set(here, json.dumps(Entry.now("away")._asdict()), qos=1, retain=True)
    client.connect_async(broker.host, broker.port, keepalive=30)
    client.loop_start()
    running.beside("board", lambda: client.publish(here, "", qos=1, retain=True), client.disconnect)
    display(buttons)  # type: ignore[no-untyped-call]
    return say
