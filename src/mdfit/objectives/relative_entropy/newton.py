"""Newton steps of the relative entropy of potentials that are linear in their parameters."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

#: A parameter needs more frames than these that depend on it for full steps.
FEW_FRAMES = 10


def newton_step(gradients: np.ndarray, weights: np.ndarray, gradient: Any, beta: float, damping: float) -> Any:
    """(H + λ diag H + D)⁻¹ g with H = β² cov(∂U/∂θ), the second derivative for potentials that are linear in θ.

    D is what the variance of each ∂U/∂θ would be if a few frames had its largest value and the others its mean: a
    parameter that only a few frames depend on has a variance, but no reliable one, and moves slowly.

    Args:
        gradients: ``(frames, parameters)``, ∂U/∂θ of each frame.
        weights: ``(frames,)``, of sum 1.
        gradient: of the relative entropy, a tree of as many parameters.
        beta: 1/k_BT in 1/eV.
        damping: λ, shortens the steps of parameters that act alike.

    Returns:
        A tree like ``gradient``.
    """
    flat, unravel = ravel_pytree(gradient)
    deviations = beta * (gradients - weights @ gradients)
    covariance = (deviations * weights[:, None]).T @ deviations
    few = FEW_FRAMES / len(gradients) * np.max(deviations**2, axis=0)
    # Parameters that no frame depends on stay as they are.
    floor = 1e-12 * max(float(covariance.diagonal().max()), np.finfo(float).tiny)
    damped = covariance + np.diag(damping * covariance.diagonal() + few + floor)
    return unravel(jnp.asarray(np.linalg.solve(damped, np.asarray(flat, np.float64)), flat.dtype))
