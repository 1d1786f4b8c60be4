"""The radial part of DimeNet's spherical basis, stable in single precision."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import chebyshev

#: Largest error of the expansion, relative to the largest basis function.
_ACCURACY = 1e-9


@lru_cache
def bessel_matrix(orders: int, functions: int) -> np.ndarray:
    """From :func:`chebyshev_polynomials` to the normalised spherical Bessel functions of the basis.

    Column l · functions + n holds the coefficients of √2/|j_{l+1}(z_ln)| j_l(z_ln x) on 0 ≤ x ≤ 1, for l < ``orders``
    and n < ``functions`` (arXiv:2003.03123, eq. 6); there are as many rows as an accuracy of 1e-9 needs.  Spherical
    Bessel functions by recurrence lose all digits in single precision where x is small; this expansion does not.
    """
    from scipy.special import spherical_jn

    nodes = chebyshev.chebpts1(512)
    zeros = [(order, zero) for order in range(orders) for zero in _zeros(order, functions)]
    values = [
        spherical_jn(order, zero * (nodes + 1) / 2) * np.sqrt(2) / abs(spherical_jn(order + 1, zero))
        for order, zero in zeros
    ]
    # A function of largest frequency z needs a degree of z/2 and somewhat more.
    coefficients = chebyshev.chebfit(nodes, np.stack(values, axis=1), int(max(zero for _, zero in zeros)) + 20)
    needed = np.abs(coefficients).max(axis=1) > _ACCURACY * np.abs(coefficients).max()
    return coefficients[: np.flatnonzero(needed)[-1] + 1]


def _zeros(order: int, count: int) -> np.ndarray:
    """The first ``count`` positive zeros of j_order, which interlace those of the order below."""
    from scipy.optimize import brentq
    from scipy.special import spherical_jn

    zeros = np.pi * np.arange(1, count + order + 1)
    for current in range(1, order + 1):
        zeros = np.array([brentq(lambda x, n=current: spherical_jn(n, x), a, b) for a, b in pairwise(zeros)])
    return zeros[:count]


def chebyshev_polynomials(x: Float[Array, ...], number: int) -> list[Float[Array, ...]]:
    """T_0 … T_{number−1} of 2x − 1 for 0 ≤ x ≤ 1."""
    argument = 2 * jnp.clip(x, 0, 1) - 1
    terms = [jnp.ones_like(argument), argument]
    for _ in range(2, number):
        terms.append(2 * argument * terms[-1] - terms[-2])
    return terms[:number]


def legendre(cosine: Float[Array, ...], orders: int) -> list[Float[Array, ...]]:
    """Y_l0 = √((2l+1)/4π) P_l(cos α) for l < ``orders``, by recurrence in cos α: no angle, no singular gradient."""
    polynomials = [jnp.ones_like(cosine), cosine]
    for order in range(2, orders):
        polynomials.append(((2 * order - 1) * cosine * polynomials[-1] - (order - 1) * polynomials[-2]) / order)
    return [float(np.sqrt((2 * order + 1) / (4 * np.pi))) * p for order, p in enumerate(polynomials[:orders])]
