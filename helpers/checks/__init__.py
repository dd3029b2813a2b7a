"""Exercise checks: each lesson's module looks at the brokers and answers ✅ or "not yet", why, and a hint."""

from helpers.checks.result import Result
from helpers.checks.watch import Watch

__all__ = ["Result", "Watch"]
