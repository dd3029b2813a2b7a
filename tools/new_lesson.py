"""Begin a lesson: ``python -m tools.new_lesson 16 "Your title"``.

Writes what every lesson consists of: the notebook, its picture, its module of checks, its bank of answers, and its row
in the catalogue. The lesson runs, and its checks are solved by its solutions; what remains is to say something.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.errors import LessonError
from helpers.paths import ROOT
from tests.notebooks import cells
from tests.notebooks.anatomy import KERNELSPEC, SHORT_LINE

INTRODUCTION = """\
# {number} · {title}

*Run All: 10 s (measured) · allow 45 min (an estimate)*

{line}

One sentence: what is at stake.

![Where this lesson sits in the pipeline: its part is not marked yet](pictures/{slug}.svg)

**You will**

- see …
- measure …
- build …

**You need**

| lesson | |
|---|---|
| [02 · Publish with MQTT](02_publish_with_mqtt.ipynb) | necessary: clients, topics, topic filters |
"""

CONNECT = """\
from helpers import lab
from helpers.checks import Watch, {slug} as checks

here = lab.connect(lesson="{slug}")
watch = Watch(here, mqtt_filters=["{word}/#"])
here"""

SECTION = """\
## 1. A claim

One idea, and what follows from it. The next cell shows it."""

QUESTION = """\
## 2. A question

Describe what is about to happen. **Predict**: how often is the message received?"""

PREDICT = """\
from helpers.figures import Prediction

prediction = Prediction("{word}", "never", "once", "twice")
prediction"""

REVEAL = """\
import queue

inbox, granted = queue.Queue(), queue.Queue()
client = new_client("{word}")
client.on_connect = lambda client, *_: client.subscribe(f"{{here.ns}}{word}/demo")
client.on_subscribe = lambda *_: granted.put("yes")
client.on_message = lambda _client, _userdata, message: inbox.put(message.payload.decode())
client.connect(here.mqtt.host, here.mqtt.port)
client.loop_start()
granted.get(timeout=10)
client.publish(f"{{here.ns}}{word}/demo", "hello")
print(inbox.get(timeout=10))
client.disconnect()
client.loop_stop()
print("Your prediction:", prediction or "none yet", "- the answer: b")"""

EXERCISE = """\
# Publish a message to {word}/{number}, with QoS 1."""

SOLUTION = """\
<details><summary>Solution</summary>

```python
client = new_client("{word}-{number}")
client.connect(here.mqtt.host, here.mqtt.port)
client.loop_start()
client.publish(f"{{here.ns}}{word}/{number}", "hello", qos=1).wait_for_publish(10)
client.disconnect()
client.loop_stop()
```

</details>"""

IN_15_MINUTES = {
    "claim": """\
## In 15 minutes

*It needs only the first code cell of this page. It is for people in a hurry, and for you in a month: do you still know
what happens?*

**One claim.**

What is about to happen. How many readings are lost?""",
    "predict": """\
from helpers.figures import Prediction

prediction = Prediction("{word}-short", "none", "one", "both")
prediction""",
    "reveal": """\
from helpers.figures import fates

print("Your prediction:", prediction or "none yet", "- the answer: b")
fates({{"a trial": [(1, "once"), (2, "lost")]}})""",
    "after": "What follows from it.",
}

MONDAY = """\
## On Monday

Ask of your own system:

1. Where …?
2. How …?
3. Who …?

Then run this there. It only reads:

```bash
kcat -b OUR-KAFKA:9092 -L
```

What to look at."""

QUESTION = """\

[[question]]
asks = "…"
right = "{right}"
a = ["…", "…"]
b = ["…", "…"]
c = ["…", "…"]
"""

CLOSING = {
    "wrap-up": "## Wrap-up\n\nThree questions about what you have seen. Choose: each option has its reason.",
    "wrap-up-questions": 'from helpers.checks.wrap_up import WrapUp\n\nWrapUp("{slug}")',
    "recap": "## Recap\n\n- One sentence for each section.",
    "production": "## What breaks in production\n\n- **A mistake.** What it costs.",
    "monday": MONDAY,
    "next": "## Next\n\n[README](../README.md)",
    "sources": "## Sources\n\n- [MQTT 5.0](https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html)",
}

CHECKS = '''\
"""Checks: a message for each exercise."""

from __future__ import annotations

from helpers.checks.recorder import Recorder
from helpers.checks.result import Result, done, not_yet


def exercise_1(recorder: Recorder) -> Result:
    """A message arrived at ``{word}/1``."""
    return _published(recorder, "{word}/1")


def exercise_2(recorder: Recorder) -> Result:
    """A message arrived at ``{word}/2``."""
    return _published(recorder, "{word}/2")


def _published(recorder: Recorder, topic: str) -> Result:
    if recorder.wait_for(lambda: bool(recorder.messages(topic))):
        return done(f"A message arrived at {{topic}}.")
    return not_yet(f"No message arrived at {{topic}}.", "publish() sends it.")
'''

BANK = '''\
"""Answers to the exercises."""

from __future__ import annotations

from tests.notebooks.bank import Exercise, Wrong

EXERCISES = [
    Exercise(
        cell=f"exercise-{{number}}",
        misconception="What people believe who answer wrongly.",
        wrong=[Wrong("nothing is published", "publish() sends it", "client = None")],
        right={{}},
    )
    for number in (1, 2)
]
'''

ROW = '        Lesson({quoted}, "{file}", owns=("{word}",)),\n'
END_OF_ROWS = "    )\n}\n"

