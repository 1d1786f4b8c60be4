"""Number formats: models and forces in single precision, sums of energies in double.

Importing this module switches on JAX's 64-bit mode.  It does not make anything double by itself: mdfit gives every
array an explicit format, so that models, positions and edge vectors are ``float32`` unless ``float64`` is asked for,
while sums over atoms and over snapshots are accumulated in ``float64``.
"""

from __future__ import annotations

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from mdfit.errors import SeedError

jax.config.update("jax_enable_x64", True)

SINGLE = jnp.float32
DOUBLE = jnp.float64

Tree = TypeVar("Tree")


def cast(tree: Tree, dtype: DTypeLike) -> Tree:
    """Every floating-point array of ``tree`` in ``dtype``; everything else as it is."""

    def convert(leaf: Any) -> Any:
        is_float = isinstance(leaf, (jax.Array, np.ndarray)) and jnp.issubdtype(leaf.dtype, jnp.floating)
        return jnp.asarray(leaf, dtype) if is_float else leaf

    return jax.tree.map(convert, tree)


def key(seed: int) -> jax.Array:
    """A random key from an integer seed from 0 to 2⁶³ − 1; all randomness in mdfit starts from one.

    Raises:
        SeedError: for anything else.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise SeedError(f"The seed is {seed!r}: give a whole number from 0 to {2**63 - 1}.")
    return jax.random.key(int(seed))
