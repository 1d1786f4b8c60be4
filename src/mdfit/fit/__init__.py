"""Training: one loop for every objective, with checkpoints, progress and exact resumption."""

from mdfit.fit.accuracy import Accuracy, accuracy
from mdfit.fit.loop import FitResult, fit

__all__ = ["Accuracy", "FitResult", "accuracy", "fit"]
