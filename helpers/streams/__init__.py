"""A stream-processing engine in a notebook: runs of one job, and what came out of them."""

from helpers.streams.engine import interruptible
from helpers.streams.runs import fates, feed, new_run

__all__ = ["fates", "feed", "interruptible", "new_run"]
