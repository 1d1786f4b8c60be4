"""Lists of all pairs, for small molecules in vacuum: nothing is searched for, and no list is ever too old."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from mdfit.errors import NeighborListError
from mdfit.graph.graph import Graph
from mdfit.graph.host import SMALLEST_DISTANCE, NeighborTable, check_size

#: Beyond so many atoms most pairs are out of reach, and a search pays.
MOST_ATOMS = 32


def all_pairs_suit(atoms: int, periodic: Sequence[bool] | np.ndarray) -> bool:
    """Whether a structure is a molecule in vacuum that is small enough."""
    return 1 < atoms <= MOST_ATOMS and not np.any(periodic)


def complete_table(atoms: int) -> NeighborTable:
    """Every atom has all others as neighbours, in rising order."""
    columns, rows = np.arange(atoms - 1, dtype=np.int32), np.arange(atoms, dtype=np.int32)[:, None]
    neighbours = columns + (columns >= rows).astype(np.int32)
    # In row j stands i in column i when it comes before j, one column earlier when it comes after.
    reverse = neighbours * (atoms - 1) + rows - (rows > neighbours)
    shape = neighbours.shape
    return NeighborTable(neighbours, np.zeros((*shape, 3), np.int32), np.ones(shape, bool), reverse.astype(np.int32))


def complete_graph(species: np.ndarray, positions: np.ndarray, cells: np.ndarray, dtype: DTypeLike) -> Graph:
    """One graph of several structures of the same atoms.

    Args:
        species: ``(atoms,)``.
        positions: ``(structures, atoms, 3)`` in Å.
        cells: ``(structures, 3, 3)`` in Å.
        dtype: of the edge vectors.

    Raises:
        NeighborListError: when two atoms of a structure coincide.
    """
    structures, atoms, _ = positions.shape
    check_size(structures * atoms, atoms - 1)
    table = complete_table(atoms)
    width = table.width
    vectors = positions[:, table.neighbours] - positions[:, :, None]
    squared = np.einsum("saki,saki->sak", vectors, vectors)
    if (squared < SMALLEST_DISTANCE**2).any():
        structure, atom, column = np.argwhere(squared < SMALLEST_DISTANCE**2)[0]
        raise NeighborListError(
            f"Atoms {atom} and {table.neighbours[atom, column]} of frame {structure} coincide; remove one of them or "
            "correct their positions."
        )
    first = np.arange(structures, dtype=np.int32)[:, None, None] * atoms
    shape = (structures * atoms, width)
    return Graph(
        species=jnp.asarray(np.tile(species, structures)),
        structure=jnp.asarray(np.repeat(np.arange(structures, dtype=np.int32), atoms)),
        neighbours=jnp.asarray((table.neighbours + first).reshape(shape)),
        vectors=jnp.asarray(vectors.reshape(*shape, 3), dtype),
        mask=jnp.ones(shape, bool),
        reverse=jnp.asarray((table.reverse + first * width).reshape(shape)),
        number_of_structures=structures,
        positions=jnp.asarray(positions.reshape(-1, 3), dtype),
        cells=jnp.asarray(cells, dtype),
    )
