"""Accessibility, as far as a program can judge it: the rules of axe-core."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe


def violations(page: Any, part: Any = None) -> list[str]:
    """What axe calls serious or critical on a page, or in ``part`` of it, each with the element concerned."""
    if part is not None:
        part.evaluate("each => { each.dataset.audited = ''; }")
    found = Axe().run(page, context="[data-audited]" if part is not None else None).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]
