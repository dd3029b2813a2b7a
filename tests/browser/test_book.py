"""The book: every figure is drawn, live ones too, it fetches nothing from elsewhere, and axe finds it accessible."""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.browser.audit import violations
from tests.browser.lab_page import MARKS, PLOT
from tests.notebooks import execution
from tests.notebooks.anatomy import KERNELSPEC, lessons
from tools import handouts
from tools.book import runs, site

# MyST-Parser still uses what Sphinx 11 will not have; the book's Sphinx is pinned.
pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore:.*Check CHANGES for Sphinx API")]
SENTENCE = "Fuel falls from 3 to 1 < 2."
CELLS = {
    "figure": f"""
        import plotly.graph_objects as go
        from helpers.figures import TEMPLATE, Prediction, described, live
        figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 1], name="</script>"))
        described(figure.update_layout(template=TEMPLATE), "{SENTENCE}")
    """,
    "live": """
        lines = live.Lines(title="Growing", y_label="litres")
        display(live.figure(lines))
        await live.run(lambda: lines.add("G-001", len(lines.points().get("G-001", ())), 7), seconds=0.5)
    """,
    "predict": 'Prediction("book", "never", "once & again")',
    "table": "import pandas as pd\npd.DataFrame({'fuel': [1.5, 2.5]})",
    "magic": "%%writefile /dev/null\nnothing",
}
SOLUTION = "<details><summary>Solution</summary>\n\n```python\nprint('solved')\n```\n\n</details>"


@pytest.fixture(scope="module")
def sample() -> Any:
    """A notebook with all kinds of output, executed. It needs no broker."""
    notebook = new_notebook(metadata={"kernelspec": KERNELSPEC})
    notebook.cells = [
        new_markdown_cell("# 02 · A sample\n\n**You will**\n\n- see a [figure](03_delivery_in_mqtt.ipynb)"),
        new_markdown_cell("Some words.\n\n## 1. A claim\n\nOne idea.\n\nHow often? It is said once."),
        *(new_code_cell(inspect.cleandoc(each), metadata={"tags": [name]}) for name, each in CELLS.items()),
        new_markdown_cell("## Exercises\n\nPrint a word."),
        new_code_cell("# Your code here.", metadata={"tags": ["exercise"]}),
        new_markdown_cell(SOLUTION, metadata={"tags": ["solution"]}),
    ]
    return execution.run(notebook, env=os.environ)


