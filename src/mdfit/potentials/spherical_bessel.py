"""The radial part of DimeNet's spherical basis, stable in single precision."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import chebyshev

_DEGREE = 40


@lru_cache
def _coefficients(orders: int, functions: int) -> np.ndarray:
    """Chebyshev coefficients ``(degree + 1, orders · functions)`` of √2/|j_{l+1}(z_ln)| j_l(z_ln x) on 0 ≤ x ≤ 1.

    Spherical Bessel functions by recurrence lose all digits in single precision where x is small; an expansion of
    degree 40, made once in double precision, is exact to rounding for up to 10 zeros and 8 orders.
    """
    from scipy.special import spherical_jn

    nodes = chebyshev.chebpts1(4 * _DEGREE)
    columns = []
    for order in range(orders):
        for zero in _zeros(order, functions):
            values = spherical_jn(order, zero * (nodes + 1) / 2) * np.sqrt(2) / abs(spherical_jn(order + 1, zero))
            columns.append(chebyshev.chebfit(nodes, values, _DEGREE))
    return np.stack(columns, axis=1)


def _zeros(order: int, count: int) -> np.ndarray:
    """The first ``count`` positive zeros of j_order, which interlace those of the order below."""
    from scipy.optimize import brentq
    from scipy.special import spherical_jn

    zeros = np.pi * np.arange(1, count + order + 1)
    for current in range(1, order + 1):
        zeros = np.array([brentq(lambda x, n=current: spherical_jn(n, x), a, b) for a, b in pairwise(zeros)])
    return zeros[:count]


def spherical_bessel_basis(x: Float[Array, ...], orders: int, functions: int) -> Float[Array, "... basis"]:
    """Normalised j_l(z_ln x) for l < ``orders`` and n < ``functions`` (arXiv:2003.03123, eq. 6), 0 ≤ x ≤ 1.

    The last axis runs over all n of l = 0, then of l = 1, and so on.
    """
    argument = 2 * jnp.clip(x, 0, 1) - 1
    terms = [jnp.ones_like(argument), argument]
    for _ in range(2, _DEGREE + 1):
        terms.append(2 * argument * terms[-1] - terms[-2])
    polynomials = jnp.stack(terms, axis=-1)
    return polynomials @ jnp.asarray(_coefficients(orders, functions), x.dtype)


def legendre(cosine: Float[Array, ...], orders: int) -> list[Float[Array, ...]]:
    """Y_l0 = √((2l+1)/4π) P_l(cos α) for l < ``orders``, by recurrence in cos α: no angle, no singular gradient."""
    polynomials = [jnp.ones_like(cosine), cosine]
    for order in range(2, orders):
        polynomials.append(((2 * order - 1) * cosine * polynomials[-1] - (order - 1) * polynomials[-2]) / order)
    return [float(np.sqrt((2 * order + 1) / (4 * np.pi))) * p for order, p in enumerate(polynomials[:orders])]
