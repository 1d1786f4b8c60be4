"""How far an average over the second half of chains is from that over the first half."""

from __future__ import annotations

import numpy as np

from mdfit.errors import ObservableError
from mdfit.observables.block_averages import checked_weights
from mdfit.observables.statistics import jackknife


def drift(values: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """The weighted mean of the second half of all chains minus that of the first half, and its standard error.

    The error comes from leaving out one chain at a time, whose halves belong together.

    Args:
        values: ``(chains, frames)`` in any unit, true or false for the population of a basin.
        weights: of the frames, ``(chains, frames)``, up to a factor; all alike by default.

    Raises:
        ObservableError: for fewer than two chains or two frames, or weights that do not fit.
    """
    if values.ndim != 2 or min(values.shape) < 2:
        raise ObservableError(f"A drift needs two chains of two frames at least, not values of shape {values.shape}.")
    counts = checked_weights(weights, values.shape)
    middle = values.shape[1] // 2
    halves = (slice(middle), slice(middle, None))
    sums = [(counts * factor)[:, half].sum(axis=1) for half in halves for factor in (values, 1.0)]
    change, error = jackknife(lambda mean: mean[2] / mean[3] - mean[0] / mean[1], np.stack(sums, axis=1))
    return float(change), float(error)
