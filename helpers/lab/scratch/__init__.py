"""Scratch brokers for lessons and tests that break things."""
