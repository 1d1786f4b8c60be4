"""How sure is a model? Sets of models, samples of posteriors, and error bars on what they say."""

from mdfit.uncertainty.calibration import Reliability, reliability, variance_scale
from mdfit.uncertainty.chains import MarkovChains, Plan
from mdfit.uncertainty.convergence import Convergence, convergence
from mdfit.uncertainty.ensembles import Ensemble, member_indices, train_ensemble
from mdfit.uncertainty.hamiltonian import NUTS, adapted_nuts
from mdfit.uncertainty.intervals import Coverage, Interval, credible_interval, prediction_factor
from mdfit.uncertainty.kernels import PSGLD, SGHMC, SGLD, SGNHT, ContourSGLD, Kernel, Target
from mdfit.uncertainty.label_likelihood import LabelLikelihood
from mdfit.uncertainty.last_layer import last_layer
from mdfit.uncertainty.posterior import FlatPrior, Likelihood, NormalPrior, Posterior
from mdfit.uncertainty.sampled import Sampled
from mdfit.uncertainty.sampling import PosteriorSamples, sample_posterior
from mdfit.uncertainty.schedules import ConstantSteps, CyclicalSteps, PolynomialSteps, Schedule, thinned
from mdfit.uncertainty.side_by_side import SideBySide, for_each_member
from mdfit.uncertainty.spread_likelihood import SpreadLikelihood

__all__ = [
    "NUTS",
    "PSGLD",
    "SGHMC",
    "SGLD",
    "SGNHT",
    "ConstantSteps",
    "ContourSGLD",
    "Convergence",
    "Coverage",
    "CyclicalSteps",
    "Ensemble",
    "FlatPrior",
    "Interval",
    "Kernel",
    "LabelLikelihood",
    "Likelihood",
    "MarkovChains",
    "NormalPrior",
    "Plan",
    "PolynomialSteps",
    "Posterior",
    "PosteriorSamples",
    "Reliability",
    "Sampled",
    "Schedule",
    "SideBySide",
    "SpreadLikelihood",
    "Target",
    "adapted_nuts",
    "convergence",
    "credible_interval",
    "for_each_member",
    "last_layer",
    "member_indices",
    "prediction_factor",
    "reliability",
    "sample_posterior",
    "thinned",
    "train_ensemble",
    "variance_scale",
]
