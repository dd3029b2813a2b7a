"""The lessons as pages: every figure is drawn, live ones too, and a page fetches nothing from elsewhere."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tools import pages

pytestmark = pytest.mark.timeout(300)
LESSONS = {"01": "01_emergency_generators", "02": "02_publish_with_mqtt"}


@pytest.fixture(scope="module")
def site(lab_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    pages.publish(folder, [*LESSONS], env=lab_env)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("stem", LESSONS.values())
def test_a_page_shows_every_figure(site: str, browser: Any, artifacts: Path, stem: str) -> None:
    asked, errors = [], []
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{site}/index.html")
    page.locator(f'a[href="{stem}.html"]').click()
    figures = page.locator("div.figure")
    figures.first.locator(".main-svg").first.wait_for()

    assert figures.count()
    for figure in figures.all():
        assert figure.locator(".trace path").count(), "a figure has axes and nothing in them"
    assert page.locator("img").evaluate_all("all => all.every(each => each.naturalWidth > 0)")
    assert not [each for each in asked if not each.startswith((site, "data:"))]
    assert errors == []
    (artifacts / "pages").mkdir(exist_ok=True)
    page.screenshot(path=artifacts / "pages" / f"{stem}.png", full_page=True)
    page.close()
