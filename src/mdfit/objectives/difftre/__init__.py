"""Learning from measured averages by reweighting trajectories."""

from mdfit.objectives.difftre.objective import DiffTRe

__all__ = ["DiffTRe"]
