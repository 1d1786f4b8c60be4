"""Angles and dihedral angles between vectors, with gradients that are finite everywhere."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float


def angle_between(first: Float[Array, "*pairs 3"], second: Float[Array, "*pairs 3"]) -> Float[Array, "*pairs"]:
    """atan2(‖a×b‖, a·b) in rad, with gradient zero where the vectors are parallel."""
    cross = jnp.sum(jnp.cross(first, second) ** 2, axis=-1)
    proper = cross > 0
    sine = jnp.where(proper, jnp.sqrt(jnp.where(proper, cross, 1)), 0)
    return jnp.arctan2(sine, jnp.sum(first * second, axis=-1))


def dihedral_angle(
    first: Float[Array, "*pairs 3"], middle: Float[Array, "*pairs 3"], last: Float[Array, "*pairs 3"]
) -> Float[Array, "*pairs"]:
    """Angle in rad, from −π to π, between the planes of three consecutive bonds: 0 is cis, ±π is trans.

    It is positive when, seen along the middle bond, the far bond is turned clockwise from the near one (IUPAC,
    doi:10.1351/goldbook.T06406).  Where three atoms lie on a line it is not defined; the value there is 0 and its
    gradient zero.
    """
    left, right = jnp.cross(first, middle), jnp.cross(middle, last)
    squared = jnp.sum(middle**2, axis=-1)
    length = jnp.sqrt(jnp.where(squared > 0, squared, 1))
    cosine, sine = jnp.sum(left * right, axis=-1), length * jnp.sum(first * right, axis=-1)
    defined = (jnp.sum(left**2, axis=-1) > 0) & (jnp.sum(right**2, axis=-1) > 0)
    return jnp.arctan2(jnp.where(defined, sine, 0), jnp.where(defined, cosine, 1))
