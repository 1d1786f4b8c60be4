"""Training: one loop for every objective, with checkpoints, progress and exact resumption."""

from mdfit.objectives.accuracy import Accuracy, accuracy
from mdfit.training.loop import FitResult, fit
from mdfit.training.records import has_checkpoint

__all__ = ["Accuracy", "FitResult", "accuracy", "fit", "has_checkpoint"]
