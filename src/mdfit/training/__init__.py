"""Training: one loop for every objective, with checkpoints, progress and exact resumption."""

from mdfit.objectives.accuracy import Accuracy, accuracy
from mdfit.training.loop import FitResult, fit
from mdfit.training.pace import Pace, measure_pace
from mdfit.training.records import has_checkpoint

__all__ = ["Accuracy", "FitResult", "Pace", "accuracy", "fit", "has_checkpoint", "measure_pace"]
