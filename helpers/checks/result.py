"""What a check answers."""

from __future__ import annotations

import html
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Result:
    """The answer of one check.

    ``reason`` says what was seen on the brokers, in one sentence; ``hint`` is the next thing to try, empty when the
    exercise is done. Shown as the last value of a cell, it prints ``✅ reason`` or ``Not yet: reason`` and the hint.
    """

    passed: bool
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        head = f"✅ {self.reason}" if self.passed else f"Not yet: {self.reason}"
        return f"{head}\nHint: {self.hint}" if self.hint and not self.passed else head

    __repr__ = __str__

    def _repr_html_(self) -> str:
        colour, mark = ("#2e7d32", "✅") if self.passed else ("#b26a00", "⏳ Not yet:")
        hint = f"<br><em>Hint:</em> {html.escape(self.hint)}" if self.hint and not self.passed else ""
        return (
            f'<div style="border-left:4px solid {colour};padding:.4em .8em">'
            f"<strong>{mark}</strong> {html.escape(self.reason)}{hint}</div>"
        )


def done(reason: str) -> Result:
    """The exercise is solved."""
    return Result(passed=True, reason=reason)


def not_yet(reason: str, hint: str) -> Result:
    """The exercise is not solved yet; ``hint`` helps without giving the answer away."""
    return Result(passed=False, reason=reason, hint=hint)
