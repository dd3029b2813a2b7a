"""Exercise checks: each lesson's module looks at the brokers and answers ✅ or "not yet", why, and a hint.

Lessons know the recorder by what they use it for, as ``watch = Watch(here)``.
"""

from helpers.checks.recorder import Recorder as Watch
from helpers.checks.result import Result

__all__ = ["Result", "Watch"]
