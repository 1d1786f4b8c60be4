"""Several models of one architecture as one model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from mdfit.errors import PotentialError
from mdfit.models.base import Model
from mdfit.models.files import build


class ModelSet(Model):
    """Members that differ in their parameters alone, which are stacked: an ensemble, or samples of a posterior.

    Made by :meth:`of`; the members are evaluated side by side in one compiled call (:meth:`map`), trained, saved and loaded
    as one model.

    Attributes:
        number: of members.
        stacked: a model whose arrays have one leading axis more, that of the members.

    Example:
        >>> from mdfit.models import ModelSet
        >>> from mdfit.potentials import LennardJones
        >>> ensemble = ModelSet.of([LennardJones(sigma=sigma) for sigma in (3.3, 3.4, 3.5)])
        >>> ensemble.map(lambda member: member.sigma**2).round(2).tolist()
        [10.89, 11.56, 12.25]
    """

    nested: ClassVar[str] = "member"
    number: int = eqx.field(static=True)
    stacked: Model

    @classmethod
    def of(cls, members: Sequence[Model]) -> ModelSet:
        """A set of these models.

        Raises:
            PotentialError: when there are none, or they differ in more than their parameters.
        """
        if not members:
            raise PotentialError("A set of models needs at least one member.")
        arrays, rest = zip(*(eqx.partition(member, eqx.is_array) for member in members), strict=True)
        shapes = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), one) for one in arrays]
        for index, (other, shape) in enumerate(zip(rest, shapes, strict=True)):
            if not eqx.tree_equal(other, rest[0]) or shape != shapes[0]:
                raise PotentialError(
                    f"Member {index} of a set is not built like member 0; the members of a set may differ in their "
                    "parameters alone."
                )
        return cls(len(members), eqx.combine(jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays), rest[0]))

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> Any:
        """One member."""
        if not -self.number <= index < self.number:
            raise IndexError(f"There is no member {index} in a set of {self.number}.")
        return jax.tree.map(lambda leaf: leaf[index] if eqx.is_array(leaf) else leaf, self.stacked)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(self.number))

    def map(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """``function(member, *arguments)`` of all members side by side; results have a leading axis of members.

        Args:
            function: pure; it is mapped and, with the arguments, may be compiled.
            arguments: the same for all members.
        """
        axes = (eqx.if_array(0), *(None for _ in arguments))
        return eqx.filter_vmap(function, in_axes=axes)(self.stacked, *arguments)

    def describe(self) -> dict[str, Any]:
        return {"class": "ModelSet", "settings": {"number": self.number}, "member": self.stacked.describe()}

    @classmethod
    def build(cls, architecture: dict[str, Any], path: str | Path) -> ModelSet:
        return cls.of([build(architecture["member"], path)] * architecture["settings"]["number"])
