"""Frames of the same structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mdfit.data.dataset import Dataset
    from mdfit.structure import Structure


def first_of_equal(dataset: Dataset) -> np.ndarray:
    """For each frame the number of the first one with its structure, to 1e-6 Å; symmetry copies are not looked for."""
    seen: dict[bytes, int] = {}
    return np.array(
        [seen.setdefault(_numbers(frame.structure), index) for index, frame in enumerate(dataset)], np.int64
    )


def groups_of_equal(dataset: Dataset) -> list[list[int]]:
    """The frames as lists of equal structures, which belong to one side of a split."""
    units: dict[int, list[int]] = {}
    for index, first in enumerate(first_of_equal(dataset).tolist()):
        units.setdefault(first, []).append(index)
    return list(units.values())


def _numbers(structure: Structure) -> bytes:
    numbers = np.round(np.concatenate([structure.positions, structure.cell]), 6) + 0.0  # + 0.0 turns -0.0 into 0.0
    return structure.species.tobytes() + structure.periodic.tobytes() + numbers.tobytes()
