"""Is a reweighted average dominated by samples that were never seen?  The tail of the weights tells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import ArrayLike, Float

from mdfit.errors import ReweightingError

#: Above this shape no feasible number of samples makes a reweighted average reliable.
LARGEST_SHAPE = 0.7
#: Fewer weights in the tail do not determine a shape.
FEWEST_IN_TAIL = 5
#: The prior on the shape counts as so many samples of shape 1/2 (Vehtari et al., appendix C).
_PRIOR_SAMPLES = 10
_PRIOR_SHAPE = 0.5


@dataclass(frozen=True)
class ParetoTail:
    """The shape of the distribution of the largest weights.

    Attributes:
        shape: k of the generalised Pareto distribution; moments of the weights beyond 1/k do not exist.  −∞ when the
            largest weights are equal, +∞ when there are too few samples to tell.
        threshold: the largest reliable shape for this number of samples.
        samples_in_tail: how many weights determine the shape.
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

    The generalised Pareto distribution is fitted to the min(N/5, 3 √(N g)) largest weights.  The shape is reliable below
    min(1 − 1/log10(N/g), 0.7).  A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, J. Mach. Learn. Res. 25(72), 1
    (2024), arXiv:1507.02646.  On the host; not differentiable.

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
    length = math.ceil(min(samples / 5, 3 * math.sqrt(samples * statistical_inefficiency)))
    weights = np.sort(np.exp(logarithms - logarithms.max()))
    if length < FEWEST_IN_TAIL:
        return ParetoTail(math.inf, threshold, length)
    cut = weights[-length - 1]
    excess = weights[weights > cut] - cut
    if excess.size == 0 or excess[-1] <= 1e-12:
        return ParetoTail(-math.inf, threshold, length)
    if excess.size < FEWEST_IN_TAIL:
        return ParetoTail(math.inf, threshold, excess.size)
    shape, _ = generalised_pareto_fit(excess)
    shape = (excess.size * shape + _PRIOR_SAMPLES * _PRIOR_SHAPE) / (excess.size + _PRIOR_SAMPLES)
    return ParetoTail(shape, threshold, excess.size)


def generalised_pareto_fit(samples: Float[ArrayLike, " samples"]) -> tuple[float, float]:
    """Shape k and scale σ of the density (1 + k x/σ)^(−1/k − 1) / σ on x > 0.

    The posterior mean of k/σ under the profile likelihood and an empirical prior, by a sum over a grid: no iteration that
    could fail.  J. Zhang, M. A. Stephens, Technometrics 51, 316 (2009), doi:10.1198/tech.2009.08017 (whose k is −k here).

    Args:
        samples: positive, at least 5.

    Raises:
        ReweightingError: too few samples, or some that are not finite and positive.
    """
    ordered = np.sort(np.asarray(samples, np.float64).reshape(-1))
    if ordered.size < FEWEST_IN_TAIL or not (ordered[0] > 0 and np.isfinite(ordered[-1])):
        raise ReweightingError(
            f"A generalised Pareto distribution is fitted to at least {FEWEST_IN_TAIL} finite positive samples; "
            f"{ordered.size} were given, from {ordered[:1]} to {ordered[-1:]}."
        )
    size = ordered.size
    points = 30 + int(math.sqrt(size))
    first_quartile = ordered[int(size / 4 + 0.5) - 1]
    position = 1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
    grid = 1 / ordered[-1] + position / (3 * first_quartile)  # Values of −k/σ.
    shapes = np.log1p(-grid[:, None] * ordered).mean(axis=1)
    log_likelihood = size * (np.log(-grid / shapes) - shapes - 1)
    posterior = np.exp(log_likelihood - log_likelihood.max())
    rate = float(posterior @ grid / posterior.sum())
    shape = float(np.log1p(-rate * ordered).mean())
    return shape, -shape / rate
