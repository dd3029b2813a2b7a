"""Every error a user can see: facts as attributes, one message that names the cause, and a remedy."""

from __future__ import annotations


class LessonError(Exception):
    """Base of all errors raised by ``helpers``.

    ``cause`` says what went wrong, ``remedy`` what to do about it. Both are shown; neither ends in a traceback when
    the error reaches the ``lab`` command.
    """

    def __init__(self, cause: str, *, remedy: str = "") -> None:
        self.cause = cause
        self.remedy = remedy
        super().__init__(f"{cause}\n→ {remedy}" if remedy else cause)

    def _render_traceback_(self) -> list[str]:
        """Let IPython print the message alone: the frames inside ``helpers`` tell a learner nothing."""
        return [f"{type(self).__name__}: {self}"]
