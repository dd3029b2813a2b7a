"""Cells of a lesson, run one by one in a test's own process: to test what a lesson defines, without its brokers."""

from __future__ import annotations

import ast
from typing import Any

from tests.notebooks.anatomy import lessons


def source(number: str, cell: str) -> str:
    """The text of the cell with the id ``cell`` in the lesson with this number."""
    [lesson] = [each for each in lessons() if each.number == number]
    [found] = [each.source for each in lesson.cells if each.id == cell]
    return str(found)


def run(number: str, cell: str, names: dict[str, Any], **replaced: str) -> None:
    """Run a whole cell in the namespace ``names``, with ``replaced`` texts: each must occur in it."""
    text = source(number, cell)
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    exec(compile(text, f"<lesson {number}, {cell}>", "exec"), names)  # noqa: S102


def define(number: str, cell: str, names: dict[str, Any]) -> None:
    """Run only the imports, functions and classes of a cell."""
    tree = ast.parse(source(number, cell))
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
    tree.body = [node for node in tree.body if isinstance(node, kinds)]
    exec(compile(tree, f"<lesson {number}, {cell}>", "exec"), names)  # noqa: S102
