"""Reference frames, a portion for each update."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdfit.objectives.relative_entropy.mapped_ensemble import MappedEnsemble
from mdfit.potentials import Potential
from mdfit.reweighting.frame_values import FrameValues


class Portions:
    """All frames in random portions of one size, each used once before any is used again.

    Args:
        ensemble: the reference.
        size: frames per portion; portions have up to one frame for each of them more when the frames do not divide.
        dtype: of positions.
    """

    def __init__(self, ensemble: MappedEnsemble, size: int, dtype: Any):
        self._ensemble, self._dtype = ensemble, dtype
        shuffled = np.random.default_rng(0).permutation(len(ensemble))
        self._portions = np.array_split(shuffled, len(ensemble) // size)
        self._values: dict[int, FrameValues] = {}

    def identity(self) -> tuple:
        """See :func:`mdfit.storage.fingerprint`."""
        return self._ensemble, np.dtype(self._dtype), self._portions

    def of_update(self, update: int, seed: int, potential: Potential) -> FrameValues:
        """The portion of an update, in an order that depends on the seed."""
        epoch, place = divmod(update, len(self._portions))
        chosen = int(np.random.default_rng([seed, epoch]).permutation(len(self._portions))[place])
        if chosen not in self._values:
            trajectory = self._ensemble.trajectory(self._portions[chosen], self._dtype)
            self._values[chosen] = FrameValues((), trajectory, potential)
        return self._values[chosen]
