"""How sure is a model? Sets of models, samples of posteriors, and error bars on what they say."""

from mdfit.uncertainty.calibration import Reliability, reliability, variance_scale
from mdfit.uncertainty.chains import MarkovChains, Plan
from mdfit.uncertainty.convergence import Convergence, convergence
from mdfit.uncertainty.ensembles import Ensemble, member_indices, train_ensemble
from mdfit.uncertainty.hamiltonian import NUTS, adapted_nuts
from mdfit.uncertainty.intervals import Coverage, Interval, credible_interval, prediction_factor
from mdfit.uncertainty.kernels import PSGLD, SGHMC, SGLD, SGNHT, ContourSGLD, Kernel, Target
from mdfit.uncertainty.known_spread import structure_spreads, times_known, with_known_spread
from mdfit.uncertainty.label_likelihood import LabelLikelihood
from mdfit.uncertainty.label_spread import LabelSpread, label_spread
from mdfit.uncertainty.laplace import laplace_nuts
from mdfit.uncertainty.last_layer import last_layer
from mdfit.uncertainty.measurement_likelihood import MeasurementLikelihood
from mdfit.uncertainty.member_reweighting import MemberWeights, estimate_reweighted, member_weights
from mdfit.uncertainty.member_simulations import (
    MemberSimulations,
    SimulationPlan,
    estimate_simulated,
    simulate_members,
)
from mdfit.uncertainty.posterior import FlatPrior, Likelihood, NormalPrior, Posterior
from mdfit.uncertainty.propagation import Propagated, estimate
from mdfit.uncertainty.rescaling import rescaled
from mdfit.uncertainty.sampled import Sampled
from mdfit.uncertainty.sampling import PosteriorSamples, sample_posterior
from mdfit.uncertainty.schedules import ConstantSteps, CyclicalSteps, PolynomialSteps, RisingSteps, Schedule, thinned
from mdfit.uncertainty.selection import Selection, select, structure_features
from mdfit.uncertainty.side_by_side import SideBySide, for_each_member
from mdfit.uncertainty.spread_likelihood import SpreadLikelihood
from mdfit.uncertainty.uncertain_estimate import UncertainEstimate

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
    "LabelSpread",
    "Likelihood",
    "MarkovChains",
    "MeasurementLikelihood",
    "MemberSimulations",
    "MemberWeights",
    "NormalPrior",
    "Plan",
    "PolynomialSteps",
    "Posterior",
    "PosteriorSamples",
    "Propagated",
    "Reliability",
    "RisingSteps",
    "Sampled",
    "Schedule",
    "Selection",
    "SideBySide",
    "SimulationPlan",
    "SpreadLikelihood",
    "Target",
    "UncertainEstimate",
    "adapted_nuts",
    "convergence",
    "credible_interval",
    "estimate",
    "estimate_reweighted",
    "estimate_simulated",
    "for_each_member",
    "label_spread",
    "laplace_nuts",
    "last_layer",
    "member_indices",
    "member_weights",
    "prediction_factor",
    "reliability",
    "rescaled",
    "sample_posterior",
    "select",
    "simulate_members",
    "structure_features",
    "structure_spreads",
    "thinned",
    "times_known",
    "train_ensemble",
    "variance_scale",
    "with_known_spread",
]
