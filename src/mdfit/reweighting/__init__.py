"""Statistical reweighting: weights, what they are worth, and free-energy differences."""

from mdfit.reweighting.checks import require_finite, require_weights
from mdfit.reweighting.effective_size import (
    EffectiveSamples,
    effective_samples,
    effective_size,
    kish_effective_size,
)
from mdfit.reweighting.ensemble import Ensemble, Outlook
from mdfit.reweighting.free_energy import FreeEnergyDifference, bennett, exponential_average
from mdfit.reweighting.multistate import Mixture, multistate
from mdfit.reweighting.path import along_path
from mdfit.reweighting.resampling import systematic_resampling
from mdfit.reweighting.reweighted import Reweighted, reweight
from mdfit.reweighting.samples import SampledFrames, Samples, Starts
from mdfit.reweighting.simulation_pool import PooledFrames, PoolState, SimulationPool
from mdfit.reweighting.tail import ParetoTail, pareto_tail
from mdfit.reweighting.weighted_average import WeightedAverage, average_with_error, worth_of_weights
from mdfit.reweighting.weights import average, log_weights, reduced_energy, thermal_energy

__all__ = [
    "EffectiveSamples",
    "Ensemble",
    "FreeEnergyDifference",
    "Mixture",
    "Outlook",
    "ParetoTail",
    "PoolState",
    "PooledFrames",
    "Reweighted",
    "SampledFrames",
    "Samples",
    "SimulationPool",
    "Starts",
    "WeightedAverage",
    "along_path",
    "average",
    "average_with_error",
    "bennett",
    "effective_samples",
    "effective_size",
    "exponential_average",
    "kish_effective_size",
    "log_weights",
    "multistate",
    "pareto_tail",
    "reduced_energy",
    "require_finite",
    "require_weights",
    "reweight",
    "systematic_resampling",
    "thermal_energy",
    "worth_of_weights",
]
