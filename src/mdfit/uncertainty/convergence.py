"""Have chains converged?  Judged by what their models say, since parameters of networks are not identifiable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdfit.errors import ObservableError

#: Above this split R̂ chains disagree.
LARGEST_R_HAT = 1.05
#: So many effective samples are worth one chain's part of an interval.
FEWEST_SAMPLES = 25


@dataclass(frozen=True)
class Convergence:
    """Of each number that the models say.

    Attributes:
        r_hat: split R̂ after rank normalisation: 1 when all halves of all chains agree; NaN for a number that is the same in
            all samples.
        effective: effective number of independent samples of all chains; 0 for such a number.
        chains: how many.

    Example:
        >>> import numpy as np
        >>> from mdfit.uncertainty import convergence
        >>> apart = np.random.default_rng(0).standard_normal((2, 100)) + [[0.0], [3.0]]
        >>> convergence(apart).warnings[0]
        'chains disagree (split R-hat 1.72, should be below 1.05); take longer chains'
    """

    r_hat: np.ndarray
    effective: np.ndarray
    chains: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes intervals doubtful."""
        found = []
        if self.chains < 2:
            found.append(
                "a single chain does not tell whether it has seen all of the posterior; take several, from their own starts"
            )
        still = np.isnan(self.r_hat)
        if still.any():
            found.append(
                f"{still.sum()} of {still.size} numbers are the same in all samples: the chains stand still, or these "
                "numbers do not depend on what is sampled"
            )
        if still.all():
            return tuple(found)
        worst, fewest = float(np.nanmax(self.r_hat)), float(np.min(self.effective[~still]))
        if worst > LARGEST_R_HAT:
            found.append(
                f"chains disagree (split R-hat {worst:.2f}, should be below {LARGEST_R_HAT}); take longer chains"
            )
        if fewest < FEWEST_SAMPLES:
            found.append(
                f"the chains are worth only {fewest:.0f} independent samples; take longer chains, or more of them"
            )
        return tuple(found)


def convergence(values: np.ndarray) -> Convergence:
    """Split R̂ and effective sample size of numbers that the models of several chains say.

    A. Vehtari et al., Bayesian Anal. 16, 667 (2021), doi:10.1214/20-BA1221.

    Args:
        values: ``(chains, samples, ...)``, for instance energies of fixed structures.

    Raises:
        ObservableError: for fewer than four samples of each chain, or values that are not finite.
    """
    from arviz_stats.base import array_stats

    values = np.asarray(values, np.float64)
    if values.ndim < 2 or values.shape[1] < 4:
        raise ObservableError("Convergence needs at least four samples of each chain, (chains, samples, ...).")
    if not np.isfinite(values).all():
        chain, sample = (int(i) for i in np.argwhere(~np.isfinite(values))[0][:2])
        raise ObservableError(f"Sample {sample} of chain {chain} says a number that is not finite; look at that model.")
    flat = np.moveaxis(values.reshape(*values.shape[:2], -1), -1, 0)
    shape = values.shape[2:]
    r_hat, effective = np.full(len(flat), np.nan), np.zeros(len(flat))
    for index, one in enumerate(flat):
        if np.ptp(one) > 0:
            r_hat[index] = array_stats.rhat(one, chain_axis=0, draw_axis=1)
            effective[index] = array_stats.ess(one, chain_axis=0, draw_axis=1)
    return Convergence(r_hat.reshape(shape), effective.reshape(shape), values.shape[0])
