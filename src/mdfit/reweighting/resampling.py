"""Equally weighted samples from weighted ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import ArrayLike, Float, Int

from mdfit.errors import ReweightingError


def systematic_resampling(
    log_weights: Float[ArrayLike, " samples"], number: int, generator: np.random.Generator
) -> Int[np.ndarray, " number"]:
    """Indices of samples, in order: one of weight w is drawn ⌊nw⌋ or ⌈nw⌉ times, nw on average.

    Usually less noisy than independent draws.  G. Kitagawa, J. Comput. Graph. Stat. 5, 1 (1996).

    Args:
        log_weights: ln w of the samples, up to a constant.
        number: n of draws.
        generator: of the one random number that is needed.

    Raises:
        ReweightingError: no samples, no draws, or no weight that is a positive number.
    """
    logarithms = np.asarray(log_weights, np.float64)
    if logarithms.ndim != 1 or logarithms.size == 0:
        raise ReweightingError(f"Weights of shape {logarithms.shape} cannot be drawn from; give one for each sample.")
    if number < 1:
        raise ReweightingError(f"{number} samples cannot be drawn; ask for at least one.")
    largest = logarithms.max()
    if not np.isfinite(largest) or np.isnan(logarithms).any():
        raise ReweightingError("The weights are not numbers, or all zero; look for energies that are not finite.")
    cumulative = np.cumsum(np.exp(logarithms - largest))
    places = (generator.random() + np.arange(number)) / number * cumulative[-1]
    return np.minimum(np.searchsorted(cumulative, places, side="right"), logarithms.size - 1)
