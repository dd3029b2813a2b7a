"""The answers to each lesson's exercises, one module a lesson: see ``tests/notebooks/bank.py``."""
