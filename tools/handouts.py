"""Handouts for a room: ``uv run --group book python -m tools.handouts`` writes two pages into ``handouts/``.

``slides.html`` has the headings, first paragraphs, predictions and figures of the lessons; the arrow keys turn the
pages. ``exercises.html`` is a sheet of exercises to print, without solutions. Neither needs another file. The figures
are those of the book: a lesson that has not run since its code changed runs now.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from helpers.errors import LessonError
from helpers.paths import ROOT
from tests.notebooks.anatomy import CORE_ENDS, tags
from tools.book import runs
from tools.book.outputs import without_kernel
from tools.book.site import PLOTLY_JS

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><link rel="icon" href="data:,"><style>{style}</style></head>
<body class="{kind}"><main>{content}</main>{scripts}</body></html>
"""
_SECTIONS = re.compile(r"^(?=## )", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")  # leads nowhere on paper
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def slides(notebook: Any) -> Iterator[str]:
    """Yield the slides of a lesson as HTML: its core path, as far as it ran, and its recap."""
    heading, before = "", ""
    introduction, *cells = without_kernel(notebook).cells
    title = introduction.source.partition("\n")[0].lstrip("# ")
    outcomes = introduction.source.partition("**You will**")[2].partition("**You need**")[0]
    yield _slide("h1", title, _html(outcomes))
    core = True
    for cell in cells:
        if cell.cell_type == "markdown":
            before = cell.source
            for part in _SECTIONS.split(before):
                core = core and not CORE_ENDS.match(part)
                if part.startswith("## ") and (core or part.startswith("## Recap")):
                    first, _, rest = part.partition("\n\n")
                    heading = first.lstrip("# ")
                    yield _slide("h2", heading, _html(rest.partition("\n\n")[0]))
        elif core and "predict" in tags(cell):
            asked = question(before)
            options = "" if "**a**" in asked else "".join(each.data.get("text/plain", "") for each in cell.outputs)
            yield _slide("h2", heading, _html(f"{asked}\n\n{options}"))
        elif core:
            shown = [each.data.get("text/html", "") for each in cell.outputs if "data" in each]
            yield from (_slide("h2", heading, each) for each in shown if 'class="figure"' in each)


def question(text: str) -> str:
    """Return the end of a text from the last paragraph that asks something."""
    paragraphs = text.split("\n\n")
    asks = [place for place, each in enumerate(paragraphs) if "?" in each]
    return "\n\n".join(each for each in paragraphs[asks[-1] if asks else -1 :] if not each.startswith("#"))


def exercises(notebook: Any) -> Iterator[str]:
    """Yield the exercises of a lesson as HTML: what to do, the stub, and room for notes."""
    task: list[str] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and "solution" not in tags(cell):
            *before, text = _SECTIONS.split(cell.source)
            task = [text] if before else [*task, text]
        elif "exercise" in tags(cell):
            text = re.sub(r"^#+", "###", "\n\n".join(task), flags=re.MULTILINE)
            stub = html.escape(cell.source)
            yield f'<section>{_html(text)}<pre>{stub}</pre><div class="notes"></div></section>'
            task = []
        elif "solution" in tags(cell):
            task = []


def page(kind: str, title: str, parts: Iterable[str], scripts: Iterable[Path] = ()) -> str:
    """Return a page that needs no other file."""
    inline = "".join(f"<script>{each.read_text(encoding='utf-8')}</script>" for each in scripts)
    style = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    return PAGE.format(title=title, style=style, kind=kind, content="\n".join(parts), scripts=inline)


def write(folder: Path, notebooks: Collection[Any]) -> None:
    """Write both handouts, of these executed lessons."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [each for notebook in notebooks for each in slides(notebook)]
    text = page("slides", "MQTT and Kafka, hands on", shown, [PLOTLY_JS, Path(__file__).with_name("slides.js")])
    (folder / "slides.html").write_text(text, encoding="utf-8")
    sheet = ["<h1>MQTT and Kafka, hands on: the exercises</h1>"]
    for notebook in notebooks:
        title = notebook.cells[0].source.partition("\n")[0].lstrip("# ")
        sheet += [f"<h2>{title}</h2>", *exercises(notebook)]
    (folder / "exercises.html").write_text(page("sheet", "The exercises", sheet), encoding="utf-8")


def _slide(tag: str, heading: str, content: str) -> str:
    return f'<section tabindex="-1"><{tag}>{_html(heading, inline=True)}</{tag}>{content}</section>'


def _html(text: str, *, inline: bool = False) -> str:
    plain = _LINK.sub(r"\1", text)
    return str(_MARKDOWN.renderInline(plain) if inline else _MARKDOWN.render(plain))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.handouts", description="Write slides, and exercises to print."
    )
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "handouts", help="by default handouts/")
    parser.add_argument("--draft", action="store_true", help="run nothing: slides without figures")
    chosen = parser.parse_args()
    try:
        write(chosen.folder, (runs.stored() if chosen.draft else runs.on_lab()).values())
    except LessonError as error:
        sys.exit(str(error))
    sys.stderr.write(f"Open {chosen.folder / 'slides.html'} and exercises.html beside it.\n")


if __name__ == "__main__":
    main()
