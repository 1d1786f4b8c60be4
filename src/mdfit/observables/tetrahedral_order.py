"""Tetrahedral order."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable
from mdfit.observables.geometry import half_height
from mdfit.observables.pairs import (
    check_species,
    is_species,
    species_number,
    sum_over_atoms,
    vectors_from,
    with_species,
)
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory

_FIRST, _SECOND = np.triu_indices(4, 1)


@dataclass(frozen=True)
class TetrahedralOrder(Observable):
    """Orientational order q = 1 − (3/8) Σ_{j<k} (cos ψ_jk + 1/3)² of the four nearest neighbours, averaged over atoms.

    ψ_jk is the angle at the central atom between the neighbours j and k.  q is 1 in a diamond crystal and 0 on average
    in an ideal gas.  J. R. Errington, P. G. Debenedetti, Nature 409, 318 (2001), doi:10.1038/35053024.

    Args:
        species: chemical symbol or number of centres and neighbours; None takes all atoms.

    Example:
        >>> from ase.build import bulk
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import TetrahedralOrder, per_frame
        >>> from mdfit.simulate import Trajectory
        >>> silicon = bulk("Si", cubic=True)
        >>> frames = Frames(silicon.numbers, silicon.get_masses(), [silicon.positions], silicon.cell, silicon.pbc)
        >>> per_frame(TetrahedralOrder(), Trajectory.of_frames(frames, temperature=300.0)).round(3).tolist()
        [[1.0]]
    """

    species: str | int | None = None

    unit = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "species", species_number(self.species))

    @property
    def name(self) -> str:
        return with_species("TetrahedralOrder", (self.species,))  # type: ignore[arg-type]

    @property
    def remedy(self) -> str:
        return "an atom has its fourth neighbour beyond half the smallest height of the cell, simulate a larger cell"

    def check(self, trajectory: Trajectory) -> None:
        check_species(self.name, (self.species,), trajectory)  # type: ignore[arg-type]
        number = len(trajectory.species) if self.species is None else int(np.sum(trajectory.species == self.species))
        if number < 5:
            raise ObservableError(f"{self.name} needs at least five atoms, but there are {number}.")

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, ""]:
        """NaN when the fourth neighbour of an atom is so far that its nearest image is not certain."""
        chosen = is_species(snapshot, self.species)  # type: ignore[arg-type]
        atoms, limit = snapshot.number_of_atoms, half_height(snapshot)

        def order(atom: Int[Array, ""]) -> Float[Array, ""]:
            vectors = vectors_from(snapshot, atom)
            others = chosen & (jnp.arange(atoms) != atom)
            squared = jnp.where(others, jnp.sum(vectors**2, axis=-1), jnp.inf)
            nearest, places = jax.lax.top_k(-squared, 4)
            legs = vectors[places]
            lengths = jnp.sqrt(jnp.sum(legs**2, axis=-1))
            cosines = jnp.sum(legs[_FIRST] * legs[_SECOND], axis=-1) / (lengths[_FIRST] * lengths[_SECOND])
            value = 1 - 3 / 8 * jnp.sum((cosines + 1 / 3) ** 2)
            value = jnp.where(-nearest[3] <= limit**2 * (1 + 1e-6), value, jnp.nan)
            return jnp.where(chosen[atom], value, 0)

        return sum_over_atoms(order, atoms) / jnp.sum(chosen)
