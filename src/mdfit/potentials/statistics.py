"""What a new neural potential takes from its training set besides reference energies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdfit.graph import neighbor_table
from mdfit.units import quantity

if TYPE_CHECKING:
    from mdfit.data import Dataset


def cutoff_and_neighbours(dataset: Dataset, cutoff: float | str, sample: int = 50) -> tuple[float, float]:
    """The cutoff in Å and the mean number of neighbours within it, from up to ``sample`` evenly spaced frames."""
    length = quantity(cutoff, "Å", "cutoff")
    chosen = np.unique(np.linspace(0, len(dataset) - 1, sample).astype(int))
    structures = [dataset[int(i)].structure for i in chosen]
    counts = [neighbor_table(s.positions, s.cell, s.periodic, length).mask.sum(1).mean() for s in structures]
    return length, max(1.0, float(np.mean(counts)))
