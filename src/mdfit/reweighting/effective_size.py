"""How many samples a reweighted average rests on."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from mdfit.errors import ReweightingError
from mdfit.observables.statistics import statistical_inefficiency
from mdfit.reweighting.checks import require_finite
from mdfit.reweighting.weights import log_weights


def effective_size(log_weights: Float[ArrayLike, " samples"]) -> Float[Array, ""]:
    """Number of samples with notable weights, exp(−Σ w ln w), between 1 and the number of samples.

    The exponential of the entropy; for Gaussian changes of the reduced energy it is N exp(−var(Δu)/2).  It knows nothing
    of correlations between samples (see :func:`effective_samples`).  Pure and differentiable.
    S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.
    """
    log_weights = jnp.asarray(log_weights)
    possible = ~jnp.isneginf(log_weights)
    # The inner choice keeps 0·∞ out of the derivative.
    logarithm = jnp.where(possible, log_weights, 0.0)
    return jnp.exp(-jnp.sum(jnp.where(possible, jnp.exp(logarithm) * logarithm, 0.0)))


def kish_effective_size(log_weights: Float[Array, " samples"]) -> Float[Array, ""]:
    """1 / Σ w²: the number of samples of equal weight whose mean is as uncertain; at most :func:`effective_size`.

    For Gaussian changes of the reduced energy it is N exp(−var(Δu)).  Pure and differentiable.
    L. Kish, Survey Sampling, Wiley 1965, sec. 11.7; A. Kong, J. S. Liu, W. H. Wong, J. Am. Stat. Assoc. 89, 278 (1994),
    doi:10.1080/01621459.1994.10476469.
    """
    return jnp.exp(-jax.nn.logsumexp(2 * log_weights))


@dataclass(frozen=True)
class EffectiveSamples:
    """The effective number of samples and its two causes.

    Attributes:
        of_weights: :func:`effective_size`, as if samples were independent.
        statistical_inefficiency: how many successive samples are worth one.
        samples: ``of_weights / statistical_inefficiency``.

    Example:
        >>> import numpy as np
        >>> from mdfit.reweighting import effective_samples
        >>> found = effective_samples(0.5 * np.sin(np.arange(100) ** 2)[None])
        >>> round(found.of_weights, 1), round(found.statistical_inefficiency, 2), round(found.samples, 1)
        (94.3, 1.0, 94.3)
    """

    of_weights: float
    statistical_inefficiency: float

    @property
    def samples(self) -> float:
        return self.of_weights / self.statistical_inefficiency


def effective_samples(
    change: Float[ArrayLike, "replicas frames"], values: Float[ArrayLike, "replicas frames *shape"] | None = None
) -> EffectiveSamples:
    """Effective number of samples of correlated trajectories after reweighting.

    The statistical inefficiency is the largest of those of the change of the reduced energy and of the values to be
    averaged.  Without a change (all weights equal) only the values tell of correlations.

    Args:
        change: of the reduced energy, in the order of time.
        values: what is to be averaged, or None.

    Raises:
        ReweightingError: a number is not finite, or shapes differ.
    """
    change, values = series_of(change, values)
    inefficiency = max(
        float(statistical_inefficiency(series).max()) for series in (change[..., None], values) if series is not None
    )
    return EffectiveSamples(float(effective_size(log_weights(change.reshape(-1)))), inefficiency)


def series_of(change: ArrayLike, values: ArrayLike | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Both as ``(replicas, frames)`` and ``(replicas, frames, elements)``, checked."""
    energies = require_finite(change, "change of the reduced energy")
    if energies.ndim != 2:
        raise ReweightingError(
            f"Correlations need series of shape (replicas, frames), but the change of the reduced energy has the shape "
            f"{energies.shape}; a single trajectory is change[None]."
        )
    if values is None:
        return energies, None
    numbers = require_finite(values, "value")
    if numbers.shape[:2] != energies.shape:
        raise ReweightingError(
            f"The values have the shape {numbers.shape}, but there are changes of the reduced energy for "
            f"{energies.shape} replicas and frames; evaluate both on the same frames."
        )
    return energies, numbers.reshape(*energies.shape, -1)
