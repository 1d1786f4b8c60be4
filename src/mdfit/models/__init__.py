"""What is trained and saved: models, their files, and sets of them."""

from mdfit.models.base import Constant, Model, trainable
from mdfit.models.files import build, load, provenance
from mdfit.models.model_set import ModelSet
from mdfit.models.parameters import Parameters, part_of_step

__all__ = [
    "Constant",
    "Model",
    "ModelSet",
    "Parameters",
    "build",
    "load",
    "part_of_step",
    "provenance",
    "trainable",
]
