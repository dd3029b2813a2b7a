"""The executed lessons as pages to read: ``python -m tools.pages site`` runs them and writes HTML.

The repository stores no outputs, so the lessons run first, on the lab, which is started if it is not up. A page fetches
nothing from elsewhere: plotly.js is a file beside it, and a widget becomes plain HTML that shows its last state. Only
figures can be clicked; everything else needs JupyterLab.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat.v4
import plotly
from jinja2 import DictLoader
from nbconvert import HTMLExporter

from helpers import lab
from helpers.paths import NOTEBOOKS
from tests.notebooks import execution
from tests.notebooks.anatomy import Lesson, lessons

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
SCRIPT = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
TEMPLATE = """{% extends "lab/index.html.j2" %}
{% block html_head_js %}<script src="plotly.min.js"></script>{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block html_head_css %}<style>
.widgets { display: flex; gap: 6px; align-items: center }
.widgets.column { flex-direction: column; align-items: stretch }
.widget { padding: 3px 9px; border: 1px solid #8a949b; border-radius: 3px; background: #f3f4f5; color: #444 }
</style>{% endblock %}
"""
INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>MQTT and Kafka, hands on</title>
<style>body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em; color: #222 }}
li {{ margin: .4em 0 }} img {{ max-width: 100% }}</style></head>
<body><h1>MQTT and Kafka, hands on</h1>
<p>These are the lessons as a computer ran them, with what every cell printed and drew. The exercises are yours: their
checks say “not yet” here. To run them, you need Python and one command{where}.</p>
<img src="pictures/pipeline.svg" alt="From the generators over MQTT and a bridge into Kafka, to the analysts">
<ol start="0">
{rows}
</ol></body></html>
"""


def executed(lesson: Lesson, env: dict[str, str]) -> Any:
    """Run the lesson, and turn its widgets and figures into HTML that needs no kernel."""
    notebook = execution.run(lesson.notebook, env=env)
    widgets = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    count = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if PLOTLY in data:
                count += 1
                shown = drawing(data[PLOTLY], f"figure-{count}")
            elif WIDGET in data:
                count += 1
                shown = drawn(data[WIDGET]["model_id"], widgets, f"figure-{count}")
            else:
                continue
            output.data = nbformat.from_dict({"text/html": shown})
    notebook.metadata.pop("widgets", None)
    return notebook


def drawing(figure: dict[str, Any], name: str) -> str:
    """Return HTML with which plotly.js draws a figure."""
    # "</script>" inside a string would end the script.
    data, layout = (json.dumps(figure[part]).replace("</", "<\\/") for part in ("data", "layout"))
    return (
        f'<div id="{name}" class="figure"></div>'
        f'<script>Plotly.newPlot("{name}", {data}, {layout}, {{"responsive": true}})</script>'
    )


def drawn(model: str, widgets: dict[str, Any], name: str) -> str:
    """Return the last state of a widget as HTML."""
    state = widgets[model]["state"]
    if "_state" in state:  # a live figure
        return drawing(json.loads(widgets[state["_state"].removeprefix("IPY_MODEL_")]["state"]["figure"]), name)
    kind = state["_model_name"]
    if "children" in state:
        children = [each.removeprefix("IPY_MODEL_") for each in state["children"]]
        inner = "".join(drawn(each, widgets, f"{name}-{place}") for place, each in enumerate(children))
        return f'<div class="widgets{" column" if kind == "VBoxModel" else ""}">{inner}</div>'
    if kind == "HTMLModel":
        return f"<div>{state['value']}</div>"
    if kind == "LabelModel":
        return f"<span>{html.escape(state['value'])}</span>"
    options = state.get("_options_labels")
    value = options[state["index"]] if options and state.get("index") is not None else state.get("value", "")
    text = " ".join(str(each) for each in (state.get("description"), value) if each not in ("", None))
    return f'<span class="widget">{html.escape(text)}</span>'


def exporter() -> HTMLExporter:
    """Return nbconvert's exporter, with the local plotly.js and no script from elsewhere."""
    return HTMLExporter(extra_loaders=[DictLoader({"lesson.html.j2": TEMPLATE})], template_file="lesson.html.j2")


def page(lesson: Lesson, notebook: Any) -> str:
    """Return an executed lesson as HTML. Links to other lessons lead to their pages."""
    body, _ = exporter().from_notebook_node(notebook, {"metadata": {"name": lesson.path.stem}})
    for each in lessons():
        body = body.replace(f'href="{each.path.name}', f'href="{each.path.stem}.html')
    return str(body)


def publish(folder: Path, numbers: list[str], *, env: dict[str, str]) -> None:
    """Run the lessons with these numbers, or all, and write their pages and an index into ``folder``."""
    chosen = [each for each in lessons() if not numbers or each.number in numbers]
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SCRIPT, folder)
    shutil.copytree(NOTEBOOKS / "pictures", folder / "pictures", dirs_exist_ok=True)
    rows = []
    for each in chosen:
        sys.stderr.write(f"{each.path.stem}\n")
        (folder / f"{each.path.stem}.html").write_text(page(each, executed(each, env)), encoding="utf-8")
        title = each.cells[0].source.splitlines()[0].lstrip("# ").partition(" · ")[2]
        rows.append(f'<li><a href="{each.path.stem}.html">{html.escape(title)}</a></li>')
    address = os.environ.get("GITHUB_REPOSITORY", "")
    where = f': <a href="{os.environ["GITHUB_SERVER_URL"]}/{address}">{address}</a>' if address else ""
    (folder / "index.html").write_text(INDEX.format(rows="\n".join(rows), where=where), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the lessons and write them as HTML pages.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("numbers", nargs="*", help="lessons, for example 00 04; by default all")
    chosen = parser.parse_args()
    lab.up(lab.Settings.from_environment())
    publish(chosen.folder, chosen.numbers, env=dict(os.environ))


if __name__ == "__main__":
    main()
