"""What each frame adds to an observable, from which its statistical error follows."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from mdfit.observables.base import Observable


def frame_effects(
    observable: Observable, values: np.ndarray, averages: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    """What each frame adds to the combined value, to first order (the delta method); their mean is that of the value.

    Args:
        observable: whose ``combine`` is differentiated at the averages.
        values: ``(replicas, frames, *shape)`` of each frame.
        averages: ``(*shape)`` of these values.
        weights: ``(replicas, frames)`` by which they were averaged, up to a factor; None for equal ones.

    Returns:
        ``(replicas, frames, *combined)``.
    """
    if weights is not None:
        # That of a ratio of averages: heavy frames that are far off count most.
        shares = (weights / weights.mean()).reshape(*values.shape[:2], *[1] * averages.ndim)
        values = averages + shares * (values - averages)
    if observable.is_plain_average:
        return values
    deviations = jnp.asarray((values - averages).reshape(-1, *averages.shape))

    def change(deviation: jax.Array) -> jax.Array:
        return jax.jvp(observable.combine, (jnp.asarray(averages),), (deviation,))[1]

    changes = np.asarray(jax.vmap(change)(deviations))
    return changes.reshape(*values.shape[:2], *changes.shape[1:])
