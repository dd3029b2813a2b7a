"""What a bridge or a proxy loads: what checks schemas takes a second and 40 MB, so only what needs it loads it."""

from __future__ import annotations

import subprocess
import sys

from helpers.paths import ROOT

LOADED = "import sys, helpers.bridge, helpers.proxy; print(*{'authlib', 'jsonschema', 'lark'} & sys.modules.keys())"


def test_without_a_schema_nothing_is_loaded_for_it() -> None:
    found = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
