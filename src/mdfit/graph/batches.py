"""Labelled structures in padded batches of a few sizes, so that an epoch needs a handful of compiled programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import NeighborListError
from mdfit.graph.graph import Graph
from mdfit.graph.host import NeighborTable, as_graph, concatenate, neighbor_table


class Batch(eqx.Module):
    """Graphs and labels of several structures; a label that is missing is masked.

    Attributes:
        graph: the structures, padded.
        atom_counts: ``(structures,)`` atoms of each structure, 1 in padding.
        volumes: ``(structures,)`` in Å³, 1 where there is no cell.
        energy, energy_mask: ``(structures,)`` in eV.
        forces, forces_mask: ``(atoms, 3)`` in eV/Å and ``(atoms,)``.
        stress, stress_mask: ``(structures, 3, 3)`` in eV/Å³ and ``(structures,)``.
    """

    graph: Graph
    atom_counts: Float[Array, " structures"]
    volumes: Float[Array, " structures"]
    energy: Float[Array, " structures"]
    energy_mask: Bool[Array, " structures"]
    forces: Float[Array, "atoms 3"]
    forces_mask: Bool[Array, " atoms"]
    stress: Float[Array, "structures 3 3"]
    stress_mask: Bool[Array, " structures"]


@dataclass(frozen=True)
class _Prepared:
    """A frame with its neighbours and edge vectors, which do not change during training."""

    frame: LabelledStructure
    table: NeighborTable
    vectors: np.ndarray

    @property
    def atoms(self) -> int:
        return len(self.frame.structure.species)


class Batches:
    """A data set cut into batches for one cutoff.

    Args:
        dataset: the labelled structures.
        cutoff: in Å.
        batch_size: structures per batch.
        dtype: of edge vectors, forces and stresses; energies are double precision.
        one_size: whether all batches are padded to the largest possible one, so that several can be stacked.
    """

    def __init__(
        self,
        dataset: Dataset,
        cutoff: float,
        batch_size: int,
        dtype: DTypeLike = np.float32,
        one_size: bool = False,
    ):
        self.batch_size = min(batch_size, len(dataset))
        self.dtype = dtype
        self._frames = [_prepare(dataset[i], i, cutoff, dtype) for i in range(len(dataset))]
        self._atom_sizes, self._widths = (sizes[-1:] if one_size else sizes for sizes in self._choose_sizes())

    def __len__(self) -> int:
        """Batches per epoch."""
        return -(-len(self._frames) // self.batch_size)

    def in_order(self) -> Iterator[Batch]:
        """Every frame once, in the order of the data set."""
        yield from self._cut(np.arange(len(self._frames)))

    def order(self, seed: int, epoch: int) -> np.ndarray:
        """The order of the frames in an epoch: a function of seed and epoch alone, so that a run can be resumed."""
        return np.random.default_rng([seed, epoch]).permutation(len(self._frames))

    def shuffled_batch(self, seed: int, epoch: int, index: int) -> Batch:
        """Batch number ``index`` of an epoch."""
        chosen = self.order(seed, epoch)[index * self.batch_size : (index + 1) * self.batch_size]
        return self.assemble(chosen)

    def _cut(self, order: np.ndarray) -> Iterator[Batch]:
        for start in range(0, len(order), self.batch_size):
            yield self.assemble(order[start : start + self.batch_size])

    def _choose_sizes(self) -> tuple[list[int], list[int]]:
        """Two padded sizes each for atoms and neighbours: what most random batches need, and the largest possible."""
        atoms = np.array([frame.atoms for frame in self._frames])
        widths = np.array([frame.table.width for frame in self._frames])
        draws = np.random.default_rng(0).integers(len(atoms), size=(200, self.batch_size))
        largest = np.sort(atoms)[-self.batch_size :].sum()
        atom_sizes = {_round_up(np.quantile(atoms[draws].sum(1), 0.7), 4), int(largest)}
        neighbour_sizes = {_round_up(np.quantile(widths[draws].max(1), 0.5), 2), int(widths.max())}
        return sorted(min(size, int(largest)) for size in atom_sizes), sorted(
            min(size, int(widths.max())) for size in neighbour_sizes
        )

    def assemble(self, indices: np.ndarray) -> Batch:
        """The frames of these indices as one padded batch."""
        chosen = [self._frames[i] for i in indices]
        atoms = _smallest(self._atom_sizes, sum(frame.atoms for frame in chosen))
        width = _smallest(self._widths, max(frame.table.width for frame in chosen))
        arrays = concatenate(
            [frame.frame.structure.species for frame in chosen],
            [frame.table for frame in chosen],
            [frame.vectors for frame in chosen],
            [frame.frame.structure.positions for frame in chosen],
            [frame.frame.structure.cell for frame in chosen],
            atoms=atoms,
            neighbours=width,
        )
        graph = as_graph(arrays, self.batch_size)
        labels = _labels([frame.frame for frame in chosen], self.batch_size, atoms, self.dtype)
        return Batch(graph=graph, **{name: jnp.asarray(a) for name, a in labels.items()})


def _prepare(frame: LabelledStructure, index: int, cutoff: float, dtype: DTypeLike) -> _Prepared:
    structure = frame.structure
    try:
        table = neighbor_table(structure.positions, structure.cell, structure.periodic, cutoff)
    except NeighborListError as error:
        raise NeighborListError(f"Frame {index}: {error}") from error
    return _Prepared(frame, table, table.vectors(structure.positions, structure.cell).astype(dtype))


def _labels(frames: list[LabelledStructure], structures: int, atoms: int, dtype: DTypeLike) -> dict[str, np.ndarray]:
    out = {
        "atom_counts": np.ones(structures, np.float64),
        "volumes": np.ones(structures, np.float64),
        "energy": np.zeros(structures, np.float64),
        "energy_mask": np.zeros(structures, bool),
        "forces": np.zeros((atoms, 3), dtype),
        "forces_mask": np.zeros(atoms, bool),
        "stress": np.zeros((structures, 3, 3), dtype),
        "stress_mask": np.zeros(structures, bool),
    }
    start = 0
    for index, frame in enumerate(frames):
        count = len(frame.structure.species)
        out["atom_counts"][index] = count
        if frame.structure.periodic.all():
            out["volumes"][index] = frame.structure.volume
        if frame.energy is not None:
            out["energy"][index], out["energy_mask"][index] = frame.energy, True
        if frame.forces is not None:
            out["forces"][start : start + count], out["forces_mask"][start : start + count] = frame.forces, True
        if frame.stress is not None:
            out["stress"][index], out["stress_mask"][index] = frame.stress, True
        start += count
    return out


def _round_up(value: float, multiple: int) -> int:
    return int(-(-value // multiple) * multiple)


def _smallest(sizes: list[int], needed: int) -> int:
    return next(size for size in sizes if size >= needed)
