"""A new Kafka starts with what its own tool would have given it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from helpers import lab
from helpers.lab.runtime.program import Instance, jars, jvm
from helpers.lab.services.table import PROGRAMS

TOOL = "kafka.tools.StorageTool"


def features(folder: Path) -> dict[str, int]:
    """The feature levels in a checkpoint: a name that ends in ``.version``, and two bytes."""
    checkpoint = (folder / "bootstrap.checkpoint").read_bytes()
    found = re.findall(rb"([a-z.]+\.version)(..)", checkpoint, re.DOTALL)
    return {name.decode(): int.from_bytes(level) for name, level in found}


def properties(folder: Path) -> dict[str, str]:
    lines = (folder / "meta.properties").read_text(encoding="utf-8").splitlines()
    return {key: value for key, _, value in (line.partition("=") for line in lines if "=" in line)}


def test_a_data_folder_is_as_the_storage_tool_makes_it(tmp_path: Path) -> None:
    cache = lab.Settings.from_environment().cache
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        PROGRAMS["kafka"].command(Instance(folder=folder, cache=cache, ports=(19092, 19093)))
    for file in (theirs / "data").iterdir():
        file.unlink()
    arguments = ["format", "-t", properties(ours / "data")["cluster.id"], "-c", "kafka.properties"]
    command = [*jvm("-XX:TieredStopAtLevel=1"), "-cp", jars("kafka", cache), TOOL, *arguments]
    subprocess.run(command, cwd=theirs, check=True, timeout=60, capture_output=True)
    assert features(ours / "data") == features(theirs / "data")
    assert len(features(ours / "data")) > 3
    one, other = properties(ours / "data"), properties(theirs / "data")
    assert len(one.pop("directory.id")) == len(other.pop("directory.id")) == 22
    assert one == other
