"""Vectors, angles and dihedral angles between atoms under periodic boundaries."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.observables.snapshot import Snapshot


def nearest_images(snapshot: Snapshot, vectors: Float[Array, "*pairs 3"]) -> Float[Array, "*pairs 3"]:
    """The shortest periodic images of vectors in Å (exact for lengths up to half the cell's height).

    A vector shorter than half of every height of the cell has fractional coordinates below one half, so that rounding
    finds it in triclinic cells, too.
    """
    if not any(snapshot.periodic):
        return vectors
    cell = jnp.where(jnp.array(snapshot.periodic)[:, None], snapshot.cell, jnp.zeros((), snapshot.cell.dtype))
    inverse = jnp.linalg.inv(cell) if all(snapshot.periodic) else jnp.linalg.pinv(jax.lax.stop_gradient(cell))
    images = jnp.round(jax.lax.stop_gradient(vectors @ inverse))
    return vectors - images @ cell


def half_height(snapshot: Snapshot) -> Float[Array, ""]:
    """Up to where nearest images are exact in Å: half the smallest height of the cell, ∞ where nothing is periodic."""
    if not any(snapshot.periodic):
        return jnp.asarray(jnp.inf, snapshot.cell.dtype)
    flags = np.array(snapshot.periodic)
    inverse = jnp.linalg.pinv(jnp.where(flags[:, None], snapshot.cell, 0))[:, flags]
    return 0.5 / jnp.max(jnp.linalg.norm(inverse, axis=0))


def angle_between(first: Float[Array, "*pairs 3"], second: Float[Array, "*pairs 3"]) -> Float[Array, "*pairs"]:
    """atan2(|a×b|, a·b) in rad, with gradient zero where the vectors are parallel."""
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
