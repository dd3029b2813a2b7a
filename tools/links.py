"""Check each external link of the pages and lessons: ``python -m tools.links``.

Sites go away through no fault of a commit, so this is not a test: the weekly run calls it and opens an issue. A site
that answers but turns programs away (401, 403, 405, 429) counts as reachable.
"""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from helpers.paths import NOTEBOOKS, ROOT

ADDRESS = re.compile(r"https?://[^\s\"'`<>\\()\[\]{}]+(?:\([^\s\"'`<>\\()]*\)[^\s\"'`<>\\()\[\]{}]*)?")
TURNED_AWAY = {401, 403, 405, 429}
FOLDERS = ("data", "docs", "projects", "tests")
OURS = {"127.0.0.1", "localhost"}
_ATTEMPTS = 3
_SECONDS = 20


def pages() -> list[Path]:
    """Return the files with links: Markdown and lessons, without what tools install in folders like `.venv`."""
    markdown = [*ROOT.glob("*.md"), *(page for each in FOLDERS for page in (ROOT / each).rglob("*.md"))]
    own = [each for each in markdown if not any(part.startswith(".") for part in each.relative_to(ROOT).parts)]
    return sorted([*own, *NOTEBOOKS.glob("*.ipynb")])


def addresses(text: str) -> set[str]:
    """Return the external addresses in ``text``, without the punctuation that ends a sentence."""
    found = {each.rstrip(".,;:!?*") for each in ADDRESS.findall(text.replace("\\n", "\n"))}
    found = {each for each in found if "OWNER/REPOSITORY" not in each}  # a badge before its owner is known
    return {
        each.partition("#")[0] for each in found if "." in (host := urlsplit(each).hostname or "") and host not in OURS
    }


def problem(address: str) -> str:
    """Request an address. Return "" if it answers, else what went wrong."""
    request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (link check)"})  # noqa: S310
    reason = ""
    for _ in range(_ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310  http and https only, by ADDRESS
                return ""
        except urllib.error.HTTPError as error:
            if error.code in TURNED_AWAY:
                return ""
            reason = f"HTTP {error.code}"
        except (OSError, ValueError) as error:
            reason = str(error)
    return reason


def check(files: Iterable[Path]) -> dict[str, str]:
    """Return the addresses in ``files`` that do not answer, each with its page, and the reason."""
    named = {each: file.name for file in files for each in addresses(file.read_text(encoding="utf-8"))}
    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(named, pool.map(problem, named), strict=True))
    return {f"{address} in {named[address]}": reason for address, reason in answers.items() if reason}


def main() -> None:
    wrong = check(pages())
    sys.stdout.writelines(f"{where}: {reason}\n" for where, reason in wrong.items())
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
