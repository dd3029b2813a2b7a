"""The list of what is downloaded, and the cache: a file is in it whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from helpers.lab.errors import ChecksumError, DownloadError, NotWritable
from helpers.lab.runtime.artifacts import Artifact, copy, listed, missing, unpacked
from helpers.lab.services.table import PROGRAMS


def artifact(content: bytes, name: str = "thing", packaging: str = "jar") -> Artifact:
    digest = hashlib.sha256(content).hexdigest()
    return Artifact("kafka", "org.example", name, "1.0", "", packaging, len(content), digest)


def put(each: Artifact, folder: Path, content: bytes) -> Path:
    path = each.path(folder)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_each_entry_is_complete() -> None:
    for each in listed():
        assert re.fullmatch(r"[0-9a-f]{64}", each.sha256), each
        assert re.fullmatch(r"[\w.-]+", each.filename), each
        assert each.size > 0
        assert each.packaging in {"jar", "tar.gz"}
        assert "SNAPSHOT" not in each.version


def test_each_program_that_downloads_has_entries_and_each_entry_a_program() -> None:
    assert {each.service for each in listed()} == {each.artifacts for each in PROGRAMS.values() if each.artifacts}


def test_a_service_has_each_jar_once() -> None:
    for service in {each.service for each in listed()}:
        names = [(each.group, each.name, each.classifier) for each in listed(service)]
        assert len(names) == len(set(names))


def test_the_services_are_those_that_were_asked_for() -> None:
    assert {each.service for each in listed("kafka", "artemis")} == {"kafka", "artemis"}
    assert listed("kafka")[0] in listed()


def test_the_registry_is_one_archive() -> None:
    (archive,) = listed("apicurio")
    assert archive.filename.endswith("-all.tar.gz")


def test_all_together_is_what_the_message_says() -> None:
    """About 225 MB, says the remedy when there is no network."""
    unique = {each.sha256: each.size for each in listed()}
    assert 200e6 < sum(unique.values()) < 250e6


def test_what_two_services_share_is_fetched_once(tmp_path: Path) -> None:
    one = artifact(b"same")
    assert missing([one, one], tmp_path) == [one]


@pytest.mark.parametrize("content", [None, b"", b"half", b"too long by far"])
def test_what_is_not_whole_is_missing(tmp_path: Path, content: bytes | None) -> None:
    each = artifact(b"whole thing")
    if content is not None:
        put(each, tmp_path, content)
    assert missing([each], tmp_path) == [each]


def test_what_is_there_is_not_missing(tmp_path: Path) -> None:
    each = artifact(b"whole thing")
    put(each, tmp_path, b"whole thing")
    assert missing([each], tmp_path) == []


def test_a_copy_is_verified_and_arrives_whole(tmp_path: Path) -> None:
    each = artifact(b"whole thing")
    put(each, tmp_path / "stick", b"whole thing")
    advanced: list[int] = []
    copy([each], tmp_path / "stick", tmp_path / "cache", advance=advanced.append)
    assert each.path(tmp_path / "cache").read_bytes() == b"whole thing"
    assert sum(advanced) == each.size
    assert only_artifacts(tmp_path / "cache")


def test_a_damaged_copy_never_enters_the_cache(tmp_path: Path) -> None:
    each = artifact(b"whole thing")
    put(each, tmp_path / "stick", b"WHOLE thing")
    found = hashlib.sha256(b"WHOLE thing").hexdigest()
    with pytest.raises(ChecksumError, match=f"is {found[:12]}…, not {each.sha256[:12]}"):
        copy([each], tmp_path / "stick", tmp_path / "cache")
    assert missing([each], tmp_path / "cache") == [each]
    assert only_artifacts(tmp_path / "cache")


def test_a_copy_that_is_cut_short_never_enters_the_cache(tmp_path: Path) -> None:
    each = artifact(b"whole thing")
    put(each, tmp_path / "stick", b"whole")
    with pytest.raises(DownloadError, match="only 5 of its 11 bytes"):
        copy([each], tmp_path / "stick", tmp_path / "cache")
    assert missing([each], tmp_path / "cache") == [each]


def test_a_folder_that_lacks_a_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="lab prefetch --to"):
        copy([artifact(b"whole thing")], tmp_path, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    each = artifact(b"whole thing")
    put(each, tmp_path / "stick", b"whole thing")
    (tmp_path / "cache").write_text("a file in its place")
    with pytest.raises(NotWritable, match="LAB_CACHE") as caught:
        copy([each], tmp_path / "stick", tmp_path / "cache")
    assert str(tmp_path / "cache") in caught.value.cause


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = artifact(b"whole thing")
    put(each, tmp_path / "stick", b"whole thing")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(NotWritable, match="No space left"):
        copy([each], tmp_path / "stick", tmp_path / "cache")
    assert only_artifacts(tmp_path / "cache")


def test_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    packed = archive({"lib/a.txt": b"a", "run.jar": b"r"})
    each = artifact(packed, packaging="tar.gz")
    path = put(each, tmp_path, packed)
    folder = unpacked(each, tmp_path)
    assert (folder / "lib" / "a.txt").read_bytes() == b"a"
    path.unlink()
    assert unpacked(each, tmp_path) == folder
    assert only_artifacts(tmp_path)


def test_an_archive_unpacked_half_way_is_unpacked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = archive({"run.jar": b"r"})
    each = artifact(packed, packaging="tar.gz")
    put(each, tmp_path, packed)

    def full(_: tarfile.TarFile, path: Path) -> None:
        path.mkdir()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extractall", full)
        with pytest.raises(NotWritable, match="No space left"):
            unpacked(each, tmp_path)
    assert (unpacked(each, tmp_path) / "run.jar").read_bytes() == b"r"


def test_two_that_unpack_at_once_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = archive({"run.jar": b"r"})
    each = artifact(packed, packaging="tar.gz")
    put(each, tmp_path, packed)
    extract = tarfile.TarFile.extractall

    def slowly(self: tarfile.TarFile, path: Path) -> None:
        extract(self, path)
        with monkeypatch.context() as patch:  # the other one is quicker
            patch.setattr(tarfile.TarFile, "extractall", extract)
            unpacked(each, tmp_path)

    monkeypatch.setattr(tarfile.TarFile, "extractall", slowly)
    assert (unpacked(each, tmp_path) / "run.jar").read_bytes() == b"r"
    assert only_artifacts(tmp_path)


def archive(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def only_artifacts(cache: Path) -> bool:
    """Nothing half-finished is left behind."""
    return {each.name for each in cache.iterdir()} <= {"artifacts"}
