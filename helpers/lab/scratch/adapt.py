"""What makes a scratch broker another one than the lab's: settings in ``conf/``, flags, files beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from string import Template

from helpers.lab.runtime.program import CONF, Instance, Program


def filled(file: str, **values: object) -> str:
    """Return the text of ``conf/file`` with these values in it."""
    return Template((CONF / file).read_text(encoding="utf-8")).substitute(values)


def settings_in(file: str, **values: object) -> dict[str, str]:
    """Return the settings in ``conf/file``, filled in."""
    lines = (line for line in filled(file, **values).splitlines() if line and not line.startswith("#"))
    return dict(re.split("[= ]", line, maxsplit=1) for line in lines)


def adapted(program: Program, files: Callable[[], Mapping[str, str]], *flags: str) -> Program:
    """Return the program with these files in its folder, and these flags for its JVM."""

    def command(instance: Instance) -> list[str]:
        for name, text in files().items():
            (instance.folder / name).parent.mkdir(exist_ok=True)
            (instance.folder / name).write_text(text, encoding="utf-8")
        words = program.command(instance)
        place = words.index("-cp") if flags else 0
        return [*words[:place], *flags, *words[place:]]  # of two limits the later one counts

    return replace(program, command=command)
