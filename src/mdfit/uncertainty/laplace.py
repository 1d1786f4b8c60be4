"""No-U-Turn chains in the shape of the posterior at its top, for a few parameters of any scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from mdfit.errors import TrainingError
from mdfit.models import Model, Parameters, trainable
from mdfit.uncertainty.hamiltonian import NUTS
from mdfit.uncertainty.posterior import FlatPrior, Likelihood, NormalPrior, Posterior
from mdfit.uncertainty.sampled import Sampled
from mdfit.uncertainty.schedules import RisingSteps

#: More parameters have Hessians that cost more than an adaptation.
MOST_PARAMETERS = 200
#: By how much steps grow at the start of a chain.
RISE = 10.0
#: Trajectories of 31 steps cross a posterior whose shape is known many times; gradients of many frames are costly.
MOST_DOUBLINGS = 5
#: The least curvature in any direction, where parameters are counted in units of their own curvature.
LEAST_CURVATURE = 1e-2


def laplace_nuts(
    start: Model,
    likelihood: Likelihood,
    *,
    prior: NormalPrior | FlatPrior | None = None,
    temperature: float = 1.0,
    size: float = 0.7,
    warm_up: int = 20,
    train_only: Callable[[Any], Any] = trainable,
    seed: int = 0,
) -> tuple[NUTS, RisingSteps]:
    """The No-U-Turn sampler whose mass matrix is the Hessian of −log-density at ``start``, and its steps.

    For likelihoods that are costly and have few parameters of very different scales: it costs one gradient for each
    parameter, where :func:`~mdfit.uncertainty.adapted_nuts` costs thousands.  Chains are exact for any mass matrix; one
    that does not fit makes them slow.  Where the density is not concave, directions have the absolute value of their
    curvature.

    Args:
        start: a model near the top of the posterior, such as one trained on the same data.
        likelihood: of all data at once (``is_full_batch``).
        prior: of the parameters; independent normal distributions of width 1 when left out.
        temperature: of the posterior.
        size: of the steps, in standard deviations of the normal distribution with this Hessian; less (0.2) where ``start``
            does not fit well, by which steps that are too long are refused and chains stand still.
        warm_up: steps at the start of a chain, from which nothing is kept, that grow from a tenth of it: away from its
            top the posterior may be much narrower.
        train_only: see :func:`~mdfit.uncertainty.sample_posterior`; the same as there.
        seed: of what the likelihood draws.

    Raises:
        TrainingError: for a likelihood that shows a part of the data at a time, more than 200 parameters, or a density
            that has no finite Hessian at the start.
    """
    if not likelihood.is_full_batch:
        raise TrainingError("NUTS needs all data at once: give a likelihood with is_full_batch, or take SGLD or PSGLD.")
    sampled = Sampled.of(start, likelihood.noise)
    flags = eqx.tree_at(lambda one: one.model, trainable(sampled), train_only(start))
    parameters = Parameters.of(sampled, flags)
    flat, unravel = ravel_pytree(parameters.trained)
    if flat.size > MOST_PARAMETERS:
        raise TrainingError(
            f"{flat.size} parameters are too many for a Hessian (at most {MOST_PARAMETERS}); take adapted_nuts or PSGLD."
        )
    batch, _ = likelihood.draw(start, likelihood.initial_state(seed, start))
    hessian = np.asarray(_hessian(Posterior.of(likelihood, prior), flat, parameters.fixed, batch, unravel), np.float64)
    if not np.isfinite(hessian).all():
        raise TrainingError(
            "The log-density has no finite second derivatives at the start; start from a model that fits the data."
        )
    return NUTS(jnp.asarray(_covariance(-hessian / temperature), flat.dtype), MOST_DOUBLINGS), RisingSteps(
        size / RISE, size, warm_up
    )


@eqx.filter_jit
def _hessian(
    posterior: Posterior, flat: Array, fixed: Any, batch: Any, unravel: Callable[[Array], Any]
) -> Float[Array, "parameters parameters"]:
    def log_density(where: Array) -> Array:
        return posterior.log_density(unravel(where), fixed, batch)

    # One direction after the other: side by side they would take the memory of as many gradients.
    return jax.lax.map(lambda direction: jax.jvp(jax.grad(log_density), (flat,), (direction,))[1], jnp.eye(flat.size))


def _covariance(curvature: np.ndarray) -> np.ndarray:
    """The inverse of a Hessian made positive definite."""
    symmetric = (curvature + curvature.T) / 2
    diagonal = np.abs(np.diag(symmetric))
    units = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(symmetric * np.outer(units, units))
    values = np.maximum(np.abs(values), LEAST_CURVATURE)
    return (vectors / values) @ vectors.T * np.outer(units, units)
