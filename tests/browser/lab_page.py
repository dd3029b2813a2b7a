"""One lesson open in JupyterLab, as a page object: run it, wait for it, look at what it drew."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat.v4

from tests.notebooks.anatomy import KERNELSPEC, Lesson, tags

if TYPE_CHECKING:  # it imports this module
    from tests.browser.conftest import Jupyter, Visit

OPEN_WITHIN = 60
RUN_WITHIN = 240  # a lesson may take 90 s, and a busy machine twice as long
PLOT = ".js-plotly-plot"

# What a plot really drew: marks with a size. A figure without data has axes and none of these.
MARKS = """plot => [...plot.querySelectorAll(
    ".trace path, .trace rect, .points path, .points text, .bars path, .heatmaplayer image, .hm image, .slice path," +
    " .indicatorlayer path, .table-control-view text, .sankey-link, .imagelayer image")]
  .filter(mark => {
    const box = mark.getBoundingClientRect();
    const path = mark.getAttribute("d");
    return (path === null || path.length > 6) && (box.width > 1 || box.height > 1);
  }).length"""

# The text alternative of a plot: a label where it is alive, a paragraph in the output before it where it is not.
SENTENCE = """plot => {
    const before = plot.closest(".jp-OutputArea-child").previousElementSibling?.querySelector("p");
    const label = plot.closest("[role=figure]")?.getAttribute("aria-label");
    return label ?? (before?.checkVisibility() && before.textContent);
}"""


@contextmanager
def notebook_of(path: Path, sources: Mapping[str, str]) -> Iterator[Lesson]:
    """A notebook with these code cells, by id, for as long as the block lasts."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNELSPEC})
    notebook.cells = [nbformat.v4.new_code_cell(source, id=name) for name, source in sources.items()]
    path.write_text(nbformat.v4.writes(notebook), encoding="utf-8")
    yield Lesson.read(path)
    path.unlink()


def turn(page: Any, theme: str) -> None:
    """Choose JupyterLab's theme, ``Light`` or ``Dark``; it is remembered from one visit to the next."""
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.get_by_text("Theme", exact=True).hover()
    page.get_by_text(f"JupyterLab {theme}", exact=True).click()
    light = "true" if theme == "Light" else "false"
    page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached", timeout=60_000)
    page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=60_000)


