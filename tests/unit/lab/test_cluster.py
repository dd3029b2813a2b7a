"""What a scratch cluster refuses before it starts anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers import lab
from helpers.errors import OutOfRangeError
from helpers.lab.errors import LabError
from helpers.lab.runtime import launch, processes


@pytest.mark.parametrize("brokers", [0, 1, 7, "three"])
def test_a_cluster_has_a_few_brokers(brokers: int) -> None:
    with pytest.raises(OutOfRangeError, match="number of brokers"):
        lab.cluster(brokers)


@pytest.mark.parametrize(
    ("megabytes", "remedy"),
    [(600, r"lab down.*`lab\.cluster\(brokers=2\)` fits"), (400, r"lab down` in a terminal\.$")],
)
def test_too_little_memory_is_said_before_anything_starts(
    megabytes: int, remedy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))  # no lab runs there that could pause
    monkeypatch.setattr(processes, "free_memory", lambda: megabytes * 1e6)
    monkeypatch.setattr(launch, "prepare", lambda *_: None)
    monkeypatch.setattr(launch, "launch", lambda *_, **__: pytest.fail("something was started"))
    with pytest.raises(LabError, match=rf"3 Kafka brokers need 700 MB of memory; {megabytes} MB are free") as raised:
        lab.cluster().start()
    assert re.search(remedy, raised.value.remedy)


def test_what_paused_for_a_cluster_stays_down_after_lab_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))  # where no service is recorded, as `lab down` leaves it
    monkeypatch.setattr(processes, "start", lambda *_, **__: pytest.fail("something was started"))
    cluster = lab.cluster()
    cluster._paused = ["kafka", "registry"]
    cluster.close()


def test_an_unknown_broker_is_named() -> None:
    with pytest.raises(LabError, match="no broker 4") as raised:
        lab.cluster()[4]
    assert raised.value.remedy == "Its brokers are 1, 2, 3."
