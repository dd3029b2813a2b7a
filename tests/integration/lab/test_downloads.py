"""What reaches the cache is whole and is what was tested, or it does not reach it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jgo.maven._core as maven
import pytest

from helpers.lab.errors import ChecksumError, DownloadError, NotWritable
from helpers.lab.runtime import artifacts, ports
from helpers.lab.runtime.artifacts import Artifact

BODY = b"not really a jar, but as long as some" * 1000
ONE = Artifact(
    service="kafka", group="org.example", name="one", version="1.0", classifier="", packaging="jar", size=len(BODY),
    sha256=hashlib.sha256(BODY).hexdigest(),
)  # fmt: skip


class Repository(ThreadingHTTPServer):
    """A Maven repository that holds one file and may misbehave."""

    body = BODY
    cut = 0
    asked = 0


class Handler(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        if not self.path.endswith(".jar"):
            self.send_error(404)
            return
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body[: self.server.cut or None])
        self.close_connection = True

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    with Repository(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setitem(maven.DEFAULT_REMOTE_REPOS, "central", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()


def files(cache: Path) -> list[str]:
    return [each.name for each in cache.rglob("*") if each.is_file()]


def test_a_file_arrives_once_and_is_counted(repository: Repository, tmp_path: Path) -> None:
    arrived: list[int] = []
    artifacts.fetch([ONE], tmp_path, advance=arrived.append)
    artifacts.fetch([ONE], tmp_path, advance=arrived.append)
    assert ONE.path(tmp_path).read_bytes() == BODY
    assert sum(arrived) == len(BODY)
    assert repository.asked == 1


def test_a_download_that_breaks_off_leaves_nothing_and_may_be_repeated(repository: Repository, tmp_path: Path) -> None:
    repository.cut = len(BODY) // 2
    with pytest.raises(DownloadError, match="could not be downloaded"):
        artifacts.fetch([ONE], tmp_path)
    assert files(tmp_path) == []
    repository.cut = 0
    artifacts.fetch([ONE], tmp_path)
    assert artifacts.missing([ONE], tmp_path) == []


def test_a_file_that_is_not_the_tested_one_is_thrown_away(repository: Repository, tmp_path: Path) -> None:
    repository.body = BODY[:-1] + b"!"
    with pytest.raises(ChecksumError, match=f"SHA-256 is .*, not {ONE.sha256[:12]}"):
        artifacts.fetch([ONE], tmp_path)
    assert files(tmp_path) == []


def test_without_a_network_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(maven.DEFAULT_REMOTE_REPOS, "central", f"http://127.0.0.1:{ports.any_free()}")
    with pytest.raises(DownloadError, match="lab prefetch --from"):
        artifacts.fetch([ONE], tmp_path)


def test_a_truncated_file_in_the_cache_counts_as_missing(tmp_path: Path) -> None:
    path = ONE.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY[:10])
    assert artifacts.missing([ONE], tmp_path) == [ONE]


def test_a_stick_brings_files_and_is_not_trusted(repository: Repository, tmp_path: Path) -> None:
    stick, cache = tmp_path / "stick", tmp_path / "cache"
    with pytest.raises(DownloadError, match="does not hold it"):
        artifacts.copy([ONE], stick, cache)
    artifacts.fetch([ONE], stick)
    artifacts.copy([ONE], stick, cache)
    assert ONE.path(cache).read_bytes() == BODY
    ONE.path(stick).write_bytes(BODY[:-1] + b"!")
    with pytest.raises(ChecksumError):
        artifacts.copy([ONE], stick, tmp_path / "other")
    assert repository.asked == 1


def test_a_cache_that_cannot_be_written_is_named(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotWritable, match="LAB_CACHE"):
        artifacts.fetch([ONE], tmp_path / "file" / "cache")
    assert repository.asked == 0


def test_a_file_that_was_damaged_is_discarded_and_a_whole_one_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "listed", lambda *_: [ONE])
    path = ONE.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)
    assert artifacts.discard_damaged("kafka", tmp_path) == []
    path.write_bytes(bytes(len(BODY)))
    assert artifacts.missing([ONE], tmp_path) == []
    assert artifacts.discard_damaged("kafka", tmp_path) == [ONE.filename]
    assert artifacts.missing([ONE], tmp_path) == [ONE]
