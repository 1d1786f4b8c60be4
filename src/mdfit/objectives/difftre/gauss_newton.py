"""Gauss–Newton steps: for few targets whose frames are costly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def damped_step(residuals: np.ndarray, rows: Sequence[Any], damping: float) -> Any:
    """Jᵀ (J Jᵀ + λ)⁻¹ r, what is to be subtracted from the parameters to minimise |r|² where r is linear in them.

    Among the steps that do so it is the shortest one, whether there are more targets than parameters or fewer.  λ is
    ``damping`` times the mean of the diagonal of J Jᵀ (K. Levenberg, Q. Appl. Math. 2, 164 (1944),
    doi:10.1090/qam/10666): directions in which the targets hardly change are left alone.

    Args:
        residuals: r, ``(targets,)``.
        rows: ∂r_k/∂parameters of each target, trees like the parameters.
        damping: at least 0.

    Returns:
        A tree like the parameters.
    """
    products = np.array([[_product(a, b) for b in rows] for a in rows])
    shift = damping * np.trace(products) / len(rows)
    # Least squares, since without damping the matrix may be singular.
    weights = np.linalg.lstsq(products + shift * np.eye(len(rows)), np.asarray(residuals, np.float64), rcond=None)[0]
    return combination(weights, rows)


def combination(weights: Sequence[float] | np.ndarray, rows: Sequence[Any]) -> Any:
    """Σ weight · row of trees."""
    return jax.tree.map(
        lambda *leaves: sum(jnp.asarray(w, leaf.dtype) * leaf for w, leaf in zip(weights, leaves, strict=True)), *rows
    )


def _product(first: Any, second: Any) -> float:
    leaves = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return float(sum(np.vdot(np.asarray(a, np.float64), np.asarray(b, np.float64)) for a, b in leaves))
