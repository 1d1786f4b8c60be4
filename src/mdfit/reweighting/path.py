"""Free-energy differences added up along a path of ensembles."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp

from mdfit.errors import ReweightingError
from mdfit.reweighting.free_energy import FreeEnergyDifference


def along_path(links: Sequence[FreeEnergyDifference]) -> FreeEnergyDifference:
    """The difference between the ends of a path, each link of which starts where the one before ends.

    Neighbouring links usually share the samples of the ensemble between them, so that their errors are correlated.  The
    error of the sum takes this correlation as complete.  It is right for small links in one direction, and an upper bound
    (too large by √2 at most) where the path turns or links share no samples.

    Returns:
        The sum of the differences; the smallest overlap.

    Raises:
        ReweightingError: there are no links.
    """
    if not links:
        raise ReweightingError("A path needs at least one link; give at least one free-energy difference.")
    errors = jnp.sqrt(jnp.stack([link.variances for link in links]))
    shared = (errors[:-1, 1] + errors[1:, 0]) ** 2
    return FreeEnergyDifference(
        difference=jnp.sum(jnp.stack([link.difference for link in links])),
        variances=jnp.stack([errors[0, 0] ** 2 + jnp.sum(shared), errors[-1, 1] ** 2]),
        overlap=jnp.min(jnp.stack([link.overlap for link in links])),
        effective_samples=jnp.min(jnp.stack([link.effective_samples for link in links])),
    )
