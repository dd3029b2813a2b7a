"""Accessibility, as far as a program can judge it: the rules of axe-core, and pictures for a person who looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe

from tests.browser.lab_page import turn


def violations(page: Any, part: Any = None) -> list[str]:
    """What axe finds on a page, or in ``part`` of it, each with the element concerned."""
    if part is not None:
        part.evaluate("each => { each.dataset.audited = ''; }")
    found = Axe().run(page, context="[data-audited]" if part is not None else None).response["violations"]
    return [f"{rule['id']}, {rule['impact']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


def in_both_themes(page: Any, part: Any, picture: Path) -> list[str]:
    """What axe finds in ``part`` of JupyterLab's page, dark and light. Pictures of both are kept beside ``picture``."""
    found = []
    for theme in ("Dark", "Light"):
        turn(page, theme)
        page.screenshot(path=picture.with_name(f"{picture.name}-{theme}.png"))
        found += violations(page, part)
    return found
