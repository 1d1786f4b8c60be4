"""Labelled data sets: reading, splitting, reference energies, checking; frames of trajectories, and their beads."""

from mdfit.data.check_report import CheckReport, Finding
from mdfit.data.dataset import Dataset, LabelledStructure
from mdfit.data.frames import Frames
from mdfit.data.labels import LabelKeys
from mdfit.data.mapping import Aggregation, Mapping
from mdfit.data.reading import read
from mdfit.data.trajectories import read_trajectory

__all__ = [
    "Aggregation",
    "CheckReport",
    "Dataset",
    "Finding",
    "Frames",
    "LabelKeys",
    "LabelledStructure",
    "Mapping",
    "read",
    "read_trajectory",
]
