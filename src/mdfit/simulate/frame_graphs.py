"""The graphs of the frames of a trajectory, several frames at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from mdfit.graph import Graph, NeighborTable, neighbor_table
from mdfit.graph.complete import all_pairs_suit, complete_graph
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
        graphs: of all these frames, one for each cutoff.
        frames: which they are, ``replica · frames + frame``; the last batch is filled up with repetitions.
        number: how many of them are no repetitions.
    """

    graphs: tuple[Graph, ...]
    frames: np.ndarray
    number: int


class FrameGraphs:
    """Graphs of all frames, in batches of one size, so that one program serves them all.

    Args:
        trajectory: of one or several replicas.
        cutoffs: in Å; each has its own graphs, no wider than it needs.
        atoms_at_once: of all frames of a batch; by default more of them where there are no neighbours.
        triplets_at_once: limits atoms × neighbours² of a batch when given; a batch holds at least one frame.
        temperature: that potentials see, in K; by default that of the trajectory.
    """

    def __init__(
        self,
        trajectory: Trajectory,
        cutoffs: Sequence[float],
        atoms_at_once: int | None = None,
        triplets_at_once: int | None = None,
        temperature: float | None = None,
    ):
        atoms = len(trajectory.species)
        if atoms_at_once is None:
            atoms_at_once = ATOMS_AT_ONCE if max(cutoffs) > 0 else ATOMS_AT_ONCE_WITHOUT_NEIGHBOURS
        self._frames = trajectory.replicas * len(trajectory)
        self._conditions = {"temperature": trajectory.temperature if temperature is None else temperature}
        if trajectory.pressure is not None:
            self._conditions["pressure"] = trajectory.pressure
        share = BYTES_TO_KEEP // len(cutoffs)
        self._tables: list[_Tables | _AllPairs]
        if all_pairs_suit(atoms, trajectory.periodic) and max(cutoffs) > 0:
            self._tables = [_AllPairs(trajectory)] * len(cutoffs)
        else:
            self._tables = [_Tables(trajectory, cutoff, share) for cutoff in cutoffs]
        self._together = min(max(1, atoms_at_once // atoms), self._frames)
        if triplets_at_once is not None:
            triplets = atoms * sum(tables.width**2 for tables in self._tables)
            self._together = min(self._together, max(1, triplets_at_once // max(triplets, 1)))
        small = all(tables.bytes_of_graphs < share // 4 for tables in self._tables)
        self._batches = list(self._made_batches()) if small else None

    def __len__(self) -> int:
        """Frames of all replicas."""
        return self._frames

    @property
    def batch_size(self) -> int:
        """Frames of each batch."""
        return self._together

    def __iter__(self) -> Iterator[FrameBatch]:
        yield from self._made_batches() if self._batches is None else self._batches

    def _made_batches(self) -> Iterator[FrameBatch]:
        for start in range(0, len(self), self._together):
            stop = min(start + self._together, len(self))
            chosen = np.resize(np.arange(start, stop), self._together)
            graphs = [tables.graph(chosen).with_conditions(**self._conditions) for tables in self._tables]
            yield FrameBatch(tuple(graphs), chosen, stop - start)


class _AllPairs:
    """Graphs of all pairs, for small molecules in vacuum; potentials leave out what is beyond their cutoff.

    Attributes:
        width: neighbours per atom.
        bytes_of_graphs: of all frames.
    """

    def __init__(self, trajectory: Trajectory):
        atoms = len(trajectory.species)
        self._species, self._dtype = trajectory.species, trajectory.positions.dtype
        self._positions = trajectory.positions.reshape(-1, atoms, 3)
        self._cells = trajectory.cells.reshape(-1, 3, 3)
        self.width = atoms - 1
        self.bytes_of_graphs = _bytes_of_edges(len(self._positions) * atoms * self.width, self._dtype)

    def graph(self, chosen: np.ndarray) -> Graph:
        """Of some of the frames."""
        places, cells = self._positions[chosen].astype(np.float64), self._cells[chosen]
        return complete_graph(self._species, places, cells, jnp.dtype(self._dtype))


def _bytes_of_edges(edges: int, dtype: np.dtype) -> int:
    """Indices, reverse edges, vectors and mask of each edge."""
    return edges * (9 + 3 * np.dtype(dtype).itemsize)


class _Tables:
    """Neighbour tables of all frames for one cutoff, kept as long as they are small.

    Attributes:
        width: neighbours per atom that the graphs have room for.
    """

    def __init__(self, trajectory: Trajectory, cutoff: float, bytes_to_keep: int):
        atoms = len(trajectory.species)
        self._species, self._periodic, self._cutoff = trajectory.species, trajectory.periodic, cutoff
        self._dtype = trajectory.positions.dtype
        self._positions = trajectory.positions.reshape(-1, atoms, 3)
        self._cells = trajectory.cells.reshape(-1, 3, 3).astype(np.float64)
        self._kept: list[NeighborTable] = []
        self.width = 0
        used = 0
        for index in range(len(self._positions)):
            table = self._table(index)
            self.width = max(self.width, -(-table.width // 4) * 4)
            used += sum(array.nbytes for array in (table.neighbours, table.shifts, table.mask, table.reverse))
            if used < bytes_to_keep:
                self._kept.append(table)

    @property
    def bytes_of_graphs(self) -> int:
        """Of all frames."""
        return _bytes_of_edges(len(self._positions) * len(self._species) * self.width, self._dtype)

    def _table(self, index: int) -> NeighborTable:
        if index < len(self._kept):
            return self._kept[index]
        return neighbor_table(self._positions[index], self._cells[index], self._periodic, self._cutoff)

    def graph(self, chosen: np.ndarray) -> Graph:
        """Of some of the frames."""
        tables = [self._table(index) for index in chosen]
        edges = [
            table.vectors(self._positions[index].astype(np.float64), self._cells[index])
            for table, index in zip(tables, chosen, strict=True)
        ]
        places = list(self._positions[chosen])
        cells = list(self._cells[chosen])
        arrays = concatenate([self._species] * len(tables), tables, edges, places, cells, neighbours=self.width)
        return as_graph(arrays, len(tables), jnp.dtype(self._dtype))
