"""Gauss–Newton steps: a handful of them instead of hundreds along the gradient."""

from __future__ import annotations

import numpy as np


def damped_step(
    residuals: np.ndarray, jacobian: np.ndarray, damping: float, sizes: np.ndarray | float = 1.0
) -> np.ndarray:
    """Jᵀ (J Jᵀ + λ)⁻¹ r, what is to be subtracted from the parameters to minimise |r|² where r is linear in them.

    Among the steps that do so it is the shortest one, whether there are more targets than parameters or fewer.  λ is
    ``damping`` times the mean of the diagonal of J Jᵀ (K. Levenberg, Q. Appl. Math. 2, 164 (1944),
    doi:10.1090/qam/10666): directions in which the targets hardly change are left alone.
    With ``sizes``, parameters are counted in these units: the larger its unit the more a parameter takes of the step.

    Args:
        residuals: r, ``(targets,)``.
        jacobian: ∂r/∂parameters, ``(targets, parameters)``.
        damping: at least 0.
        sizes: units of the parameters, ``(parameters,)`` or one of all.

    Returns:
        ``(parameters,)``.
    """
    jacobian = jacobian * sizes
    products = jacobian @ jacobian.T
    damped = products + damping * np.trace(products) / len(jacobian) * np.eye(len(jacobian))
    # Least squares, since without damping the matrix may be singular.
    weights = np.linalg.lstsq(damped, np.asarray(residuals, np.float64), rcond=None)[0]
    return weights @ jacobian * sizes
