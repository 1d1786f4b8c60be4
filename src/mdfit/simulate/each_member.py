"""Replicas that are driven by the members of a set of potentials, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from mdfit.errors import SimulationError
from mdfit.graph import Reads
from mdfit.potentials import Potential, PotentialSet


@dataclass(frozen=True)
class EachMember:
    """What makes the forces when each member drives replicas of its own: those of the first member come first.

    Attributes:
        potentials: the members.

    Example:
        >>> from mdfit import StatePoint, Structure, key
        >>> from mdfit.potentials import LennardJones, PotentialSet
        >>> from mdfit.simulate import EachMember, Langevin, run
        >>> both = PotentialSet.of([LennardJones(epsilon=0.9), LennardJones(epsilon=1.1)])
        >>> at = StatePoint(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]], masses=40.0), "100 K")
        >>> found = run(EachMember(both), at, Langevin("1 fs"), duration="4 fs", every="2 fs", replicas=2, key=key(0))
        >>> (found.potential_energies[:, 0] < -0.95).tolist()
        [False, True]
    """

    potentials: PotentialSet

    @property
    def reads(self) -> Reads:
        """Of every member."""
        return self.potentials.reads

    @property
    def first(self) -> Potential:
        """A member like all others."""
        return self.potentials[0]

    def fingerprint(self) -> str:
        """Of the set, in another role than as its mean."""
        return f"each member of {self.potentials.fingerprint()}"

    def of_replicas(self, replicas: int) -> Any:
        """The arrays of the members, repeated for ``replicas`` in all.

        Raises:
            SimulationError: when members cannot have as many replicas each.
        """
        members = len(self.potentials)
        if replicas % members:
            raise SimulationError(
                f"{replicas} replicas cannot be shared by {members} members; give a multiple of {members}."
            )
        arrays = eqx.filter(self.potentials.stacked, eqx.is_array)
        return jax.tree.map(lambda leaf: jnp.repeat(leaf, replicas // members, axis=0), arrays)
