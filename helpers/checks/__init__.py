"""Exercise checks: each lesson's module looks at the brokers and answers ✅ or "not yet", why, and a hint."""

from helpers.checks.recorder import Watch
from helpers.checks.result import Result

__all__ = ["Result", "Watch"]
