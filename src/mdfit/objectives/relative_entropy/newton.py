"""Newton steps of the relative entropy of potentials that are linear in their parameters."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree


def newton_step(gradients: np.ndarray, weights: np.ndarray, gradient: Any, beta: float, damping: float) -> Any:
    """(H + λ diag H)⁻¹ g with H = β² cov(∂U/∂θ), the second derivative for potentials that are linear in θ.

    Args:
        gradients: ``(frames, parameters)``, ∂U/∂θ of each frame.
        weights: ``(frames,)``, of sum 1.
        gradient: of the relative entropy, a tree of as many parameters.
        beta: 1/k_BT in 1/eV.
        damping: λ; directions that the frames hardly show are hardly followed.

    Returns:
        A tree like ``gradient``.
    """
    flat, unravel = ravel_pytree(gradient)
    deviations = (gradients - weights @ gradients) * np.sqrt(weights)[:, None]
    covariance = beta**2 * deviations.T @ deviations
    # Parameters that no frame depends on stay as they are.
    floor = 1e-12 * max(float(covariance.diagonal().max()), np.finfo(float).tiny)
    damped = covariance + np.diag(damping * covariance.diagonal() + floor)
    return unravel(jnp.asarray(np.linalg.solve(damped, np.asarray(flat, np.float64)), flat.dtype))
