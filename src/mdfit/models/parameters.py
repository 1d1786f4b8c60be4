"""The parameters of a model while it is trained."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from mdfit.models.base import trainable


class Parameters(NamedTuple):
    """A model split into what is trained and the rest; both are trees like the model, with None in place of the other.

    Attributes:
        trained: what changes.
        fixed: what stays.

    Example:
        >>> import equinox as eqx
        >>> from mdfit.models import Parameters, trainable
        >>> from mdfit.potentials import LennardJones
        >>> model = LennardJones(epsilon=0.01, sigma=3.4, cutoff=8.5)
        >>> parameters = Parameters.of(model)
        >>> float(parameters.trained.sigma), parameters.fixed.sigma
        (3.4, None)
    """

    trained: Any
    fixed: Any

    @classmethod
    def of(cls, model: Any, flags: Any = None) -> Parameters:
        """The parts of a model.

        Args:
            model: to be trained.
            flags: a tree of flags, true for what changes; by default :func:`mdfit.models.trainable`.
        """
        return cls(*eqx.partition(model, trainable(model) if flags is None else flags))

    def combine(self) -> Any:
        """The model."""
        return eqx.combine(self.trained, self.fixed)


def part_of_step(old: Any, new: Any, fraction: float) -> Any:
    """(1 − α) old + α new of every leaf."""
    return jax.tree.map(lambda o, n: o + (n - o) * jnp.asarray(fraction, o.dtype), old, new)
