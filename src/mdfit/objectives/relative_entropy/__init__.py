"""Coarse-graining by the relative entropy between mapped reference frames and the model's own."""

from mdfit.objectives.relative_entropy.mapped_ensemble import MappedEnsemble
from mdfit.objectives.relative_entropy.objective import RelativeEntropy

__all__ = ["MappedEnsemble", "RelativeEntropy"]
