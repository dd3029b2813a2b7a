"""Scratch brokers for lessons and tests that break things."""

from helpers.lab.scratch.broker import scratch
from helpers.lab.scratch.cluster import cluster
from helpers.lab.scratch.secured import secured

__all__ = ["cluster", "scratch", "secured"]
