"""Products of spherical tensors, as matrices."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float


class Path(NamedTuple):
    """Orders of two factors and of their product; l₁ + l₂ + l₃ is even, so that the product has the parity of its order."""

    left: int
    right: int
    out: int


@functools.cache
def paths(order: int) -> tuple[Path, ...]:
    """All products of natural parity of tensors up to an order."""
    orders = range(order + 1)
    return tuple(
        Path(left, right, out)
        for out in orders
        for right in orders
        for left in orders
        if abs(left - right) <= out <= left + right and (left + right + out) % 2 == 0
    )


@functools.cache
def coupling(path: Path, order: int) -> np.ndarray:
    """``(2 out + 1, 2 right + 1, 2 left + 1)``: what turns the left factor into the matrix that acts on the right one.

    Of independent factors whose components have unit variance, the sum over all paths up to ``order`` that lead to the same
    order has unit variance again.
    """
    import e3nn_jax

    number = sum(other.out == path.out for other in paths(order))
    coefficients = e3nn_jax.clebsch_gordan(path.left, path.right, path.out)
    return np.sqrt((2 * path.out + 1) / number) * np.transpose(coefficients, (2, 1, 0))


def spherical_harmonics(directions: Float[Array, "... 3"], order: int) -> list[Float[Array, "... components"]]:
    """Real spherical harmonics of each order up to ``order``, whose components have unit mean square on the sphere.

    They are polynomials of the directions, and so are zero, but for the first one, where there is none.
    """
    import e3nn_jax

    vectors = e3nn_jax.IrrepsArray("1o", directions)
    found = e3nn_jax.spherical_harmonics(range(order + 1), vectors, normalize=False, normalization="component")
    return [found.array[..., one**2 : (one + 1) ** 2] for one in range(order + 1)]
