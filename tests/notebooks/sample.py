"""The smallest lesson that keeps every rule. It needs no broker, so that the harness itself can be tested quickly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.paths import NOTEBOOKS
from tests.notebooks.anatomy import KERNELSPEC, SHORT_LINE, Lesson

INTRODUCTION = f"""\
# 02 · A sample

*Run All: 1 s (measured) · allow 5 min (an estimate)*

{SHORT_LINE}

One sentence.

![Where this lesson sits in the pipeline](pictures/sample.svg)

**You will**

- see one thing
- do one thing
- know one thing

**You need**

| lesson | |
|---|---|
| [01 · Emergency generators](01_emergency_generators.ipynb) | helpful |
"""

# It needs no broker, and only says how it would connect.
CONNECT = """\
from pathlib import Path

from helpers.checks.result import done, not_yet

print('lab.connect(lesson="sample")')"""

PREDICT = """\
from helpers.figures import Prediction

prediction = Prediction("sample", "one", "two")
prediction"""

SHORT_REVEAL = """\
from helpers.figures import fates

fates({"one": [(1, "once")]})"""

SOLUTION = """\
<details><summary>Solution</summary>

```python
Path("done-{number}").touch()
```

</details>"""

CHECK = """\
done("The file is there.") if Path("done-{number}").exists() else not_yet("There is no file.", "Make one.")"""

WRAP_UP = """\
## Wrap-up

Three questions."""

# It has no questions, and only says how it would show them.
QUESTIONS = """\
print('WrapUp("sample")')"""

CLOSING = """\
## Recap

One thing.

## What breaks in production

Files.
"""

MONDAY = """\
## On Monday

Ask of your own system:

1. One?
2. Two?
3. Three?

Then run this there:

```bash
mosquitto_sub -h OUR-BROKER -t 'ONE/BRANCH/#' -v -C 1
```

It prints a message. What is it about?"""

NEXT = """\
## Next

Nothing.

## Sources

- [The specification](https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html)
"""


def notebook() -> Any:
    """A new sample, which a test may spoil."""
    return new_notebook(
        metadata={"kernelspec": KERNELSPEC, "language_info": {"name": "python"}},
        cells=[
            new_markdown_cell(INTRODUCTION, id="introduction"),
            new_code_cell(
                CONNECT,
                id="connect",
                metadata={"tags": ["short"]},
            ),
            new_code_cell(PREDICT, id="predict-one", metadata={"tags": ["predict"]}),
            new_code_cell('print("It is a.")', id="reveal-one", metadata={"tags": ["reveal"]}),
            new_markdown_cell("## Exercises", id="exercises"),
            *(cell for number in "12" for cell in _exercise(number)),
            new_markdown_cell(
                "## In 15 minutes\n\n**One thing is so.**", id="short-claim", metadata={"tags": ["short"]}
            ),
            new_code_cell(
                PREDICT.replace('"sample"', '"sample-short"'),
                id="short-predict",
                metadata={"tags": ["predict", "short"]},
            ),
            new_code_cell(SHORT_REVEAL, id="short-reveal", metadata={"tags": ["reveal", "short"]}),
            new_markdown_cell(WRAP_UP, id="wrap-up"),
            new_code_cell(QUESTIONS, id="wrap-up-questions"),
            new_markdown_cell(CLOSING, id="closing"),
            new_markdown_cell(MONDAY, id="monday"),
            new_markdown_cell(NEXT, id="next"),
        ],
    )


def _exercise(number: str) -> list[Any]:
    return [
        new_code_cell(
            f'# Make a file named "done-{number}".', id=f"exercise-{number}", metadata={"tags": ["exercise"]}
        ),
        new_code_cell(CHECK.format(number=number), id=f"check-{number}", metadata={"tags": ["check"]}),
        new_markdown_cell(SOLUTION.format(number=number), id=f"solution-{number}", metadata={"tags": ["solution"]}),
    ]


def lesson(changed: Any = None) -> Lesson:
    """The sample, or a changed one, as a lesson on disk would be read."""
    text = nbformat.writes(changed or notebook()) + "\n"
    return Lesson(path=Path(NOTEBOOKS) / "02_sample.ipynb", text=text)
