"""Neighbour lists on the host by vesin: exact for any cell, several images and partial periodicity included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from mdfit.errors import NeighborListError
from mdfit.graph.graph import Graph
from mdfit.structure import Structure

#: Atoms closer than this (in Å) coincide: no potential has a meaning there.
SMALLEST_DISTANCE = 1e-3
#: Farther from the origin (in Å) double precision is too coarse for distances, and cells are too many to count.
LARGEST_POSITION = 1e8
#: Neighbours of an atom; no potential of short range has as many, and their lists would fill the memory.
MOST_NEIGHBOURS = 100_000


@dataclass(frozen=True)
class NeighborTable:
    """The neighbours of one structure in the dense layout of :class:`~mdfit.graph.Graph`, as NumPy arrays.

    ``shifts`` are the cell translations ``(atoms, neighbours, 3)`` of the neighbour's periodic image.

    Example:
        >>> import numpy as np
        >>> from mdfit.graph import neighbor_table
        >>> table = neighbor_table(np.array([[0.0, 0.0, 0.5]]), np.eye(3), [True] * 3, cutoff=1.1)
        >>> table.width
        6
        >>> table.shifts[0].tolist()
        [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, -1], [0, -1, 0], [-1, 0, 0]]
    """

    neighbours: np.ndarray
    shifts: np.ndarray
    mask: np.ndarray
    reverse: np.ndarray

    @property
    def width(self) -> int:
        return self.neighbours.shape[1]

    def vectors(self, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """Edge vectors ``(atoms, neighbours, 3)`` in Å, zero in padding."""
        vectors = np.asarray(np.take(positions, self.neighbours, axis=0), np.float64)
        vectors -= positions[:, None]
        # Most edges lead to no image.
        flat, shifts = vectors.reshape(-1, 3), self.shifts.reshape(-1, 3)
        images = np.flatnonzero(shifts[:, 0] | shifts[:, 1] | shifts[:, 2])
        flat[images] += shifts[images] @ cell
        vectors[~self.mask] = 0.0
        return vectors

    def widened(self, width: int) -> NeighborTable:
        """The same table padded to ``width`` neighbours per atom."""
        extra = width - self.width
        if extra < 0:
            raise NeighborListError(f"A table of {self.width} neighbours per atom does not fit into {width}.")
        pad = ((0, 0), (0, extra))
        row, column = self.reverse // max(self.width, 1), self.reverse % max(self.width, 1)
        reverse = np.where(self.mask, row * width + column, 0).astype(np.int32)
        return NeighborTable(
            neighbours=np.pad(self.neighbours, pad),
            shifts=np.pad(self.shifts, (*pad, (0, 0))),
            mask=np.pad(self.mask, pad),
            reverse=np.pad(reverse, pad),
        )


def neighbor_table(
    positions: np.ndarray,
    cell: np.ndarray,
    periodic: Sequence[bool] | np.ndarray,
    cutoff: float,
    minimum_width: int = 0,
) -> NeighborTable:
    """All pairs closer than ``cutoff``, every periodic image counted.

    Args:
        positions: ``(atoms, 3)`` in Å, inside or outside the cell.
        cell: ``(3, 3)`` row vectors in Å; rows of directions that are not periodic do not matter.
        periodic: three flags.
        cutoff: in Å; without one (zero) no atom has neighbours.
        minimum_width: pad to at least so many neighbours per atom.

    Raises:
        NeighborListError: when two atoms coincide, a position is not finite or beyond 1e8 Å, or the cutoff reaches more
            neighbours than a list can hold.
    """
    positions = np.asarray(positions, dtype=np.float64)
    if not np.isfinite(positions).all():
        atom = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
        raise NeighborListError(f"The position of atom {atom} is not finite; look at the frame before this one.")
    farthest = np.abs(positions).max(initial=0.0)
    if farthest > LARGEST_POSITION:
        atom = int(np.argmax(np.abs(positions).max(axis=1)))
        raise NeighborListError(
            f"Atom {atom} lies {farthest:.3g} Å from the origin, but distances are exact up to {LARGEST_POSITION:.0e} Å "
            "only; wrap the positions into the cell."
        )
    cell, periodic = np.asarray(cell, np.float64), np.asarray(periodic, bool)
    check_reach(positions, cell, periodic, cutoff)
    first, second, shifts = _half_list(positions, cell, periodic, cutoff)
    return _dense(len(positions), first, second, shifts, minimum_width)


def check_reach(positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray, cutoff: float) -> None:
    """Raises NeighborListError when a list would be too long, before memory is taken for it.

    Arguments are those of :func:`neighbor_table`.
    """
    expected = _expected_neighbours(positions, cell, periodic, cutoff) if cutoff else 0.0
    if not expected <= MOST_NEIGHBOURS:
        raise NeighborListError(
            f"A cutoff of {cutoff:.4g} Å reaches about {expected:.2g} neighbours of each atom, but lists hold up to "
            f"{MOST_NEIGHBOURS}; lower the cutoff, or correct the cell."
        )
    check_size(len(positions), int(expected))


def _expected_neighbours(positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray, cutoff: float) -> float:
    """Neighbours of an atom at an even density, or fewer; infinitely many when they are too many to count."""
    vectors = cell[periodic]
    with np.errstate(over="ignore", divide="ignore"):
        # Of a line, a disc or a ball: how often the part of the cell that is repeated fits into it.
        reach = (1.0, 2.0, np.pi, 4 / 3 * np.pi)[len(vectors)] * np.float64(cutoff) ** len(vectors)
        images = reach / np.sqrt(np.linalg.det(vectors @ vectors.T))
        # Along the other directions, which share of the atoms is within reach.
        across = positions - positions @ np.linalg.pinv(vectors) @ vectors
        shares = np.minimum(1.0, cutoff / np.ptp(across, axis=0)) if len(positions) else np.ones(3)
    return float(len(positions) * images * shares.prod())


def _half_list(
    positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each pair once, as arrays of first atom, second atom and cell translation of the second."""
    if cutoff == 0:
        nothing = np.zeros(0, np.int32)
        return nothing, nothing, np.zeros((0, 3), np.int32)
    from vesin import NeighborList

    calculator = NeighborList(cutoff=cutoff, full_list=False)
    first, second, shifts, distances = calculator.compute(
        points=positions, box=cell, periodic=periodic, quantities="ijSd"
    )
    if len(distances) and distances.min() < SMALLEST_DISTANCE:
        pair = int(distances.argmin())
        raise NeighborListError(
            f"Atoms {first[pair]} and {second[pair]} lie {distances[pair]:.2g} Å apart; remove one of them, or correct the "
            "positions and the cell."
        )
    return first.astype(np.int32), second.astype(np.int32), shifts.astype(np.int32)