class LessonPage:
    """A lesson in the browser. ``lesson`` is the notebook as stored; only :meth:`reload` saves it."""

    def __init__(self, visit: Visit, jupyter: Jupyter, lesson: Lesson) -> None:
        self.page: Any = visit.page
        self.lesson = lesson
        self.page.goto(jupyter.notebook(lesson.path), timeout=OPEN_WITHIN * 1000)
        self._opened()

    def _opened(self) -> None:
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=OPEN_WITHIN * 1000)
        # Before the kernel is there, Run All would ask which kernel to take.
        self.page.get_by_text(re.compile(r"ipykernel\) \| Idle")).wait_for(timeout=OPEN_WITHIN * 1000)

    def reload(self) -> None:
        """Save, and load the page again, while the kernel goes on."""
        with self.page.expect_response(lambda each: each.request.method == "PUT" and "/api/contents/" in each.url):
            self.page.keyboard.press("Control+s")
        self.page.reload(timeout=OPEN_WITHIN * 1000)
        self._opened()

    def run_all(self) -> None:
        """Run all cells, and wait until every code cell has a number or one shows an error."""
        self.start_all()
        self.wait()

    def start_all(self) -> None:
        """Choose Run → Run All Cells."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text(re.compile("^Run All Cells$")).click()

    def wait(self) -> None:
        """Wait until every code cell has a number or one shows an error."""
        cells = sum(1 for cell in self.lesson.cells if cell.cell_type == "code")
        deadline = time.monotonic() + RUN_WITHIN
        while len(self.numbers()) < cells and not self.errors():
            assert time.monotonic() < deadline, f"{len(self.numbers())} of {cells} cells ran in {RUN_WITHIN} s"
            self.page.wait_for_timeout(250)

    def numbers(self) -> list[str]:
        """Execution counts of the code cells that have finished."""
        prompts = self.page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").all_text_contents()
        return [each for each in prompts if re.search(r"\[\d+\]", each)]

    def errors(self) -> list[str]:
        """Tracebacks, what was written to standard error, and widgets that failed, as a learner sees them."""
        kinds = "application/vnd.jupyter.error", "application/vnd.jupyter.stderr"
        shown = [self.page.locator(f'.jp-Notebook [data-mime-type="{kind}"]') for kind in kinds]
        shown.append(self.page.get_by_text(re.compile("Error displaying widget|Loading widget|Javascript Error")))
        return [text for each in shown for text in each.all_text_contents()]

    def dialogs(self) -> list[str]:
        """Dialogs and notifications that nobody asked for."""
        return self.page.locator(".jp-Dialog, .Toastify__toast").all_text_contents()  # type: ignore[no-any-return]

    def wide_code(self) -> list[str]:
        """Code cells that are wider than the page, so that one scrolls sideways to read them."""
        wide = "each => each.scrollWidth > each.clientWidth"
        cells = [cell.id for cell in self.lesson.cells if cell.cell_type == "code"]
        return [name for name in cells if self.cell(name).locator(".cm-scroller").evaluate(wide)]

    def plots(self) -> list[Any]:
        """The figures, but for those of exercises: a stub may rightly draw nothing yet."""
        return [plot for name in self.figures() for plot in self.cell(name).locator(PLOT).all()]

    def figures(self) -> dict[str, int]:
        """Id of a cell → how many figures it shows; exercises are left out."""
        names = [cell.id for cell in self.lesson.cells if "exercise" not in tags(cell)]
        counts = {name: self.cell(name).locator(PLOT).count() for name in names}
        return {name: count for name, count in counts.items() if count}

    def drawn(self, plot: Any, *, within: float = 60) -> int:
        """How many marks ``plot`` drew, once it is in view."""
        plot.scroll_into_view_if_needed()
        deadline = time.monotonic() + within
        while not (marks := int(plot.evaluate(MARKS))) and time.monotonic() < deadline:
            self.page.wait_for_timeout(100)
        return marks

    def drawn_again(self, name: str, count: int, *, within: float = 60) -> bool:
        """Whether the cell ``name`` shows ``count`` figures with marks after the page was loaded again.

        JupyterLab lays out what comes into view, so cells above may grow and push this one out of it again. A figure
        that is not live is a picture at first, until the mouse moves over it.
        """
        cell, deadline = self.cell(name), time.monotonic() + within
        while time.monotonic() < deadline:
            cell.scroll_into_view_if_needed()
            for picture in cell.locator("img.plot-img:visible").all():
                picture.dispatch_event("mouseenter")
            plots = cell.locator(PLOT).all()
            if len(plots) == count and all(int(each.evaluate(MARKS)) for each in plots):
                return True
            self.page.wait_for_timeout(200)
        return False

    def sentence(self, plot: Any) -> str:
        """What a screen reader says of ``plot``."""
        return plot.evaluate(SENTENCE) or ""

    def cell(self, name: str) -> Any:
        """The cell with the id ``name``."""
        place = [cell.id for cell in self.lesson.cells].index(name)
        return self.page.locator(".jp-Notebook .jp-Cell").nth(place)

    def screenshots(self, folder: Path) -> list[Path]:
        """Pictures of the whole lesson, one screen after the other."""
        scroller = self.page.locator(".jp-WindowedPanel-outer").first
        height = int(scroller.evaluate("each => each.clientHeight"))
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{self.lesson.path.stem}-*.png"):
            old.unlink()
        taken: list[Path] = []
        top, bottom = 0, 1
        while top < bottom and len(taken) < 40:
            scroller.evaluate("(each, top) => { each.scrollTop = top; }", top)
            self.page.wait_for_timeout(300)
            taken.append(folder / f"{self.lesson.path.stem}-{len(taken):02d}.png")
            self.page.screenshot(path=str(taken[-1]))
            top += height - 80
            bottom = int(scroller.evaluate("each => each.scrollHeight")) - 80
        return taken
