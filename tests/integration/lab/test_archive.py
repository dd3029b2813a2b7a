"""A JVM starts from its class-data archive where there is a good one, and starts all the same where there is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from helpers import lab
from helpers.lab.errors import NotWritable
from helpers.lab.runtime import archive, processes
from helpers.lab.scratch.broker import Scratch


def with_downloads(folder: Path) -> Path:
    """Make a cache with the downloads and no archives."""
    folder.mkdir(exist_ok=True)
    (folder / "artifacts").symlink_to(lab.Settings.from_environment().cache / "artifacts", target_is_directory=True)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = with_downloads(tmp_path / "cache")
    monkeypatch.setenv("LAB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of Artemis, the smallest, in a cache of its own."""
    folder = with_downloads(tmp_path_factory.mktemp("made"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_CACHE", str(folder))
        with artemis() as broker:
            archive.make(broker.pid, folder)
    (file,) = archives(folder)
    return file


def artemis() -> Scratch:
    return lab.scratch("mqtt", provider="artemis")


def mapped(broker: Scratch) -> bool:
    """Whether the broker's JVM has an archive mapped into its memory."""
    return any(each.path.endswith(".jsa") for each in psutil.Process(broker.pid).memory_maps())


def archives(cache: Path) -> list[Path]:
    return list((cache / "archives").glob("*.jsa"))


@pytest.mark.skipif(sys.platform != "linux", reason="by design: only Linux says what a process has mapped")
def test_the_second_start_uses_what_the_first_one_recorded(cache: Path) -> None:
    with artemis() as broker:
        assert not mapped(broker)
        archive.make(broker.pid, cache)
    (file,) = archives(cache)
    with artemis() as broker:
        assert mapped(broker)
        archive.make(broker.pid, cache)
    assert archives(cache) == [file]


def truncated(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def damaged(whole: bytes) -> bytes:
    middle = len(whole) // 2
    return whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 4096]) + whole[middle + 4096 :]


def of_another_java(whole: bytes) -> bytes:
    return whole.replace(b"OpenJDK 64-Bit Server VM", b"ClosedJDK 64-Bit Server V", 1)


def no_archive(_: bytes) -> bytes:
    return b"not an archive"


@pytest.mark.skipif(sys.platform != "linux", reason="by design: only Linux says what a process has mapped")
@pytest.mark.parametrize("spoil", [truncated, damaged, of_another_java, no_archive])
def test_an_archive_that_does_not_fit_is_ignored(
    made: Path, spoil: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made.read_bytes()
    monkeypatch.setenv("LAB_CACHE", str(made.parents[1]))
    status = made.stat()
    try:
        made.write_bytes(spoil(whole))
        assert made.read_bytes() != whole
        with artemis() as broker:
            assert not mapped(broker)
    finally:
        made.write_bytes(whole)
        os.utime(made, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_cache_that_cannot_be_written_stops_no_start(cache: Path) -> None:
    (cache / "archives").write_text("a file where the folder should be")
    with artemis() as broker, pytest.raises(NotWritable):
        archive.make(broker.pid, cache)


def test_the_first_start_of_a_lab_makes_archives_and_its_end_ends_that(cache: Path, own_env: dict[str, str]) -> None:
    own = lab.Settings.from_environment({**own_env, "LAB_CACHE": str(cache), "LAB_MQTT_PROVIDER": "embedded"})
    place = own.home / "archive"
    lab.up(own, only=["mqtt"])
    assert list(processes.started_in([place]))
    lab.down(own)
    assert not list(processes.started_in([place]))
    assert [each.name for each in cache.iterdir() if each.name.startswith(".arriving")] == []


def test_what_is_not_java_is_started_as_it_is(tmp_path: Path) -> None:
    command = ["/usr/sbin/mosquitto", "-c", "mosquitto.conf"]
    assert archive.add(command, tmp_path, short_lived=True) == command
