"""What lesson 15 needs around its engine: answers compared with the right ones, and a run that can be interrupted."""

from __future__ import annotations

import json
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.streams import fates, interruptible


def record(topic: str, key: str, seconds: float, value: object) -> Any:
    return SimpleNamespace(
        topic=lambda: f"run-1-operator-{topic}",
        key=key.encode,
        timestamp=lambda: (1, int(seconds * 1000)),
        value=lambda: json.dumps(value).encode(),
    )


def test_each_answer_has_one_fate() -> None:
    expected = {("alarms", "G-001", each): {"litres": 40} for each in (1.0, 2.0, 3.0, 4.0)}
    found = [record("alarms", "G-001", each, {"litres": 40}) for each in (1, 2, 2)]
    found += [record("alarms", "G-001", 4, {"litres": 41}), record("windows", "G-001", 1, {})]
    assert fates(expected, found) == {
        ("alarms", "G-001", 1.0): "once",
        ("alarms", "G-001", 2.0): "repeated",
        ("alarms", "G-001", 3.0): "lost",
        ("alarms", "G-001", 4.0): "wrong",
        ("windows", "G-001", 1.0): "wrong",
    }


def engine_runs(*, interrupted: bool) -> None:
    """What ``Application.run`` does with signals: it takes both, and gives SIGINT up once it was interrupted."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: signal.signal(signal.SIGINT, signal.default_int_handler))
    if interrupted:
        signal.raise_signal(signal.SIGINT)


def test_a_run_gives_signals_back() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with interruptible():
        engine_runs(interrupted=False)
    with pytest.raises(KeyboardInterrupt), interruptible():
        engine_runs(interrupted=True)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)  # before the engine runs
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_engine_does_with_signals_what_the_test_says() -> None:
    from quixstreams import Application

    app: Any = SimpleNamespace(stop=lambda: None, _on_sigterm=None)
    app._on_sigterm = app._on_sigint = lambda *_: Application._on_sigint(app)

    def run() -> None:
        Application._setup_signal_handlers(app)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), interruptible():
        run()
