"""The workflows test each Python that is promised, the weekly run opens and closes one issue, links are tried."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from helpers.paths import ROOT
from tools import links


def workflow(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    return read


def runs(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_the_oldest_and_the_newest_python_are_tested_with_both_brokers_on_two_systems() -> None:
    rows = workflow("ci.yml")["jobs"]["tests"]["strategy"]["matrix"]["include"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    claimed = [f"3.{minor}" for minor in range(30) if f"3.{minor}.0" in SpecifierSet(project["requires-python"])]
    for system in ("ubuntu-latest", "macos-latest"):
        assert {row["python"] for row in rows if row["os"] == system} == {claimed[0], claimed[-1]}
        assert {row["mqtt"] for row in rows if row["os"] == system} == {"embedded", "native"}


def test_where_influxdb_is_installed_no_part_may_be_missing() -> None:
    weekly = workflow("weekly.yml")["jobs"]
    for job in (workflow("ci.yml")["jobs"]["tests"], weekly["slow"], weekly["alone"]):
        for package in ("mosquitto", "mosquitto-clients", "influxdb"):
            assert re.search(rf" {package}( |$)", runs(job), re.MULTILINE)
        assert job.get("env", {}).get("LAB_CI") or "LAB_CI=1 >>" in runs(job)


def test_what_wants_a_quiet_machine_runs_alone() -> None:
    weekly = workflow("weekly.yml")["jobs"]
    assert [line for line in runs(weekly["slow"]).splitlines() if "pytest" in line] == [
        'uv run pytest -n 3 -m "slow and not weekly"'
    ]
    assert [line for line in runs(weekly["alone"]).splitlines() if "pytest" in line] == [
        "uv run pytest -m weekly",
        "uv run --group browser pytest -m weekly tests/browser",
    ]
    assert all(job["timeout-minutes"] <= 360 for job in weekly.values() if "steps" in job)  # GitHub's own limit
    assert {*weekly["report"]["needs"], "report"} == set(weekly)
    told = {each for each in weekly["report"]["steps"][-1]["env"].values() if each.startswith("${{ needs.")}
    assert told == {f"${{{{ needs.{each}.result }}}}" for each in weekly["report"]["needs"]}


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="by design: lint of shell; the CI's lint job has shellcheck")
def test_the_shell_is_sound() -> None:
    scripts = [".github/report", ".binder/postBuild", ".binder/start", ".ci/run", "tests/compose/install"]
    done = subprocess.run(["shellcheck", *scripts], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


# A `gh` that keeps one list of issues in a file, and writes down what it was asked.
GH = """#!{python}
import json, os, sys
file, words = os.environ["ISSUES"], sys.argv[1:]
issues = json.load(open(file))
with open(file + ".log", "a") as log: log.write(" ".join(words[:2]) + "\\n")
if words[:2] == ["issue", "list"]: print(*[n for n in issues][:1], sep="\\n", end="\\n" if issues else "")
if words[:2] == ["issue", "create"]: issues.append(7)
if words[:2] == ["issue", "close"]: issues.remove(int(words[2]))
json.dump(issues, open(file, "w"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="by design: the script runs on Linux")
def test_the_weekly_run_opens_one_issue_comments_on_it_and_closes_it(tmp_path: Path) -> None:
    (tmp_path / "gh").write_text(GH.format(python=sys.executable), encoding="utf-8")
    (tmp_path / "gh").chmod(0o755)
    issues = tmp_path / "issues.json"
    issues.write_text("[]", encoding="utf-8")

    def week(ci: str, links: str, slow: str = "success", alone: str = "success") -> tuple[list[str], list[int]]:
        log = tmp_path / "issues.json.log"
        log.unlink(missing_ok=True)
        env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "ISSUES": str(issues)}
        env |= {"CI": ci, "LINKS": links, "SLOW": slow, "ALONE": alone, "RUN": "https://example.org/run"}
        subprocess.run([ROOT / ".github" / "report"], env=env, check=True, timeout=60, capture_output=True)
        done = [line for line in log.read_text("utf-8").splitlines() if line not in {"label create", "issue list"}]
        return done, json.loads(issues.read_text(encoding="utf-8"))

    assert week("success", "success") == ([], [])
    assert week("success", "failure") == (["issue create"], [7])
    assert week("failure", "failure") == (["issue comment"], [7])
    assert week("cancelled", "success") == (["issue comment"], [7])
    assert week("success", "success", "failure") == (["issue comment"], [7])
    assert week("success", "success", alone="failure") == (["issue comment"], [7])
    assert week("success", "success") == (["issue close"], [])


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/here": 200, "/shut": 403}.get(self.path, 404))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_only_a_dead_link_is_reported(site: str) -> None:
    assert [links.problem(f"{site}/{each}") for each in ("here", "shut", "gone")] == ["", "", "HTTP 404"]


def test_links_are_read_from_prose() -> None:
    text = "See [the docs](https://example.org/a_(b)#part), `http://127.0.0.1:8888/lab` and https://example.com/x.\\n"
    assert links.addresses(text) == {"https://example.org/a_(b)", "https://example.com/x"}


def test_every_page_and_lesson_of_the_repository_is_read() -> None:
    pages = {each.relative_to(ROOT).as_posix() for each in links.pages()}
    assert {"README.md", "docs/faq.md", "projects/fleet-operator/README.md", "tests/compose/README.md"} <= pages
    tracked = subprocess.run(
        ["git", "ls-files", "*.md", "*.ipynb"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert set(tracked.stdout.split()) <= pages
