"""The molecules of a graph, and the edges between atoms that are named by their places in a molecule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mdfit.errors import PotentialError
from mdfit.graph import Graph
from mdfit.structure import Structure


class Molecules(NamedTuple):
    """The atoms of a graph as equal molecules that follow each other.

    Attributes:
        complete: ``(molecules,)`` whether all atoms are there, in one structure; false in padding.
        validity: ``(atoms,)`` 1, or NaN for atoms that belong to no complete molecule, so that no energy is wrong in
            silence where structures hold other molecules.
    """

    complete: Bool[Array, " molecules"]
    validity: Float[Array, " atoms"]


def molecules_of(graph: Graph, size: int) -> Molecules:
    """The molecules of ``size`` atoms of a graph."""
    number = graph.species.shape[0] // size
    present = graph.atom_mask[: number * size].reshape(number, size)
    structures = graph.structure[: number * size].reshape(number, size)
    complete = jnp.all(present & (structures == structures[:, :1]), axis=1)
    left = graph.species.shape[0] - number * size
    each = jnp.broadcast_to(complete[:, None], (number, size)).reshape(number * size)
    known = jnp.concatenate([each, jnp.zeros(left, bool)])
    validity = jnp.where(known | ~graph.atom_mask, jnp.ones((), graph.dtype), jnp.nan)
    return Molecules(complete, validity)


class Edges(NamedTuple):
    """The shortest edges between given atoms.

    Attributes:
        places: ``(pairs,)`` flat positions in the arrays of edges; where there is no such edge, that of another one.
        found: ``(pairs,)`` whether there is one.
    """

    places: Int[Array, " pairs"]
    found: Bool[Array, " pairs"]


def edges_between(
    graph: Graph, first: np.ndarray | Int[Array, " pairs"], second: np.ndarray | Int[Array, " pairs"], cutoff: float
) -> Edges:
    """The edge from each atom of ``first`` to the nearest image of that of ``second`` within ``cutoff`` (Å)."""
    width = graph.mask.shape[1]
    squared = jax.lax.stop_gradient(jnp.sum(graph.vectors**2, axis=-1))[first]
    present = graph.mask[first] & (squared < cutoff**2)
    wanted = present & (graph.neighbours[first] == second[:, None])
    # An edge that is present carries the NaN of a missing one on to forces.
    substitute = jnp.where(present, jnp.finfo(graph.dtype).max, jnp.inf)
    column = jnp.argmin(jnp.where(wanted, squared, substitute), axis=1).astype(jnp.int32)
    return Edges(jnp.asarray(first, jnp.int32) * width + column, jnp.any(wanted, axis=1))


def in_all_molecules(atoms: np.ndarray, size: int, graph: Graph) -> np.ndarray | Int[Array, " entries"]:
    """Indices of ``atoms`` of one molecule in every molecule of the graph, one after the other."""
    number = graph.species.shape[0] // size
    # An exported program learns the number of molecules when it runs.
    shifts = size * (np.arange(number) if isinstance(number, int) else jnp.arange(number))
    return (shifts[:, None] + atoms).reshape(number * len(atoms))


def check_molecules(name: str, structure: Structure, size: int) -> None:
    """Raises PotentialError when a structure cannot consist of molecules of ``size`` atoms."""
    if structure.number_of_atoms % size:
        raise PotentialError(
            f"{name} is for molecules of {size} atoms, but the structure has {structure.number_of_atoms} atoms, which is "
            "no multiple of that; give the topology of all atoms, or structures of such molecules only."
        )


def distances_in(structure: Structure, pairs: Sequence[Sequence[int]] | np.ndarray, size: int) -> np.ndarray:
    """Distances in Å, ``(molecules, pairs)``, between pairs of atoms of every molecule, to the nearest image."""
    from ase.geometry import find_mic

    table = np.asarray(pairs, np.int64).reshape(-1, 2)
    places = structure.positions.reshape(-1, size, 3)
    vectors = places[:, table[:, 1]] - places[:, table[:, 0]]
    lengths = find_mic(vectors.reshape(-1, 3), structure.cell, structure.periodic)[1]
    return lengths.reshape(vectors.shape[:2])
