"""The `lab` command: a skin over plain functions."""
