"""Checks on the host: compiled code lets numbers through that are not finite."""

from __future__ import annotations

import numpy as np
from jaxtyping import ArrayLike

from mdfit.errors import ReweightingError
from mdfit.simulate import Trajectory


def require_finite(values: ArrayLike, name: str = "reduced energy") -> np.ndarray:
    """The values as an array of numpy in double precision, once they are known to be finite.

    Args:
        values: one or more per sample, of any shape; not traced.
        name: of one value, for the message.

    Raises:
        ReweightingError: a value is NaN or infinite, or there are none.
    """
    array = np.asarray(values, np.float64)
    if array.size == 0:
        raise ReweightingError(f"There is no {name}: reweighting needs at least one sample.")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = ", ".join(str(index) for index in bad[0])
        raise ReweightingError(
            f"The {name} of {len(bad)} of {array.size} samples is not finite (the first is {array[tuple(bad[0])]} at "
            f"index {place}): the changed potential fails there; take a smaller step or leave these samples out."
        )
    return array


def require_weights(trajectory: Trajectory) -> None:
    """Raises ReweightingError for frames that were not made by a thermostat."""
    if trajectory.ensemble not in ("NVT", "NPT"):
        raise ReweightingError(
            f"Frames at constant energy ({trajectory.ensemble}) have no Boltzmann weights; simulate with a thermostat."
        )
