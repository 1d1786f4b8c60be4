"""The graphs of the frames of a trajectory, several frames at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from mdfit.graph import Graph, NeighborTable, neighbor_table
from mdfit.graph.host import as_graph, concatenate
from mdfit.simulate.trajectory import Trajectory

#: Atoms of all the frames that are evaluated at once; without neighbours an atom costs far less.
ATOMS_AT_ONCE = 2048
ATOMS_AT_ONCE_WITHOUT_NEIGHBOURS = 2**16
#: Neighbour tables are kept up to this many bytes in all, and made again each time beyond; whole graphs up to a quarter.
BYTES_TO_KEEP = 2**29


@dataclass(frozen=True)
class FrameBatch:
    """Some frames of a trajectory, of all replicas one after the other.

    Attributes:
        graph: of all these frames.
        frames: which they are, ``replica · frames + frame``; the last batch is filled up with repetitions.
        number: how many of them are no repetitions.
    """

    graph: Graph
    frames: np.ndarray
    number: int


class FrameGraphs:
    """Graphs of all frames, in batches of one size, so that one program serves them all.

    Args:
        trajectory: of one or several replicas.
        cutoff: in Å.
        atoms_at_once: of all frames of a batch.
    """

    def __init__(self, trajectory: Trajectory, cutoff: float, atoms_at_once: int = ATOMS_AT_ONCE):
        atoms = len(trajectory.species)
        self._species, self._periodic, self._cutoff = trajectory.species, trajectory.periodic, cutoff
        self._dtype = trajectory.positions.dtype
        self._positions = trajectory.positions.reshape(-1, atoms, 3)
        self._cells = trajectory.cells.reshape(-1, 3, 3).astype(np.float64)
        if cutoff == 0:
            atoms_at_once = ATOMS_AT_ONCE_WITHOUT_NEIGHBOURS
        self._together = min(max(1, atoms_at_once // atoms), len(self._positions))
        self._kept: list[NeighborTable] = []
        self._width = 0
        used = 0
        for index in range(len(self._positions)):
            table = self._table(index)
            self._width = max(self._width, -(-table.width // 4) * 4)
            used += sum(array.nbytes for array in (table.neighbours, table.shifts, table.mask, table.reverse))
            if used < BYTES_TO_KEEP:
                self._kept.append(table)
        # Indices, reverse edges, vectors and mask of each edge.
        edges = len(self._positions) * atoms * self._width
        small = edges * (9 + 3 * np.dtype(self._dtype).itemsize) < BYTES_TO_KEEP // 4
        self._batches = list(self._made_batches()) if small else None

    def __len__(self) -> int:
        """Frames of all replicas."""
        return len(self._positions)

    def __iter__(self) -> Iterator[FrameBatch]:
        yield from self._made_batches() if self._batches is None else self._batches

    def _made_batches(self) -> Iterator[FrameBatch]:
        for start in range(0, len(self), self._together):
            stop = min(start + self._together, len(self))
            chosen = np.resize(np.arange(start, stop), self._together)
            yield FrameBatch(self._graph(chosen), chosen, stop - start)

    def _table(self, index: int) -> NeighborTable:
        if index < len(self._kept):
            return self._kept[index]
        return neighbor_table(self._positions[index], self._cells[index], self._periodic, self._cutoff)

    def _graph(self, chosen: np.ndarray) -> Graph:
        tables = [self._table(index) for index in chosen]
        edges = [
            table.vectors(self._positions[index].astype(np.float64), self._cells[index])
            for table, index in zip(tables, chosen, strict=True)
        ]
        places = list(self._positions[chosen])
        arrays = concatenate([self._species] * len(tables), tables, edges, places, neighbours=self._width)
        return as_graph(arrays, len(tables), jnp.dtype(self._dtype))
