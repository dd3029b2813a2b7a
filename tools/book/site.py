"""The site: Sphinx with MyST-NB, from executed notebooks and the repository's pages."""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import plotly
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from helpers.errors import LessonError
from helpers.lessons import LESSONS
from helpers.paths import ROOT
from tests.notebooks.anatomy import LINK
from tests.notebooks.execution import without_colours
from tools.book.outputs import without_kernel

START = "README"
_PROJECTS = sorted(ROOT.glob("projects/*/README.md"))
# The parts of the book after its start page. Another Markdown file is a page of the book if one of these links to it.
PARTS = {
    "Lessons": [
        *(f"notebooks/{Path(each.file).stem}" for each in LESSONS.values()),
        *(each.relative_to(ROOT).with_suffix("").as_posix() for each in _PROJECTS),
    ],
    "To look things up": ["docs/cheat-sheet", "docs/glossary", "docs/do-you-need-both", "docs/faq", "data/README"],
    "For the instructor": ["WORKSHOP", "docs/assessment"],
    "For contributors": [
        "CONTRIBUTING",
        "docs/ci-with-nbmake",
        "tests/compose/README",
        "docs/not-run",
        "CHANGELOG",
        "SECURITY",
    ],
}
IN_NO_PART = "---\norphan: true\n---\n\n"
ASSETS = Path(__file__).parent / "assets"
PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
NOTE = """\
```{note}
This is the book of the lessons, as a computer ran them: with what each cell printed and drew. The exercises are yours.
Their checks say *not yet* here, and their solutions are folded. To run a lesson, you need one command: see
[Start](#start).
```

"""
ADDRESS = re.compile("ADDRESS-OF-(THIS-REPOSITORY|THE-COPY)")
# What a page would fetch from elsewhere while somebody reads it; a link is only followed.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\ssrc=["'](?:https?:)?//[^"']*"""
    r"""|<link\b[^>]*?\shref=["'](?:https?:)?//[^"']*"""
)
_FETCHED_BY_STYLE = re.compile(r"""(?:@import\s+|url\()["']?(?:https?:)?//[^"')]*""")


class BookError(LessonError):
    """The book cannot be built as it should be."""


def write(site: Path, notebooks: Mapping[str, Any], *, repository: str = "") -> None:
    """Write the site, with these notebooks as its lessons: file name → executed notebook.

    ``repository`` is the address from which Binder and Colab can take the lessons, if there is one. What an earlier
    run left in ``site`` is replaced.

    Raises:
        BookError: Sphinx warned, of a broken link for example, or a page would fetch something from elsewhere.
    """
    with tempfile.TemporaryDirectory() as temporary:
        source, built = Path(temporary) / "source", Path(temporary) / "site"
        _write_source(source, notebooks, repository)
        _run_sphinx(source, built, _configuration(source, repository))
        shutil.copy(built / f"{START}.html", built / "index.html")
        if found := fetched(built):
            raise BookError("The book would fetch from elsewhere: " + "; ".join(found), remedy="Keep a copy beside it.")
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(built, site)


def fetched(site: Path) -> list[str]:
    """Return what the pages and styles of a site would fetch from other machines."""
    kinds = {".html": _FETCHED, ".css": _FETCHED_BY_STYLE}
    files = [each for each in sorted(site.rglob("*")) if each.suffix in kinds]
    return [
        f"{each.relative_to(site)}: {found[0]}"
        for each in files
        for found in kinds[each.suffix].finditer(each.read_text(encoding="utf-8"))
    ]


def _write_source(source: Path, notebooks: Mapping[str, Any], repository: str) -> None:
    """Write what Sphinx reads, laid out as the repository is, so that links hold."""
    texts = {Path("notebooks") / name: nbformat.writes(without_kernel(each)) for name, each in notebooks.items()}
    pages = [Path(START).with_suffix(".md"), *(Path(f"{name}.md") for part in PARTS.values() for name in part)]
    texts |= {page: (ROOT / page).read_text(encoding="utf-8") for page in pages if (ROOT / page).exists()}
    texts[pages[0]] = _start_page(texts[pages[0]], repository)
    written: set[Path] = set()
    while texts:
        path, text = texts.popitem()
        written.add(path)
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(_without_folders(path, text), encoding="utf-8")
        for linked in set(_linked(path, text)) - written - texts.keys():
            if linked.suffix == ".md":
                texts[linked] = IN_NO_PART + (ROOT / linked).read_text(encoding="utf-8")
            elif linked.suffix != ".ipynb":
                (source / linked).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / linked, source / linked)  # becomes a download
    shutil.copytree(ASSETS, source / "_static")
    shutil.copy(PLOTLY_JS, source / "_static")


def _start_page(readme: str, repository: str) -> str:
    """Return README with a note that this is the book, and with the book's parts."""
    parts = [
        "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", *names, "```"])
        for caption, names in PARTS.items()
    ]
    title, _, rest = readme.partition("\n\n")
    text = "\n\n".join([title, NOTE.strip(), rest, *parts]) + "\n"
    return ADDRESS.sub(repository, text) if repository else text


def _linked(page: Path, text: str) -> Iterator[Path]:
    """Yield the files that a page links to, relative to the repository."""
    for link in LINK.finditer(text):
        target = (ROOT / page.parent / link["target"].partition("#")[0]).resolve()
        if target.is_file() and target.is_relative_to(ROOT):
            yield target.relative_to(ROOT)


def _without_folders(page: Path, text: str) -> str:
    """Return the text with only the words of links to folders, which a site does not show."""
    return LINK.sub(
        lambda link: link[0][1:].partition("]")[0] if (ROOT / page.parent / link["target"]).is_dir() else link[0], text
    )


def _configuration(source: Path, repository: str) -> dict[str, Any]:
    launch = {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com"}
    # No bar above the page: its search is in the sidebar.
    options: dict[str, Any] = {"use_download_button": False, "navbar_persistent": [], "footer_content_items": []}
    if repository:
        options |= {"repository_url": repository, "repository_branch": "main", "use_repository_button": True}
        options["launch_buttons"] = {**launch, "notebook_interface": "jupyterlab"}
    return {
        "project": "MQTT and Kafka, hands on",
        "extensions": ["myst_nb"],
        "root_doc": START,
        "language": "en",
        "suppress_warnings": ["misc.highlighting_failure"],  # IPython's magics in Python
        "myst_heading_anchors": 4,
        "nb_execution_mode": "off",
        "nb_merge_streams": True,
        "nb_ipywidgets_js": {},
        "html_theme": "sphinx_book_theme",
        "html_theme_options": options,
        "html_title": "MQTT and Kafka, hands\N{NO-BREAK SPACE}on",
        "html_static_path": [str(source / "_static")],
        "html_css_files": ["book.css"],
        "html_js_files": [("book.js", {"defer": "defer"})],
        "html_copy_source": False,
        "html_show_search_summary": False,  # would be fetched, which a page that is a file cannot do
        "html_show_sphinx": False,
        "html_show_copyright": False,
    }


def _run_sphinx(source: Path, site: Path, configuration: dict[str, Any]) -> None:
    warnings = io.StringIO()
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            source,
            None,
            site,
            source.parent / "doctrees",
            "html",
            configuration,
            status=None,
            warning=warnings,
            parallel=os.cpu_count() or 1,
        )
        app.build()
    if text := without_colours(warnings.getvalue()).replace(f"{source}{os.sep}", ""):
        raise BookError(f"Sphinx warned:\n{text}", remedy="Mend the pages it names.")
    for each in (site / ".buildinfo", site / "objects.inv"):
        each.unlink(missing_ok=True)
