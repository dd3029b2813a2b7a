"""Prepare notebooks for a commit: ``python -m tools.tidy notebooks/02_*.ipynb``.

Removes outputs, execution counts and the metadata of editors, keeps tags, and writes the JSON as Jupyter does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat

from tests.notebooks.anatomy import KERNELSPEC, tags


def tidy(notebook: Any) -> Any:
    """Return a copy of ``notebook`` without anything that running or saving it added."""
    copy = nbformat.from_dict(notebook)
    copy.nbformat, copy.nbformat_minor = 4, 5
    copy.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": {"name": "python"}})
    for cell in copy.cells:
        cell.metadata = nbformat.from_dict({"tags": tags(cell)} if tags(cell) else {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return copy


def main() -> None:
    for each in sys.argv[1:]:
        path = Path(each)
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=nbformat.NO_CONVERT)
        path.write_text(nbformat.writes(tidy(notebook)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
