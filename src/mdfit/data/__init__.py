"""Labelled data sets: reading, splitting, reference energies, checking."""

from mdfit.data.check_report import CheckReport, Finding
from mdfit.data.dataset import Dataset, LabelledStructure
from mdfit.data.labels import LabelKeys
from mdfit.data.reading import read

__all__ = ["CheckReport", "Dataset", "Finding", "LabelKeys", "LabelledStructure", "read"]
