"""What lessons show: colours, a template, live figures, the operations dashboard, diagrams, charts, predictions."""

from helpers.figures import charts, dashboard, live
from helpers.figures.diagrams import partitions, sequence
from helpers.figures.fates import fates
from helpers.figures.prediction import Prediction
from helpers.figures.style import PALETTE, TEMPLATE, LiveFigure, described

__all__ = [
    "PALETTE",
    "TEMPLATE",
    "LiveFigure",
    "Prediction",
    "charts",
    "dashboard",
    "described",
    "fates",
    "live",
    "partitions",
    "sequence",
]
