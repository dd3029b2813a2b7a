"""A workshop without internet: a stick is made, and a machine that has nothing but itself installs from it.

The commands are those of WORKSHOP.md. The second half runs in a network namespace of its own, with nothing but
loopback, an empty home and no Mosquitto. Making the stick needs the internet.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from helpers.paths import ROOT
from tests import docs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

UV = shutil.which("uv")
# On a stranger's machine there is no variable of ours, and no folder of wheels that pip might know.
KEPT = ("LANG", "LC_ALL", "TMPDIR")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it is in this folder, committed or not, as a repository to clone."""
    folder = tmp_path_factory.mktemp("origin")
    listed = run("git ls-files --cached --others --exclude-standard", cwd=ROOT).split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git = "git -c user.name=x -c user.email=x@example.org"
    run(f"git init -q && git add -A && {git} commit -q -m x", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def stick(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stick as WORKSHOP.md makes it."""
    if UV is None:
        pytest.skip("uv is not installed")
    folder = tmp_path_factory.mktemp("stick")
    [commands, *_] = docs.blocks("WORKSHOP.md", "Make a stick")
    # `uv run` would make this checkout's environment anew; the programs it would run are beside this Python.
    commands = [each.replace("uv run --with pip pip", "uv run --no-project --with pip pip") for each in commands]
    commands = [each.replace("uv run lab", "lab") for each in commands]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    run(script(commands, folder, origin), cwd=origin, env=env)
    return folder


def script(commands: list[str], stick: Path, origin: Path | None = None) -> str:
    """Put this test's folders where the page leaves a gap."""
    lines = "\n".join(commands).replace("/media/stick", shlex.quote(str(stick)))
    return lines.replace("ADDRESS-OF-THIS-REPOSITORY", shlex.quote(str(origin)))


def run(command: str, *, cwd: Path, env: Mapping[str, str] | None = None, inside: list[str] | None = None) -> str:
    """Run lines of a shell, the first failure being the last line; return what they print."""
    done = subprocess.run(
        [*(inside or []), "bash", "-euo", "pipefail", "-c", command],
        cwd=cwd, env=env, capture_output=True, text=True, timeout=1200, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def cut_off() -> list[str]:
    """What to put in front of a command that shall have no network but loopback."""
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: a network namespace needs util-linux and iproute2")
    namespace = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    inside = [*namespace, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel lets nobody make a network namespace here; root may")
    return inside


def test_a_machine_without_internet_installs_from_a_stick(stick: Path, cut_off: list[str], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    env = {each: os.environ[each] for each in KEPT if each in os.environ}
    env |= {
        "HOME": str(tmp_path / "home"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "LAB_MQTT_PROVIDER": "embedded",  # as on a machine without Mosquitto
        "LAB_INFLUXDB_PROVIDER": "none",
        "LAB_PORTS": "any",
    }
    alone = "! python3 -c 'import socket; socket.create_connection((\"1.1.1.1\", 53), timeout=5)' 2> /dev/null"
    [commands] = docs.blocks("WORKSHOP.md", "Install from the stick")
    try:
        said = run(script([alone, *commands], stick), cwd=tmp_path, env=env, inside=cut_off)
    finally:
        if (tmp_path / "lessons" / ".lab").is_dir():
            run(".venv/bin/lab down", cwd=tmp_path / "lessons", env=env)
    assert "✅ 00" in said
    assert "Apache Artemis" in said
    assert "Ended: MQTT broker, Kafka, Schema registry." in said
    assert not (tmp_path / "home" / ".cache" / "pip" / "http-v2").exists()  # nothing came from elsewhere


# The page says 3.12. Whether there are wheels for the other versions changes with the world, not with this repository.
@pytest.mark.parametrize(
    "python", ["3.12", *(pytest.param(each, marks=pytest.mark.weekly) for each in ("3.11", "3.13", "3.14"))]
)
@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize(
    ("block", "processor"),
    [(1, "arm64"), (2, "x86_64"), (2, "aarch64")],
    ids=["macos-arm64", "linux-x86_64", "linux-aarch64"],
)
def test_every_wheel_exists_for_another_platform(
    block: int, processor: str, python: str, origin: Path, tmp_path: Path
) -> None:
    """The commands for other platforms, but pip only looks whether it could."""
    if UV is None:
        pytest.skip("uv is not installed")
    commands = list(docs.blocks("WORKSHOP.md", "Make a stick"))[block]
    lines = script(commands, tmp_path).replace("3.12", python).replace("x86_64", processor)
    looking = "uv run --no-project --with pip pip install --dry-run --quiet --target"
    lines = lines.replace("uv run --with pip pip download --dest", looking)
    run(f"export STICK={shlex.quote(str(tmp_path))}\n{lines}", cwd=origin)
