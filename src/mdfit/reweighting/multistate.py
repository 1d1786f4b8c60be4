"""Samples of several ensembles taken together: the multistate Bennett acceptance ratio (MBAR).

M. R. Shirts, J. D. Chodera, J. Chem. Phys. 129, 124105 (2008), doi:10.1063/1.2978177.  All energies are reduced,
u = (U + p V) / (k_B T), and so are free energies; what is the same for all ensembles at a sample may be left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy.special import logsumexp, softmax

from mdfit.errors import ReweightingError
from mdfit.reweighting.checks import require_finite

#: The equations hold when no ensemble lacks more than this part of a sample.
TOLERANCE = 1e-9
#: More iterations than any system with overlap needs.
MOST_ITERATIONS = 2000
#: Smaller eigenvalues, relative to the largest, belong to ensembles without common samples.
SMALLEST_EIGENVALUE = 1e-12


class Mixture(eqx.Module):
    """Samples of several ensembles as one sample of their mixture, from which any ensemble near them is reweighted.

    Its methods are pure and may be compiled, mapped and differentiated.

    Attributes:
        log_density: ``(samples,)`` ln Σ_k N_k exp(f_k − u_k(x_n)).
        shares: ``(samples, ensembles)`` N_k exp(f_k − u_k(x_n)) over that sum: how probably ensemble k made sample n.
        free_energies: ``(ensembles,)`` f_k relative to the first ensemble.
        response: ``(ensembles, ensembles)``, minus the change of the free energies when samples gain weight: a
            pseudo-inverse of Σ_n (diag(p_n) − p_n p_nᵀ), with p the shares.
        counts: samples of each ensemble.

    Example:
        >>> import numpy as np
        >>> from mdfit.reweighting import multistate
        >>> x = np.random.default_rng(0).normal(size=(2, 2000)) / np.sqrt([[1.0], [2.0]])
        >>> mixture = multistate(np.stack([0.5 * k * x.ravel() ** 2 for k in (1.0, 2.0)]), [2000, 2000])
        >>> round(float(mixture.free_energies[1]), 2)  # ln(2)/2
        0.35
        >>> float(np.exp(mixture.log_weights(0.75 * x.ravel() ** 2)) @ x.ravel() ** 2).__round__(2)  # 1/1.5
        0.67
    """

    log_density: Float[Array, " samples"]
    shares: Float[Array, "samples ensembles"]
    free_energies: Float[Array, " ensembles"]
    response: Float[Array, "ensembles ensembles"]
    counts: tuple[int, ...] = eqx.field(static=True)

    def log_weights(self, reduced: Float[Array, " samples"]) -> Float[Array, " samples"]:
        """Normalised ln w of the samples in the ensemble of these reduced energies (eq. 9 of the paper)."""
        return jax.nn.log_softmax(-jnp.asarray(reduced) - self.log_density)

    def free_energy(self, reduced: Float[Array, " samples"]) -> Float[Array, ""]:
        """That of the ensemble of these reduced energies, relative to the first ensemble (eq. 11)."""
        return -jax.nn.logsumexp(-jnp.asarray(reduced) - self.log_density)

    def effects(
        self, log_weights: Float[Array, " samples"], values: Float[Array, "samples *shape"]
    ) -> Float[Array, "samples *shape"]:
        """What each sample adds to the weighted average of ``values``, to first order.

        Through its own weight and through the free energies, which follow from the same samples; less the mean of its
        ensemble, of which there is always the same number of samples.  The sum of the squares is the variance of the
        average for independent samples, that of eq. 8 of the paper.
        """
        weights = jnp.exp(log_weights)
        flat = jnp.asarray(values).reshape(len(weights), -1)
        own = weights[:, None] * (flat - weights @ flat)
        through_free_energies = self.shares @ (self.response @ (self.shares.T @ own))
        return self._within_ensembles(own + through_free_energies).reshape(jnp.shape(values))

    def standard_errors(self, inefficiency: ArrayLike = 1.0) -> Float[Array, " ensembles"]:
        """Of ``free_energies``, for samples of which so many successive ones are worth one."""
        changes = self.shares @ self.response
        effects = self._within_ensembles(changes - changes[:, :1])
        return jnp.sqrt(jnp.asarray(inefficiency) * jnp.sum(effects**2, axis=0))

    def _within_ensembles(self, effects: Float[Array, "samples elements"]) -> Float[Array, "samples elements"]:
        parts = jnp.split(effects, np.cumsum(self.counts)[:-1])
        return jnp.concatenate([part - part.mean(axis=0) for part in parts])


def multistate(reduced: Float[ArrayLike, "ensembles samples"], counts: Sequence[int]) -> Mixture:
    """Free energies of several ensembles from samples of all of them, and their mixture.

    f_k = −ln Σ_n exp(−u_k(x_n)) / Σ_j N_j exp(f_j − u_j(x_n)), solved by whichever of a step of self-consistency and one
    of Newton's method comes closer.  On the host.  Between ensembles without common samples the difference of the free
    energies is arbitrary; their own averages are not touched by it.

    Args:
        reduced: u_k of every sample in every ensemble.
        counts: samples of each ensemble; they stand one after the other, in the order of the ensembles.

    Raises:
        ReweightingError: shapes that do not fit, ensembles without samples, energies that are not finite.
    """
    energies = require_finite(reduced)
    numbers = np.asarray(counts, np.int64)
    if energies.ndim != 2 or numbers.shape != energies.shape[:1] or numbers.sum() != energies.shape[1]:
        raise ReweightingError(
            f"Reduced energies (ensembles, samples) of shape {energies.shape} do not fit the numbers of samples "
            f"{list(counts)}; give one row for each ensemble and one column for each sample."
        )
    if (numbers < 1).any():
        raise ReweightingError(
            f"Ensemble {int(np.argmin(numbers))} has no samples; reweight to it with log_weights instead."
        )
    free = _solved(energies, numbers.astype(np.float64))
    shares = _shares(energies, numbers, free)
    hessian = np.diag(shares.sum(axis=0)) - shares.T @ shares
    return Mixture(
        jnp.asarray(_log_density(energies, numbers, free)),
        jnp.asarray(shares),
        jnp.asarray(free),
        jnp.asarray(np.linalg.pinv(hessian, rcond=SMALLEST_EIGENVALUE, hermitian=True)),
        tuple(int(number) for number in numbers),
    )


def _solved(energies: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The free energies, that of the first ensemble being 0."""
    owners = np.repeat(np.arange(len(numbers)), numbers.astype(int))
    own = energies[owners, np.arange(len(owners))]
    # Energies of ensembles may differ by a large constant.
    free = np.asarray([own[owners == ensemble].mean() for ensemble in range(len(numbers))])
    for _ in range(MOST_ITERATIONS):
        shares = _shares(energies, numbers, free)
        missing = shares.sum(axis=0) - numbers
        if np.abs(missing).max() < TOLERANCE:
            return free - free[0]
        density = _log_density(energies, numbers, free)
        iterated = -logsumexp(-energies - density, axis=1)
        hessian = np.diag(shares.sum(axis=0)) - shares.T @ shares
        newton = free - np.linalg.pinv(hessian, rcond=SMALLEST_EIGENVALUE, hermitian=True) @ missing
        free = min((newton, iterated), key=lambda one: _imbalance(energies, numbers, one))
    raise ReweightingError(
        f"The free energies of {len(numbers)} ensembles were not found in {MOST_ITERATIONS} iterations: the ensembles have "
        "hardly any samples in common; put ensembles in between."
    )


def _imbalance(energies: np.ndarray, numbers: np.ndarray, free: np.ndarray) -> float:
    found = np.abs(_shares(energies, numbers, free).sum(axis=0) - numbers).max()
    return float(found) if np.isfinite(found) else np.inf


def _log_density(energies: np.ndarray, numbers: np.ndarray, free: np.ndarray) -> np.ndarray:
    return logsumexp(free[:, None] - energies, axis=0, b=numbers[:, None])


def _shares(energies: np.ndarray, numbers: np.ndarray, free: np.ndarray) -> np.ndarray:
    """``(samples, ensembles)``."""
    return softmax(free[:, None] + np.log(numbers)[:, None] - energies, axis=0).T
