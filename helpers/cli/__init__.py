"""The `lab` command: a thin layer over plain functions."""
