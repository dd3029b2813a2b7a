"""Write the book into ``site/``: ``uv run --group book python -m tools.book``; open ``site/index.html`` afterwards.

The repository stores no outputs, so each lesson runs once, on the lab, which is started if it is not up. What it showed
is kept in ``.book/``; the lesson runs again only after its code cells changed, or with ``--again``. A reader needs no
internet: what the pages show is beside them.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from helpers.errors import LessonError
from helpers.paths import ROOT
from tools.book import runs, site


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.book", description="Write the book of the lessons.")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "site", help="by default site/")
    parser.add_argument("--again", action="store_true", help="run every lesson, whether or not its code has changed")
    parser.add_argument("--draft", action="store_true", help="run nothing: the lessons without outputs")
    chosen = parser.parse_args()
    # On GitHub's machines these say where the repository is.
    owner_and_name = os.environ.get("GITHUB_REPOSITORY", "")
    repository = f"{os.environ['GITHUB_SERVER_URL']}/{owner_and_name}" if owner_and_name else ""
    try:
        notebooks = runs.stored() if chosen.draft else runs.on_lab(again=chosen.again)
        site.write(chosen.folder, notebooks, repository=repository)
    except LessonError as error:
        sys.exit(str(error))
    sys.stderr.write(f"Open {chosen.folder / 'index.html'}\n")


if __name__ == "__main__":
    main()
