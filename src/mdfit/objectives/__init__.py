"""Training objectives: each gives a loss and a gradient; they add and scale."""

from mdfit.models import Parameters
from mdfit.objectives.alternating import Alternating
from mdfit.objectives.base import Evaluation, Objective, Step, WeightedSum
from mdfit.objectives.boltzmann_inversion import BoltzmannInversion
from mdfit.objectives.difftre import DiffTRe
from mdfit.objectives.force_matching import ForceMatching
from mdfit.objectives.relative_entropy import MappedEnsemble, RelativeEntropy

__all__ = [
    "Alternating",
    "BoltzmannInversion",
    "DiffTRe",
    "Evaluation",
    "ForceMatching",
    "MappedEnsemble",
    "Objective",
    "Parameters",
    "RelativeEntropy",
    "Step",
    "WeightedSum",
]
