"""The base of potentials of bonded atoms: bonds, angles, dihedral angles and listed pairs."""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import PotentialError, StructureError
from mdfit.graph import Graph, Reads
from mdfit.graph.gathering import take
from mdfit.potentials.base import Potential
from mdfit.potentials.molecules import (
    check_molecules,
    distances_in,
    edges_between,
    in_all_molecules,
    molecules_of,
)
from mdfit.structure import Structure, Topology
from mdfit.units import quantity

#: A harmless geometry for padding: three vectors at right angles.
_HARMLESS = np.eye(3)


class BondedPotential(Potential):
    """E = Σ over tuples of atoms of a molecule, and over all molecules of a structure.

    A structure may hold one such molecule or several, atom after atom.  Vectors between consecutive atoms of a tuple are
    edges of the graph, to the nearest image, so that forces and stress follow as for every potential; these atoms must
    stay within the cutoff of each other.  Where they do not, energy and forces are NaN, and simulations and
    :func:`mdfit.potentials.predict` say which bond is broken.

    A subclass implements :meth:`tuple_energies`.

    Attributes:
        order: atoms of a tuple.
        may_be_far: whether atoms beyond the cutoff simply do not interact.
    """

    many_body: ClassVar[bool] = False
    reads: ClassVar[Reads] = Reads(order=True)
    order: ClassVar[int]
    may_be_far: ClassVar[bool] = False

    number_of_atoms: int = eqx.field(static=True)
    atoms: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __init__(self, number_of_atoms: int, atoms: Any, cutoff: float | str):
        kinds = {2: "bonds", 3: "angles", 4: "dihedrals"}
        # The checks of indices are those of a topology.
        checked = Topology(number_of_atoms, **{kinds[self.order]: atoms})
        self.number_of_atoms = int(number_of_atoms)
        self.atoms = tuple(map(tuple, getattr(checked, kinds[self.order]).tolist()))
        self.cutoff = quantity(cutoff, "Å", "cutoff")
        if not self.cutoff > 0:
            raise PotentialError(f"{type(self).__name__} needs a positive cutoff, not {self.cutoff} Å.")

    @property
    def species(self) -> tuple[int, ...]:  # type: ignore[override]
        return ()

    @abc.abstractmethod
    def tuple_energies(self, vectors: Float[Array, "molecules tuples steps 3"]) -> Float[Array, "molecules tuples"]:
        """Energies in eV for the vectors in Å from each atom of a tuple to the next."""
        raise NotImplementedError

    def atomic_energies(self, graph: Graph) -> Float[Array, " atoms"]:
        """Every atom of a tuple has an equal share of its energy."""
        table = np.array(self.atoms, np.int64).reshape(-1, self.order)
        energies = self._energies(graph, table) / self.order
        shares = jnp.zeros(graph.species.shape[0], energies.dtype)
        for column in table.T:
            shares = shares.at[in_all_molecules(column, self.number_of_atoms, graph)].add(energies.ravel())
        validity = molecules_of(graph, self.number_of_atoms).validity
        # Zero, but NaN with all derivatives for atoms of no complete molecule.
        undefined = (validity - 1) * jnp.sum(graph.vectors, axis=(1, 2))
        return (shares * validity + undefined).astype(jnp.float64)

    def check_structure(self, structure: Structure) -> None:
        super().check_structure(structure)
        check_molecules(type(self).__name__, structure, self.number_of_atoms)
        if self.may_be_far:
            return
        pairs, _, _ = _steps(self.atoms)
        lengths = distances_in(structure, pairs, self.number_of_atoms)
        if (lengths >= self.cutoff).any():
            molecule, pair = np.unravel_index(np.argmax(lengths), lengths.shape)
            first, second = pairs[pair] + molecule * self.number_of_atoms
            raise StructureError(
                f"Atoms {first} and {second} lie {lengths[molecule, pair]:.2f} Å apart, beyond the cutoff of {self.cutoff} "
                f"Å that {type(self).__name__} has for bonded atoms: correct the structure or the topology, or give a "
                "larger cutoff."
            )

    def _energies(self, graph: Graph, table: np.ndarray) -> Float[Array, "molecules tuples"]:
        """Of every molecule, zero for those that are not there."""
        size = self.number_of_atoms
        number = graph.species.shape[0] // size
        if len(table) == 0:
            return jnp.zeros((number, 0), graph.dtype)
        pairs, index, sign = _steps(self.atoms)
        first, second = (in_all_molecules(column, size, graph) for column in pairs.T)
        edges = edges_between(graph, first, second, self.cutoff)
        found = edges.found.reshape(number, len(pairs))[:, index].all(axis=-1)
        complete = molecules_of(graph, size).complete[:, None]
        vectors = take(graph.vectors.reshape(-1, 3), edges.places).reshape(number, len(pairs), 3)
        vectors = vectors[:, index] * jnp.asarray(sign, graph.dtype)[..., None]
        defined = complete & found if self.may_be_far else complete
        harmless = jnp.asarray(_HARMLESS[: self.order - 1], graph.dtype)
        energies = self.tuple_energies(jnp.where(defined[..., None, None], vectors, harmless))
        if not self.may_be_far:
            # As a factor, so that forces are NaN as well.
            energies = energies * jnp.where(found | ~complete, jnp.ones((), graph.dtype), jnp.nan)
        return jnp.where(defined, energies, jnp.zeros((), graph.dtype))


def parameters(name: str, value: Any, unit: str, count: int) -> Float[Array, " count"]:
    """One parameter for each of ``count`` tuples, in ``unit``, from a number, a quantity or a list of these.

    Raises:
        PotentialError: for a list of another length.
        UnitError: for quantities of another dimension, or numbers that are not finite.
    """
    listed = value if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str) else [value] * count
    if len(listed) != count:
        raise PotentialError(f"{name} has {len(listed)} values for {count} tuples of atoms; give one for each.")
    return jnp.asarray([quantity(one, unit, name) for one in listed], jnp.float64)


@functools.cache
def _steps(atoms: tuple[tuple[int, ...], ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different pairs of consecutive atoms, and for each step of each tuple which pair it is and in which sense."""
    table = np.array(atoms, np.int64)
    steps = np.stack([table[:, :-1], table[:, 1:]], axis=-1)
    rising = np.sort(steps, axis=-1)
    pairs, index = np.unique(rising.reshape(-1, 2), axis=0, return_inverse=True)
    return pairs, index.reshape(steps.shape[:2]), np.where(steps[..., 0] < steps[..., 1], 1, -1)
