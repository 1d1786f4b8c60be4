"""Vectors between atoms under periodic boundaries."""

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
