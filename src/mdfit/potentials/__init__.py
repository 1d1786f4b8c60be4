"""Potentials: one file each, behind one protocol and one evaluation."""

from mdfit.potentials.base import Constant, Potential, Sum, trainable
from mdfit.potentials.dimenet import DimeNetPP
from mdfit.potentials.evaluation import Prediction, energies, evaluate, forces
from mdfit.potentials.files import load
from mdfit.potentials.painn import PaiNN
from mdfit.potentials.prediction import FramePrediction, predict

__all__ = [
    "Constant",
    "DimeNetPP",
    "FramePrediction",
    "PaiNN",
    "Potential",
    "Prediction",
    "Sum",
    "energies",
    "evaluate",
    "forces",
    "load",
    "predict",
    "trainable",
]