LEFT = """\
{file} is there, and runs. What is left, in this order:
- the notebook: replace what the skeleton says, and mark the lesson's part in notebooks/pictures/{slug}.svg
- notebooks/questions/{slug}.toml: three questions about what the lesson shows
- helpers/checks/{slug}.py: what the exercises are about
- tests/notebooks/answers/{slug}.py: six wrong answers and two right ones for each exercise
- the lesson's rows in README.md, WORKSHOP.md (with its section) and .github/ISSUE_TEMPLATE/workshop-report.yml
`uv run pytest tests/unit tests/notebooks/test_hygiene.py tests/notebooks/test_answers.py` names what is missing."""


def create(number: str, title: str, root: Path = ROOT) -> str:
    """Write the lesson into the repository at ``root``. Return what is left to do.

    Raises:
        LessonError: The number is not two digits, the title makes no module's name, or a file is there already;
            nothing was written.
    """
    word = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    slug = word.replace("-", "_")
    if not re.fullmatch(r"\d\d", number) or not slug.isidentifier() or keyword.iskeyword(slug):
        raise LessonError(
            f"{number!r} and {title!r} are not a number and a title that can name a Python module.",
            remedy='Give two digits, and words that begin with a letter: python -m tools.new_lesson 16 "Your title".',
        )
    if there := sorted((root / "notebooks").glob(f"{number}_*.ipynb")):
        raise LessonError(f"Lesson {number} is there already: {there[0].name}.", remedy="Choose another number.")
    names = {"number": number, "title": title, "word": word, "slug": slug, "file": f"{number}_{slug}.ipynb"}
    names["quoted"] = json.dumps(title, ensure_ascii=False)
    catalogue = root / "helpers" / "lessons.py"
    picture = (root / "notebooks" / "pictures" / "pipeline.svg").read_text(encoding="utf-8")
    written = {
        f"notebooks/{names['file']}": nbformat.writes(_notebook(names)) + "\n",
        f"notebooks/pictures/{slug}.svg": picture.replace(">The pipeline<", f">The pipeline, for lesson {number}<"),
        f"notebooks/questions/{slug}.toml": "".join(QUESTION.format(right=right) for right in "cab").lstrip(),
        f"helpers/checks/{slug}.py": CHECKS.format(**names),
        f"tests/notebooks/answers/{slug}.py": BANK.format(**names),
    }
    if taken := [name for name in written if (root / name).exists()]:
        raise LessonError(f"{', '.join(taken)} would be written over.", remedy="Choose another title.")
    written["helpers/lessons.py"] = catalogue.read_text(encoding="utf-8").replace(
        END_OF_ROWS, ROW.format(**names) + END_OF_ROWS
    )
    for name, text in written.items():
        (root / name).write_text(text, encoding="utf-8")
    return LEFT.format(**names)


def _notebook(names: dict[str, str]) -> Any:
    def tagged(source: str, tag: str) -> Any:
        return new_code_cell(source.format(**names), id=f"{names['word']}-{tag}", metadata={"tags": [tag]})

    def short(name: str, source: str) -> Any:
        if name in {"claim", "after"}:
            return new_markdown_cell(source, id=f"short-{name}", metadata={"tags": ["short"]})
        return new_code_cell(source.format(**names), id=f"short-{name}", metadata={"tags": [name, "short"]})

    def closing(name: str, source: str) -> Any:
        make = new_code_cell if name == "wrap-up-questions" else new_markdown_cell
        return make(source.format(**names), id=name)

    return new_notebook(
        metadata={"kernelspec": KERNELSPEC, "language_info": {"name": "python"}},
        cells=[
            new_markdown_cell(INTRODUCTION.format(**names, line=SHORT_LINE), id="introduction"),
            new_code_cell(CONNECT.format(**names), id="connect", metadata={"tags": ["short"]}),
            new_markdown_cell(SECTION, id="claim"),
            new_code_cell(cells.source("00", "mqtt-client").removeprefix("import queue\n\n"), id="new-client"),
            new_markdown_cell(QUESTION, id="question"),
            tagged(PREDICT, "predict"),
            tagged(REVEAL, "reveal"),
            new_markdown_cell("## Exercises", id="exercises"),
            *(cell for exercise in "12" for cell in _exercise(exercise, names)),
            new_markdown_cell("## Go further\n\nWhat one may skip.", id="further"),
            *(short(name, source) for name, source in IN_15_MINUTES.items()),
            *(closing(name, source) for name, source in CLOSING.items()),
        ],
    )


def _exercise(exercise: str, names: dict[str, str]) -> list[Any]:
    own = {**names, "number": exercise}
    check = f"checks.exercise_{exercise}(watch)"
    return [
        new_markdown_cell(f"### {exercise}. What to make\n\nWhat must be true at the end.", id=f"task-{exercise}"),
        new_code_cell(EXERCISE.format(**own), id=f"exercise-{exercise}", metadata={"tags": ["exercise"]}),
        new_code_cell(check, id=f"check-{exercise}", metadata={"tags": ["check"]}),
        new_markdown_cell(SOLUTION.format(**own), id=f"solution-{exercise}", metadata={"tags": ["solution"]}),
    ]


def main() -> None:
    if len(sys.argv) != 3:  # noqa: PLR2004 - the number and the title
        sys.exit(__doc__)
    try:
        sys.stdout.write(f"{create(*sys.argv[1:])}\n")
    except LessonError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
