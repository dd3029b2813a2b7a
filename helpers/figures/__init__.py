"""Figures of the lessons: colours and a template, live figures, the operations dashboard, diagrams and charts."""

from helpers.figures import charts, dashboard, live
from helpers.figures.diagrams import partitions, sequence
from helpers.figures.fates import fates
from helpers.figures.style import PALETTE, TEMPLATE, DescribedFigure, LiveFigure

__all__ = [
    "PALETTE",
    "TEMPLATE",
    "DescribedFigure",
    "LiveFigure",
    "charts",
    "dashboard",
    "fates",
    "live",
    "partitions",
    "sequence",
]
