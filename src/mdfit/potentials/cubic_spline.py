"""Uniform cubic B-splines."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def cubic_spline(
    x: Float[Array, "*points"],
    coefficients: Float[Array, " coefficients"],
    intervals: int,
    first: Int[Array, "*points"] | int = 0,
) -> Float[Array, "*points"]:
    """Σ_m c_m B₃(x − m + 1) for knots at 0, 1, …, ``intervals``; straight lines go on where the knots end.

    Twice continuously differentiable between the first and the last knot.

    Args:
        x: in units of the distance between knots, 0 at the first knot.
        coefficients: of one or several splines, ``intervals + 3`` of each.
        intervals: between the knots.
        first: index of the first coefficient, where there are several splines.
    """
    cell = jnp.clip(jnp.floor(x), 0, intervals - 1)
    t = x - cell
    start = first + cell.astype(jnp.int32)
    c0, c1, c2, c3 = (coefficients[start + k] for k in range(4))
    # Clipped and straight parts share the derivative where they meet.
    b = jnp.clip(t, 0, 1)
    a = 1 - b
    value = (c0 * a**3 + c1 * (4 - 6 * b**2 + 3 * b**3) + c2 * (4 - 6 * a**2 + 3 * a**3) + c3 * b**3) / 6
    return value + jnp.minimum(t, 0) * (c2 - c0) / 2 + jnp.maximum(t - 1, 0) * (c3 - c1) / 2
