"""Potentials: one file each, behind one protocol and one evaluation."""

from mdfit.models import Constant, trainable
from mdfit.potentials.allegro import Allegro
from mdfit.potentials.around import Around
from mdfit.potentials.base import Potential, Sum, load, trainable_except
from mdfit.potentials.curves import field_curve, pair_curve
from mdfit.potentials.dataset_predictions import (
    FramePrediction,
    check_dataset,
    labelled_by,
    predict,
    predict_with_spread,
)
from mdfit.potentials.dihedrals import PeriodicDihedrals
from mdfit.potentials.dimenet import DimeNetPP
from mdfit.potentials.evaluation import Prediction, energies, evaluate, forces
from mdfit.potentials.excluding import Excluding
from mdfit.potentials.external import ExternalField, ExternalPolynomial, ExternalSpline
from mdfit.potentials.gradient import Gradient
from mdfit.potentials.harmonic import HarmonicAngles, HarmonicBonds
from mdfit.potentials.inverse_power import InversePower
from mdfit.potentials.last_layer import LastLayer
from mdfit.potentials.lennard_jones import LennardJones
from mdfit.potentials.listed_pairs import ListedInversePower, ListedLennardJones
from mdfit.potentials.neural import NeuralPotential
from mdfit.potentials.painn import PaiNN
from mdfit.potentials.pair import PairPotential
from mdfit.potentials.potential_set import PotentialSet, SetPrediction, evaluate_set
from mdfit.potentials.prior_statistics import prior_from_statistics
from mdfit.potentials.prior_table import PriorTable
from mdfit.potentials.readout import Scaling
from mdfit.potentials.shallow_ensemble import ShallowEnsemble
from mdfit.potentials.spline import PairSpline
from mdfit.potentials.spread import (
    KnownSpread,
    Scales,
    StructureSpread,
    UncertainPotential,
    WithSpread,
    evaluate_with_spread,
    known_spread,
    knows_spread,
    structure_spread,
)
from mdfit.potentials.stiffness import born_stiffness, lagrangian_stiffness
from mdfit.potentials.stillinger_weber import StillingerWeber
from mdfit.potentials.term_by_term import distinct_cutoffs, energy_and_derivatives, temperature_derivatives
from mdfit.potentials.zbl import ZBL

__all__ = [
    "ZBL",
    "Allegro",
    "Around",
    "Constant",
    "DimeNetPP",
    "Excluding",
    "ExternalField",
    "ExternalPolynomial",
    "ExternalSpline",
    "FramePrediction",
    "Gradient",
    "HarmonicAngles",
    "HarmonicBonds",
    "InversePower",
    "KnownSpread",
    "LastLayer",
    "LennardJones",
    "ListedInversePower",
    "ListedLennardJones",
    "NeuralPotential",
    "PaiNN",
    "PairPotential",
    "PairSpline",
    "PeriodicDihedrals",
    "Potential",
    "PotentialSet",
    "Prediction",
    "PriorTable",
    "Scales",
    "Scaling",
    "SetPrediction",
    "ShallowEnsemble",
    "StillingerWeber",
    "StructureSpread",
    "Sum",
    "UncertainPotential",
    "WithSpread",
    "born_stiffness",
    "check_dataset",
    "distinct_cutoffs",
    "energies",
    "energy_and_derivatives",
    "evaluate",
    "evaluate_set",
    "evaluate_with_spread",
    "field_curve",
    "forces",
    "known_spread",
    "knows_spread",
    "labelled_by",
    "lagrangian_stiffness",
    "load",
    "pair_curve",
    "predict",
    "predict_with_spread",
    "prior_from_statistics",
    "structure_spread",
    "temperature_derivatives",
    "trainable",
    "trainable_except",
]