def _dense(atoms: int, first: np.ndarray, second: np.ndarray, shifts: np.ndarray, minimum_width: int) -> NeighborTable:
    pairs = len(first)
    # Edge e and edge e + pairs are opposite, so that no search is needed to match them.
    rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
    order, counts = _by_row(rows, atoms)
    width = max(int(counts.max(initial=0)), minimum_width, 1)
    check_size(atoms, width)
    starts = np.cumsum(counts) - counts
    # Where the edges go, in the order of the rows, then in their own.
    flat = np.repeat(np.arange(atoms) * width - starts, counts) + np.arange(2 * pairs)
    place = np.empty(2 * pairs, np.intp)
    place[order] = flat

    def fill(values: np.ndarray) -> np.ndarray:
        table = np.zeros(atoms * width, values.dtype)
        table[place] = values
        return table.reshape(atoms, width)

    return NeighborTable(
        neighbours=fill(columns),
        shifts=_filled_shifts(fill, np.concatenate([shifts, -shifts]), (atoms, width)),
        mask=np.arange(width) < counts[:, None],
        reverse=fill(np.concatenate([place[pairs:], place[:pairs]]).astype(np.int32)),
    )


def _by_row(rows: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The order that sorts ``rows``, equal ones as they come, and how often each of ``number`` rows occurs."""
    from scipy.sparse import coo_array

    # SciPy's conversion between sparse formats is a counting sort, six times as fast as NumPy's sorts.
    entries = (np.zeros(len(rows), np.int8), (rows, np.arange(len(rows), dtype=np.int32)))
    sorted_rows = coo_array(entries, shape=(number, max(len(rows), 1))).tocsr()
    return sorted_rows.indices, np.diff(sorted_rows.indptr)


def check_size(atoms: int, width: int) -> None:
    """Raises NeighborListError when places in a table of so many neighbours are beyond whole numbers of 32 bits."""
    if atoms * width > np.iinfo(np.int32).max:
        raise NeighborListError(
            f"{atoms} atoms with {width} neighbours each are more pairs than a list can hold; evaluate fewer at once."
        )


def _filled_shifts(fill: Callable[[np.ndarray], np.ndarray], shifts: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The shifts at their places, 16 bits each where that is enough."""
    if np.abs(shifts).max(initial=0) <= np.iinfo(np.int16).max:
        return fill(_as_words(shifts)).view(np.int16).reshape(*shape, 4)[..., :3]
    return np.stack([fill(shifts[:, axis]) for axis in range(3)], axis=-1)


def _as_words(shifts: np.ndarray) -> np.ndarray:
    """Three shifts as one 64-bit word, since NumPy distributes words several times faster than rows."""
    four = np.zeros((len(shifts), 4), np.int16)
    four[:, :3] = shifts
    return four.view(np.int64)[:, 0]


def build_graph(
    structures: Structure | Sequence[Structure],
    cutoff: float,
    *,
    dtype: DTypeLike = jnp.float32,
    atoms: int | None = None,
    neighbours: int | None = None,
    conditions: Mapping[str, Any] | None = None,
) -> Graph:
    """One graph of one or several structures.

    Args:
        structures: a structure or a sequence of them.
        cutoff: in Å.
        dtype: of the edge vectors.
        atoms: pad to so many atoms.
        neighbours: pad to so many neighbours per atom.
        conditions: such as ``{"temperature": 300.0}`` (K), one for all structures or a list.

    Raises:
        NeighborListError: when the padded size is too small, or as :func:`neighbor_table` does.
    """
    listed = [structures] if isinstance(structures, Structure) else list(structures)
    tables = [neighbor_table(s.positions, s.cell, s.periodic, cutoff) for s in listed]
    vectors = [table.vectors(s.positions, s.cell) for s, table in zip(listed, tables, strict=True)]
    species = [s.species for s in listed]
    positions = [s.positions for s in listed]
    cells = [s.cell for s in listed]
    arrays = concatenate(species, tables, vectors, positions, cells, atoms=atoms, neighbours=neighbours)
    return as_graph(arrays, len(listed), dtype).with_conditions(**(conditions or {}))


def as_graph(arrays: dict[str, np.ndarray], number_of_structures: int, dtype: DTypeLike | None = None) -> Graph:
    """The arrays of :func:`concatenate` on the device; structures that only fill up have no cell."""
    missing = number_of_structures - len(arrays["cells"])
    cells = np.pad(arrays["cells"], ((0, missing), (0, 0), (0, 0))) if missing else arrays["cells"]
    return Graph(
        species=jnp.asarray(arrays["species"]),
        structure=jnp.asarray(arrays["structure"]),
        neighbours=jnp.asarray(arrays["neighbours"]),
        vectors=jnp.asarray(arrays["vectors"], dtype),
        mask=jnp.asarray(arrays["mask"]),
        reverse=jnp.asarray(arrays["reverse"]),
        number_of_structures=number_of_structures,
        positions=jnp.asarray(arrays["positions"], dtype),
        cells=jnp.asarray(cells, dtype),
    )


def concatenate(
    species: Sequence[np.ndarray],
    tables: Sequence[NeighborTable],
    vectors: Sequence[np.ndarray],
    positions: Sequence[np.ndarray],
    cells: Sequence[np.ndarray],
    atoms: int | None = None,
    neighbours: int | None = None,
) -> dict[str, np.ndarray]:
    """The arrays of one graph from those of several structures, padded to ``(atoms, neighbours)``."""
    total, width = sum(len(s) for s in species), max(table.width for table in tables)
    atoms, neighbours = atoms or total, neighbours or width
    if total > atoms or width > neighbours:
        raise NeighborListError(
            f"The structures need {total} atoms with {width} neighbours, but the graph holds {atoms} with {neighbours}; "
            "enlarge the padded size."
        )
    check_size(atoms, neighbours)
    shape = (atoms, neighbours)
    out = {
        "species": np.zeros(atoms, np.int32),
        "structure": np.full(atoms, len(species) - 1, np.int32),
        "neighbours": np.zeros(shape, np.int32),
        "vectors": np.zeros((*shape, 3), vectors[0].dtype),
        "mask": np.zeros(shape, bool),
        "reverse": np.zeros(shape, np.int32),
        "positions": np.zeros((atoms, 3), vectors[0].dtype),
        "cells": np.asarray(cells, vectors[0].dtype),
    }
    start = 0
    for index, (kinds, table, edges, places) in enumerate(zip(species, tables, vectors, positions, strict=True)):
        rows, columns = slice(start, start + len(kinds)), slice(0, table.width)
        row, column = table.reverse // table.width, table.reverse % table.width
        out["species"][rows] = kinds
        out["structure"][rows] = index
        out["positions"][rows] = places
        out["neighbours"][rows, columns] = np.where(table.mask, table.neighbours + start, 0)
        out["vectors"][rows, columns] = edges
        out["mask"][rows, columns] = table.mask
        out["reverse"][rows, columns] = np.where(table.mask, (row + start) * neighbours + column, 0)
        start += len(kinds)
    return out
