"""Errors for users: facts as attributes, a message that names the cause, and a remedy."""

from __future__ import annotations

from numbers import Real


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
        """Let IPython print the message alone: the frames inside ``helpers`` do not help a learner."""
        return [f"{type(self).__name__}: {self}"]


class ConfigurationError(LessonError):
    """A setting is missing, malformed or contradicts another; nothing was contacted yet."""

    def __init__(self, setting: str, cause: str, *, remedy: str) -> None:
        self.setting = setting
        self.reason = cause
        super().__init__(f"{setting}: {cause}", remedy=remedy)


class OutOfRangeError(LessonError):
    """A number outside its range: ``quantity`` is ``value``, not between ``low`` and ``high`` (in ``unit``)."""

    def __init__(self, quantity: str, value: object, low: float, high: float, unit: str = "") -> None:
        self.quantity = quantity
        self.value = value
        self.low = low
        self.high = high
        self.unit = unit
        super().__init__(
            f"{quantity} cannot be {value!r}",
            remedy=f"Give a number from {low:g} to {high:g} {unit}".rstrip() + ".",
        )


def in_range(quantity: str, value: object, low: float, high: float, unit: str = "") -> float:
    """Return ``value`` as a float. Raises ``OutOfRangeError`` unless it is a number from ``low`` to ``high``."""
    if isinstance(value, Real) and not isinstance(value, bool) and low <= float(value) <= high:
        return float(value)
    raise OutOfRangeError(quantity, value, low, high, unit)


class FleetError(LessonError):
    """The fleet cannot do what was asked; ``generator_id`` names the generator concerned, if there is one."""

    def __init__(self, cause: str, *, remedy: str = "", generator_id: str = "") -> None:
        self.generator_id = generator_id
        super().__init__(cause, remedy=remedy)


class BridgeError(LessonError):
    """What carries between MQTT and Kafka cannot go on safely. Messages without a PUBACK stay with the MQTT broker."""
