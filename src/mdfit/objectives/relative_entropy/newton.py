"""Newton steps of the relative entropy of potentials that are linear in their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

#: A parameter needs more frames than these that depend on it for full steps.
FEW_FRAMES = 10


class Curvature(NamedTuple):
    """H = β² cov(∂U/∂θ) of one or several ensembles, ``(parameters, parameters)``, and D, ``(parameters,)``.

    D is what the variance of each ∂U/∂θ would be if a few frames had its largest value and the others its mean: a
    parameter that only a few frames depend on has a variance, but no reliable one, and moves slowly.
    """

    covariance: np.ndarray
    few: np.ndarray

    @classmethod
    def of(cls, gradients: np.ndarray, weights: np.ndarray, beta: float) -> Curvature:
        """Of one ensemble.

        Args:
            gradients: ``(frames, parameters)``, ∂U/∂θ of each frame.
            weights: ``(frames,)``, of sum 1.
            beta: 1/k_BT in 1/eV.
        """
        deviations = beta * (gradients - weights @ gradients)
        covariance = (deviations * weights[:, None]).T @ deviations
        return cls(covariance, FEW_FRAMES / len(gradients) * np.max(deviations**2, axis=0))


def newton_step(curvatures: Sequence[Curvature], gradient: Any, damping: float) -> Any:
    """(H + λ (diag H + h) + D)⁻¹ g, with the second derivative H for potentials that are linear in θ, h the mean of diag H.

    Args:
        curvatures: of the ensembles, whose sum counts.
        gradient: of the relative entropy of all of them, a tree of as many parameters.
        damping: λ, shortens the steps of parameters that act alike, and of those that hardly act on any frame (h is for
            parameters of one unit, as in a table; without damping units do not matter).

    Returns:
        A tree like ``gradient``.
    """
    flat, unravel = ravel_pytree(gradient)
    covariance = np.sum([curvature.covariance for curvature in curvatures], axis=0)
    few = np.sum([curvature.few for curvature in curvatures], axis=0)
    diagonal = covariance.diagonal()
    # Parameters that no frame depends on stay as they are.
    floor = 1e-12 * max(float(diagonal.max()), np.finfo(float).tiny)
    damped = covariance + np.diag(damping * (diagonal + diagonal.mean()) + few + floor)
    return unravel(jnp.asarray(np.linalg.solve(damped, np.asarray(flat, np.float64)), flat.dtype))
