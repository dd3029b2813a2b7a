"""Lessons in JupyterLab, in a real browser that can reach this machine and nothing else."""
