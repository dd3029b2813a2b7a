"""Every link of the pages and lessons to the world outside, asked once: ``python -m tools.links``. It is no test.

Sites go away, and a test that fails for it would fail for everybody: the weekly run calls this and opens an issue.
An address that answers but lets no program in (401, 403, 429) counts as there.
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
SHUT = {401, 403, 405, 429}
OURS = {"127.0.0.1", "localhost"}
_ATTEMPTS = 3
_SECONDS = 20


def pages() -> list[Path]:
    """Where links are: Markdown and lessons."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data/*.md"), *NOTEBOOKS.glob("*.ipynb")])


def addresses(text: str) -> set[str]:
    """Addresses elsewhere that ``text`` names, without the punctuation that ends a sentence."""
    found = {each.rstrip(".,;:!?*") for each in ADDRESS.findall(text.replace("\\n", "\n"))}
    found = {each for each in found if "OWNER/REPOSITORY" not in each}  # a badge before its owner is known
    return {
        each.partition("#")[0] for each in found if "." in (host := urlsplit(each).hostname or "") and host not in OURS
    }


def trouble(address: str) -> str:
    """Ask an address; "" if it answers, else what is wrong with it."""
    request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (link check)"})  # noqa: S310
    said = ""
    for _ in range(_ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310  http and https only, by ADDRESS
                return ""
        except urllib.error.HTTPError as error:
            if error.code in SHUT:
                return ""
            said = f"HTTP {error.code}"
        except (OSError, ValueError) as error:
            said = str(error)
    return said


def check(files: Iterable[Path]) -> dict[str, str]:
    """What is wrong with the addresses in ``files``: address and page, and why."""
    named = {each: file.name for file in files for each in addresses(file.read_text(encoding="utf-8"))}
    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(named, pool.map(trouble, named), strict=True))
    return {f"{address} in {named[address]}": said for address, said in answers.items() if said}


def main() -> None:
    wrong = check(pages())
    sys.stdout.writelines(f"{where}: {said}\n" for where, said in wrong.items())
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