@pytest.fixture(scope="module")
def folder(sample: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book, with the sample in place of lesson 02; the others have no outputs."""
    path = tmp_path_factory.mktemp("book")
    notebooks = runs.stored() | {"02_publish_with_mqtt.ipynb": sample}
    site.write(path, notebooks, repository="https://github.com/OWNER/REPOSITORY")
    return path


@contextmanager
def opened(browser: Any, file: Path, *, scheme: str = "light", width: int = 1300) -> Iterator[Any]:
    """A page of the book as a file, without a server. It may ask for nothing but files, and has no errors."""
    problems: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(60_000)
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or problems.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert problems == []


def figures(page: Any) -> list[Any]:
    """The figures of a page, which all have marks, and a sentence."""
    found: list[Any] = page.locator("div.figure").all()
    for figure in found:
        figure.scroll_into_view_if_needed()  # slides are drawn when they are near
        figure.locator(".main-svg").first.wait_for()
        assert figure.locator(PLOT).evaluate(MARKS), "a figure has axes and nothing in them"
        assert figure.get_attribute("aria-label") != "A figure"
    return found


def test_a_lesson_shows_what_its_cells_showed(browser: Any, folder: Path, artifacts: Path) -> None:
    with opened(browser, folder / "notebooks" / "02_publish_with_mqtt.html") as page:
        described, live = figures(page)
        assert described.get_attribute("aria-label") == SENTENCE
        assert live.locator(".legendtext").all_text_contents() == ["G-001"]
        words = page.get_by_text(SENTENCE, exact=True)
        assert not words.is_visible()
        page.get_by_text("This figure in words").first.click()
        assert words.is_visible()
        assert page.get_by_text("a (never), b (once & again)").is_visible()
        assert page.get_by_role("table").get_by_text("2.5").is_visible()
        assert not page.get_by_text("print('solved')").is_visible()
        page.get_by_text("Solution", exact=True).click()
        assert page.get_by_text("print('solved')").is_visible()
        page.screenshot(path=artifacts / "book-sample.png", full_page=True)
        binder = (
            "https://mybinder.org/v2/gh/OWNER/REPOSITORY/main?urlpath=lab/tree/notebooks/02_publish_with_mqtt.ipynb"
        )
        assert page.locator(f'a[href="{binder}"]').count() == 1
        page.get_by_role("link", name="figure", exact=True).click()
        page.get_by_role("heading", name="03 · Delivery in MQTT", level=1).wait_for()


def test_a_word_is_found(browser: Any, folder: Path) -> None:
    with opened(browser, folder / "index.html") as page:
        page.goto(f"{(folder / 'search.html').as_uri()}?q=tombstone")
        page.locator("#search-results").get_by_role("link", name="Glossary").first.wait_for()


def test_the_book_is_accessible(browser: Any, folder: Path) -> None:
    pages = ("index", "docs/cheat-sheet", "notebooks/02_publish_with_mqtt")
    for name, (scheme, width) in itertools.product(pages, [("light", 1300), ("dark", 1300), ("light", 390)]):
        with opened(browser, folder / f"{name}.html", scheme=scheme, width=width) as page:
            figures(page)
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_slides_have_headings_questions_and_figures(browser: Any, sample: Any, tmp_path: Path, artifacts: Path) -> None:
    handouts.write(tmp_path, [sample])
    with opened(browser, tmp_path / "slides.html") as page:
        figures(page)
        shown = [each.inner_text().splitlines()[0] for each in page.locator("section").all()]
        assert shown == ["02 · A sample", "1. A claim", "1. A claim", "1. A claim", "1. A claim"]
        assert violations(page) == []
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        slide = page.locator("section").last
        assert slide.bounding_box()["y"] == 0
        assert "How often?" in slide.inner_text()
        assert "One idea" not in slide.inner_text()
        assert "b (once & again)" in slide.inner_text()
        page.screenshot(path=artifacts / "slide.png")


def test_the_sheet_has_exercises_and_no_solutions(browser: Any, sample: Any, tmp_path: Path, artifacts: Path) -> None:
    handouts.write(tmp_path, [sample])
    with opened(browser, tmp_path / "exercises.html") as page:
        text = page.locator("main").inner_text()
        assert "Print a word." in text
        assert "# Your code here." in text
        assert "solved" not in text
        assert violations(page) == []
        page.pdf(path=artifacts / "exercises.pdf")


def test_a_broken_link_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(site.BookError, match="04_kafka_is_a_log"):
        site.write(tmp_path / "site", {})
    assert not (tmp_path / "site").exists()


def test_what_a_page_would_fetch_is_found(tmp_path: Path) -> None:
    script, font = '<script async src="https://example.org/x.js">', 'url("//example.org/font.woff2'
    (tmp_path / "a.html").write_text(f'<a href="https://example.org">a link</a><img src="b.png">{script}</script>')
    (tmp_path / "a.css").write_text(f'a {{ src: {font}"); background: url(data:image/png;base64,//) }}')
    assert site.fetched(tmp_path) == [f"a.css: {font}", f"a.html: {script[:-2]}"]


@pytest.mark.weekly  # it runs every lesson
@pytest.mark.timeout(3600)
def test_every_figure_of_every_lesson_is_drawn(browser: Any, lab_env: dict[str, str], tmp_path: Path) -> None:
    notebooks = {each.path.name: runs.run(each, env=lab_env, kept=tmp_path / "kept") for each in lessons()}
    site.write(tmp_path / "site", notebooks)
    for each in lessons():
        with opened(browser, tmp_path / "site" / "notebooks" / f"{each.path.stem}.html") as page:
            assert figures(page), each.slug
            assert violations(page) == []
