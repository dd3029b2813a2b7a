"""Class-data archives: a JVM maps the classes of an earlier start into memory, which halves the time of its start.

A JVM that has no archive yet lists the classes that it loads; from this list :func:`make` writes the archive into the
cache. It fits one Java and one class path. A JVM that finds it damaged or made by another Java ignores it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil
from filelock import FileLock

from helpers.lab.runtime import artifacts, processes

_LIST = "classes.txt"
_RECORD = f"-XX:DumpLoadedClassList={_LIST}"
_COMMON = ("-XX:+UseSerialGC", "-XX:+IgnoreUnrecognizedVMOptions")


def add(command: list[str], cache: Path, *, short_lived: bool = False) -> list[str]:
    """Return a Java command with the flags that use its archive or record its classes; other commands as they are.

    ``short_lived``: compile quickly rather than well, which halves the work of a start and costs peak throughput. A
    benchmark sets ``JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=4`` to have its scratch brokers compile well.
    """
    if not (start := _class_path(command)):
        return command
    file = _file(command[0], start, cache)
    # Verifying reads the file once, 0.03 s of CPU: without it a damaged one would crash the JVM.
    flags = [f"-XX:SharedArchiveFile={file}", "-XX:+VerifySharedSpaces"] if file.is_file() else [_RECORD]
    if short_lived and "TieredStopAtLevel" not in os.environ.get("JDK_JAVA_OPTIONS", ""):
        flags.append("-XX:TieredStopAtLevel=1")
    return [command[0], *_COMMON, *flags, *command[1:]]


def make(pid: int, cache: Path) -> None:
    """Write the archive of a running JVM that records its classes; do nothing for any other process.

    Raises:
        NotWritable: The cache folder cannot be written.
        subprocess.SubprocessError: Java did not write it.
    """
    if not (command := _recording(pid)):
        return
    start, folder = _class_path(command), Path(psutil.Process(pid).cwd())
    file = _file(command[0], start, cache)
    with artifacts.staging(cache) as staging:
        file.parent.mkdir(exist_ok=True)
        with FileLock(file.with_suffix(".lock")):
            if not file.is_file():  # another lab may have been faster
                flags = [f"-XX:SharedClassListFile={folder / _LIST}", "-XX:SharedArchiveFile=new.jsa", "-Xshare:dump"]
                dump, env = [command[0], *_COMMON, *flags, *start], {**os.environ, **processes.LOCALE}
                subprocess.run(dump, cwd=staging, env=env, timeout=300, check=True, capture_output=True)
                (staging / "new.jsa").replace(file)


def make_later(pids: Iterable[int], cache: Path, folder: Path) -> None:
    """Write the archives of those that record, if any, in a process of its own, which works in ``folder``."""
    if recording := [str(each) for each in pids if _recording(each)]:
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", __name__, str(cache), *recording]
        processes.start(command, log=folder / "log.txt", folder=folder)


def _recording(pid: int) -> list[str]:
    """Return the command of a JVM that records its classes; an empty list for any other process."""
    with contextlib.suppress(psutil.Error):
        if _RECORD in (command := psutil.Process(pid).cmdline()):
            return command
    return []


def _class_path(command: list[str]) -> list[str]:
    """Return the two words of a Java command that say where its classes are."""
    where = next((at for at, word in enumerate(command) if word in {"-cp", "-jar"}), 0)
    return command[where : where + 2] if where and Path(command[0]).stem == "java" else []


def _file(java: str, start: list[str], cache: Path) -> Path:
    """Return where the archive of this Java and these jars lies. Another Java of the same build may use it too."""
    files = (each for each in map(Path, (java, *start[1].split(os.pathsep))) if each.exists())
    key = [_COMMON, start, [(status.st_size, status.st_mtime_ns) for status in map(Path.stat, files)]]
    return cache / "archives" / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.jsa"


if __name__ == "__main__":
    # `lab down` ends this; what is half written is then deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(os, "nice"):
        os.nice(10)  # the lesson goes first
    for number in sys.argv[2:]:
        make(int(number), Path(sys.argv[1]))
