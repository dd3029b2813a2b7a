"""What a cell showed, as HTML that needs no kernel: figures to draw, and widgets in their last state."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import nbformat

from helpers.checks.questions import LETTERS, as_text
from helpers.figures.style import FOR_SCREEN_READERS

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
_REFERENCE = "IPY_MODEL_"


def without_kernel(notebook: Any) -> Any:
    """Return a copy of an executed notebook whose figures and widgets are HTML."""
    copy = nbformat.from_dict(notebook)
    widgets = copy.metadata.pop("widgets", {}).get(STATE, {}).get("state", {})
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if _without_kernel(each, widgets)]
    return copy


def _without_kernel(output: Any, widgets: dict[str, Any]) -> bool:
    """Turn an output that only JupyterLab can show into HTML. Return whether there is something to show."""
    data = output.get("data", {})
    if FOR_SCREEN_READERS in data.get("text/html", ""):
        return False  # the sentence about the figure that comes next, which has it too
    if PLOTLY in data:
        output.data = nbformat.from_dict({"text/html": figure(data[PLOTLY])})
    elif WIDGET in data:
        state = _state(data[WIDGET]["model_id"], widgets)
        if state["_model_name"] == "AnyModel" and not {"_state", "questions"} & state.keys():
            del data[WIDGET]  # a prediction: its repr names the options
        else:
            output.data = nbformat.from_dict({"text/html": widget(state, widgets)})
            return bool(output.data["text/html"])
    return True


def figure(shown: dict[str, Any]) -> str:
    """Return a figure for ``book.js`` to draw, and under it the sentence that says what is to be seen."""
    # "</script>" inside a string would end the script.
    content = json.dumps({part: shown[part] for part in ("data", "layout")}).replace("</", "<\\/")
    sentence = html.escape((shown["layout"].get("meta") or {}).get("description", ""))
    words = f"<details><summary>This figure in words</summary><p>{sentence}</p></details>" if sentence else ""
    return (
        f'<div class="figure" role="figure" aria-label="{sentence or "A figure"}">'
        f'<script type="application/json">{content}</script></div>{words}'
    )


def widget(state: dict[str, Any], widgets: dict[str, Any]) -> str:
    """Return a widget in its last state as HTML; "" if it shows nothing without a kernel."""
    if "_state" in state:  # a live figure
        return figure(json.loads(_state(state["_state"], widgets)["figure"]))
    if "questions" in state:  # a wrap-up
        return "".join(map(_asked, state["questions"]))
    match state["_model_name"]:
        case "HBoxModel" | "VBoxModel" as kind:
            return _box(kind, state["children"], widgets)
        case "HTMLModel":
            return f"<div>{state['value']}</div>"
        case "LabelModel":
            return f"<span>{html.escape(state['value'])}</span>"
    options = state.get("_options_labels")
    value = options[state["index"]] if options and state.get("index") is not None else state.get("value", "")
    parts = [str(each) for each in (state.get("description"), value) if each not in {None, ""}]
    return f'<span class="widget">{html.escape(" ".join(parts))}</span>' if parts else ""


def _asked(question: dict[str, Any]) -> str:
    """Return a question of a wrap-up; which option is right, and why, unfolds."""
    right, letters = question["right"], [each for each in LETTERS if each in question]
    reasons = "\n".join(f"{'✓' if each == right else '✗'} {each}: {question[each][1]}" for each in letters)
    text, why = (html.escape(each).replace("\n", "<br>") for each in (as_text(question), reasons))
    shown = f"<p>{text}</p><details><summary>Which is right, and why</summary><p>{why}</p></details>"
    return re.sub("`([^`]+)`", r"<code>\1</code>", shown)


def _box(kind: str, children: list[str], widgets: dict[str, Any]) -> str:
    states = [_state(each, widgets) for each in children]
    if any(each["_model_name"] == "ButtonModel" for each in states):
        return ""  # a button, and what is said about it
    inner = "".join(widget(each, widgets) for each in states)
    return f'<div class="widgets {kind}">{inner}</div>' if inner else ""


def _state(model: str, widgets: dict[str, Any]) -> dict[str, Any]:
    return dict(widgets[model.removeprefix(_REFERENCE)]["state"])
