"""What lessons show: colours, a template, live figures, the operations dashboard, diagrams, charts, predictions."""

from helpers.figures import charts, dashboard, live
from helpers.figures.diagrams import partitions, sequence
from helpers.figures.fates import fates
from helpers.figures.prediction import Prediction
from helpers.figures.style import PALETTE, TEMPLATE, DescribedFigure, LiveFigure

__all__ = [
    "PALETTE",
    "TEMPLATE",
    "DescribedFigure",
    "LiveFigure",
    "Prediction",
    "charts",
    "dashboard",
    "fates",
    "live",
    "partitions",
    "sequence",
]
