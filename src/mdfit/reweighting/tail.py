"""Is a reweighted average dominated by samples that were never seen?  The tail of the weights tells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from arviz_stats.base import array_stats
from jaxtyping import ArrayLike, Float

from mdfit.errors import ReweightingError

#: Above this shape no feasible number of samples makes a reweighted average reliable.
LARGEST_SHAPE = 0.7
#: Fewer weights in the tail do not determine a shape.
FEWEST_IN_TAIL = 5
#: Up to so many effective samples a fifth of them is the tail.
_SMALL_SAMPLE = 225


@dataclass(frozen=True)
class ParetoTail:
    """The shape of the distribution of the largest weights.

    Attributes:
        shape: k of the generalised Pareto distribution; moments of the weights beyond 1/k do not exist.  −∞ when the
            largest weights are equal, +∞ when there are too few samples to tell.
        threshold: the largest reliable shape for this number of samples.
        samples_in_tail: how many weights determine the shape.

    Example:
        >>> import numpy as np
        >>> from mdfit.reweighting import pareto_tail
        >>> tail = pareto_tail(-0.3 * np.log(np.linspace(0.001, 1, 1000)))
        >>> round(tail.shape, 2), round(tail.threshold, 2), tail.reliable
        (0.27, 0.67, True)
    """

    shape: float
    threshold: float
    samples_in_tail: int

    @property
    def reliable(self) -> bool:
        """True when averages with these weights, and their error bars, can be trusted."""
        return self.shape < self.threshold


def pareto_tail(log_weights: Float[ArrayLike, " samples"], statistical_inefficiency: float = 1.0) -> ParetoTail:
    """The Pareto-k diagnostic of weights.

    The generalised Pareto distribution is fitted, by ArviZ, to the 3 √(N g) largest weights (a fifth of all where N/g is
    at most 225).  The shape is reliable below min(1 − 1/log10(N/g), 0.7).  On the host; not differentiable.
    A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, J. Mach. Learn. Res. 25(72), 1 (2024), arXiv:1507.02646.

    Args:
        log_weights: logarithms of weights, normalised or not; −∞ is a weight of zero.
        statistical_inefficiency: g, how many successive samples are worth one.

    Raises:
        ReweightingError: a weight is NaN or infinite, all weights are zero, or g is below 1.
    """
    logarithms = np.asarray(log_weights, np.float64).reshape(-1)
    if logarithms.size == 0 or not np.isfinite(logarithms.max()):
        raise ReweightingError(
            "The weights have no tail, as their largest is not a finite positive number; "
            "look for energies that are not finite."
        )
    if not statistical_inefficiency >= 1:
        raise ReweightingError(f"A statistical inefficiency is at least 1, but {statistical_inefficiency} was given.")
    samples = logarithms.size
    effective = samples / statistical_inefficiency
    threshold = min(1 - 1 / math.log10(effective), LARGEST_SHAPE) if effective > 1 else -math.inf
    length = int(3 * math.sqrt(samples * statistical_inefficiency) if effective > _SMALL_SAMPLE else samples / 5)
    weights = np.sort(np.exp(logarithms - logarithms.max()))
    if length < FEWEST_IN_TAIL:
        return ParetoTail(math.inf, threshold, length)
    if weights[-1] - weights[-length - 1] <= 1e-12:
        return ParetoTail(-math.inf, threshold, length)
    in_tail = int(np.sum(weights > weights[-length - 1]))
    if in_tail < FEWEST_IN_TAIL:
        return ParetoTail(math.inf, threshold, in_tail)
    # It takes the logarithms of the inverse weights.
    _, shape = array_stats.psislw(-logarithms, r_eff=1 / statistical_inefficiency)
    return ParetoTail(float(shape), threshold, in_tail)
