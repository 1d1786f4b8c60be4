"""Batches of several members or chains as one, with a leading axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdfit.errors import TrainingError


def stacked(batches: Sequence[Any]) -> Any:
    """Trees of arrays of equal shapes as one tree.

    Raises:
        TrainingError: shapes differ.
    """
    shapes = [[np.shape(leaf) for leaf in jax.tree.leaves(batch)] for batch in batches]
    if any(shape != shapes[0] for shape in shapes):
        raise TrainingError(
            "Members or chains cannot go side by side: their batches differ in shape; train members one after the other, "
            "or let all batches have one size."
        )

    def together(*leaves: Any) -> jax.Array:
        # Arrays of the host are sent to the device once, not one by one.
        on_host = all(isinstance(leaf, np.ndarray) for leaf in leaves)
        return jnp.asarray(np.stack(leaves)) if on_host else jnp.stack(leaves)

    return jax.tree.map(together, *batches)
