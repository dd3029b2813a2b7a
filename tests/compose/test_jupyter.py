"""The profile ``jupyter``: lessons run in a container beside the brokers, which they know by their names."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import yaml

from helpers.paths import ROOT
from tests.compose import stand_ins
from tests.compose.stack import DOCKERFILE, IMAGES, Stack


@pytest.fixture(scope="module")
def stack(
    new_stack: Callable[[], Stack], tmp_path_factory: pytest.TempPathFactory, *, real_images: bool
) -> Iterator[Stack]:
    stack = new_stack()
    if not real_images:
        override = tmp_path_factory.mktemp("jupyter") / "override.yml"
        override.write_text(yaml.safe_dump({"services": {"jupyter": mounted()}}).replace("'!reset'", "!reset null"))
        stack.files.append(override)
    stack.up("jupyter", profiles=["jupyter"])
    yield stack
    stack.down(wipe=True)


def mounted() -> dict[str, object]:
    """The service with this checkout and this Python mounted in place of what the Dockerfile would have installed."""
    environment = dict(re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE))))
    command = re.findall(r"^CMD (\[.*\])$", DOCKERFILE.replace("\\\n", ""), re.MULTILINE)[0]
    # One by one: in a folder that is read-only as a whole, the engine could make no place for the volume `mine`.
    copied = [name for each in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE) for name in each.split()]
    here = {str(path) for path in (ROOT, Path(sys.prefix), Path(sys.base_prefix)) if path != Path("/usr")}
    return {
        "build": "!reset",
        "image": next(each for each in IMAGES if each.startswith("python:")),
        "user": "0",  # a checkout may be somewhere that only its owner may enter
        "working_dir": "/lessons",
        "command": json.loads(command),
        "environment": {
            **environment,
            "PATH": f"{Path(sys.prefix, 'bin')}:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": "/lessons",  # not the checkout, where this Python finds the helpers
        },
        "volumes": [
            *(f"{each}:{each}:ro" for each in here),
            *(f"{ROOT / each}:/lessons/{each}:ro" for each in copied),
            f"{stand_ins.KEPT}:/opt/lab:ro",
        ],
    }


def test_the_log_has_the_address_and_only_its_token_opens_it(stack: Stack) -> None:
    log = stack.compose("logs", "--no-color", "jupyter")
    port = stack.port["jupyter"]
    [token] = set(re.findall(rf"http://127\.0\.0\.1:{port}/lab/tree/notebooks/00_start_here\.ipynb\?token=(\w+)", log))
    with urlopen(f"http://127.0.0.1:{port}/api/kernelspecs?token={token}", timeout=20) as answer:
        assert "python3" in json.load(answer)["kernelspecs"]
    with pytest.raises(HTTPError, match="403"):
        urlopen(f"http://127.0.0.1:{port}/api/kernelspecs", timeout=20)


def test_the_lab_is_given_every_service(stack: Stack) -> None:
    answer = json.loads(stack.compose("exec", "-T", "jupyter", "lab", "status", "--json"))
    assert {each["service"]: (each["address"], each["ready"]) for each in answer} == {
        "mqtt": ("mqtt://mqtt:1883", True),
        "kafka": ("kafka:19092", True),
        "registry": ("http://registry:8080/apis/ccompat/v7", True),
        "influxdb": ("http://influxdb:8086", True),
    }


@pytest.mark.parametrize("lesson", ["00", "10"])
def test_a_lesson_runs(stack: Stack, lesson: str) -> None:
    assert "✅" in stack.compose("exec", "-T", "jupyter", "lab", "run", lesson)


def test_what_learners_keep_outlives_the_container(stack: Stack) -> None:
    kept = "/lessons/mine/runbook.md", "/learner/lab/progress.json"
    for file in kept:
        stack.compose("exec", "-T", "jupyter", "sh", "-c", f"mkdir -p $(dirname {file}) && echo kept > {file}")
    stack.compose("--profile", "jupyter", "up", "--force-recreate", "--no-deps", "--wait", "jupyter")
    for file in kept:
        assert stack.compose("exec", "-T", "jupyter", "cat", file) == "kept\n"
        stack.compose("exec", "-T", "jupyter", "rm", file)


def test_an_ordinary_user_begins_a_runbook(stack: Stack, *, real_images: bool) -> None:
    if not real_images:
        pytest.skip("by design: only in the real image JupyterLab runs as an ordinary user")
    assert "✅" in stack.compose("exec", "-T", "jupyter", "lab", "run", "13")
    assert "# Runbook" in stack.compose("exec", "-T", "jupyter", "cat", "/lessons/mine/runbook.md")
