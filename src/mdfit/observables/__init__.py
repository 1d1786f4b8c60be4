"""Observables, and their estimates with error bars."""

from mdfit.observables.adf import ADF
from mdfit.observables.base import Observable, TrajectoryObservable
from mdfit.observables.basins import Basin, BasinPopulations, Interval
from mdfit.observables.block_averages import BlockAverages
from mdfit.observables.collective_variables import Angle, CollectiveVariable, Coordinate, Dihedral, Distance
from mdfit.observables.constant_pressure import Compressibility, HeatCapacityAtConstantPressure, ThermalExpansion
from mdfit.observables.coordination import CoordinationNumber
from mdfit.observables.density import Density
from mdfit.observables.density_comparison import (
    free_energy_error,
    jensen_shannon_divergence,
    mean_squared_density_error,
    total_variation,
)
from mdfit.observables.diffusion import DiffusionCoefficient, MeanSquareDisplacement
from mdfit.observables.distribution import Distribution, JointDistribution
from mdfit.observables.drift import drift
from mdfit.observables.elastic_constants import ElasticConstants
from mdfit.observables.energy import PotentialEnergy, TotalEnergy
from mdfit.observables.equilibration import equilibration_warnings
from mdfit.observables.estimate import Estimate, estimate
from mdfit.observables.free_energy import FreeEnergy
from mdfit.observables.free_energy_profile import FreeEnergyProfile
from mdfit.observables.heat_capacity import HeatCapacity
from mdfit.observables.molecular_distributions import (
    angle_distributions,
    bond_distributions,
    dihedral_distributions,
)
from mdfit.observables.per_frame import per_frame, variable_per_frame
from mdfit.observables.rdf import RDF
from mdfit.observables.snapshot import Snapshot
from mdfit.observables.statistics import bootstrap, jackknife
from mdfit.observables.stress import Pressure, Stress
from mdfit.observables.temperature import Temperature
from mdfit.observables.tetrahedral_order import TetrahedralOrder
from mdfit.observables.triplet_correlation import EquilateralTripletCorrelation
from mdfit.observables.variable_divergences import mean_divergence
from mdfit.observables.vibrations import VelocityAutocorrelation, VibrationalDensityOfStates

__all__ = [
    "ADF",
    "RDF",
    "Angle",
    "Basin",
    "BasinPopulations",
    "BlockAverages",
    "CollectiveVariable",
    "Compressibility",
    "Coordinate",
    "CoordinationNumber",
    "Density",
    "DiffusionCoefficient",
    "Dihedral",
    "Distance",
    "Distribution",
    "ElasticConstants",
    "EquilateralTripletCorrelation",
    "Estimate",
    "FreeEnergy",
    "FreeEnergyProfile",
    "HeatCapacity",
    "HeatCapacityAtConstantPressure",
    "Interval",
    "JointDistribution",
    "MeanSquareDisplacement",
    "Observable",
    "PotentialEnergy",
    "Pressure",
    "Snapshot",
    "Stress",
    "Temperature",
    "TetrahedralOrder",
    "ThermalExpansion",
    "TotalEnergy",
    "TrajectoryObservable",
    "VelocityAutocorrelation",
    "VibrationalDensityOfStates",
    "angle_distributions",
    "bond_distributions",
    "bootstrap",
    "dihedral_distributions",
    "drift",
    "equilibration_warnings",
    "estimate",
    "free_energy_error",
    "jackknife",
    "jensen_shannon_divergence",
    "mean_divergence",
    "mean_squared_density_error",
    "per_frame",
    "total_variation",
    "variable_per_frame",
]
