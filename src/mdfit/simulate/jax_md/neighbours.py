"""Neighbour lists during a simulation: built with a skin, reused until an atom has moved half of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from mdfit.errors import NeighborListError
from mdfit.graph import Graph, NeighborTable, neighbor_table
from mdfit.graph.complete import all_pairs_suit, complete_table
from mdfit.graph.gathering import take
from mdfit.potentials import Potential


class Neighbours(eqx.Module):
    """The neighbours of every atom within cutoff and skin, at the positions where the list was made.

    Attributes:
        indices: ``(atoms, neighbours)``.
        offsets: ``(3, atoms, neighbours)`` x, y and z of the cell translation of the neighbour's image, in Å.
        mask: ``(atoms, neighbours)``.
        reverse: ``(atoms, neighbours)`` flat position of the opposite edge.
        origin: ``(atoms, 3)`` positions of the list in Å.
        cell: ``(3, 3)`` cell of the list in Å.
        packed_width: when positive, potentials see only the edges within their cutoff, in so many columns.
    """

    indices: Int[Array, "atoms neighbours"]
    offsets: Float[Array, "3 atoms neighbours"]
    mask: Bool[Array, "atoms neighbours"]
    reverse: Int[Array, "atoms neighbours"]
    origin: Float[Array, "atoms 3"]
    cell: Float[Array, "3 3"]
    packed_width: int = eqx.field(static=True, default=0)

    def with_packed_width(self, width: int) -> Neighbours:
        """The same lists, packed for potentials into ``width`` columns where that is fewer than they have."""
        return replace(self, packed_width=width if width < self.mask.shape[-1] else 0)

    def graph_of(
        self,
        potential: Potential,
        species: Int[Array, " atoms"],
        positions: Float[Array, "atoms 3"],
        scale: Float[Array, ""] | None = None,
        conditions: Mapping[str, Float[Array, ""]] | None = None,
    ) -> Graph:
        """The graph that ``potential`` sees at other positions, under ``conditions`` ``()`` by name; see :meth:`graph`."""
        graph = self.graph(species, positions, scale).with_conditions(**(conditions or {}))
        return graph.packed(potential.cutoff, self.packed_width) if self.packed_width else graph

    def graph(
        self,
        species: Int[Array, " atoms"],
        positions: Float[Array, "atoms 3"],
        scale: Float[Array, ""] | None = None,
    ) -> Graph:
        """The graph at other positions, in a cell that is ``scale`` times as long as that of the list."""
        offsets = self.offsets if scale is None else self.offsets * scale
        # Component by component, so that sums over pairs run on plain two-dimensional arrays.
        # A product with the unit matrix is exact, and is not merged with what follows: otherwise XLA would calculate the
        # time step anew for each neighbour that is fetched.
        unit = jnp.eye(3, dtype=positions.dtype)
        columns = jnp.matmul(unit, positions.T, precision=jax.lax.Precision.HIGHEST)
        components = [take(c, self.indices) - c[:, None] + offset for c, offset in zip(columns, offsets, strict=True)]
        atoms = len(species)
        return Graph(
            species=species,
            structure=jnp.zeros(atoms, jnp.int32),
            neighbours=self.indices,
            vectors=jnp.stack(components, axis=-1),
            mask=self.mask,
            reverse=self.reverse,
            number_of_structures=1,
            positions=positions,
            cells=(self.cell if scale is None else self.cell * scale)[None],
        )


class ListBuilder(Protocol):
    """Makes the lists of one or several replicas, all of the same width, and grows when they do not fit."""

    def build(self, positions: Array, cells: Array) -> Neighbours:
        """Lists with a leading replica axis for ``positions`` (replicas, atoms, 3) and ``cells`` (replicas, 3, 3)."""
        ...

    def memory(self) -> Any:
        """What the size of the next lists depends on, as arrays for a restart file."""
        ...

    def recall(self, memory: Any) -> None:
        """Makes the next lists of the size that they had when :meth:`memory` was called."""
        ...


class HostLists:
    """Lists made by vesin on the host: right for every cell, and the fastest on a CPU.

    Args:
        periodic: three flags.
        reach: cutoff plus skin in Å.
    """

    def __init__(self, periodic: Sequence[bool] | np.ndarray, reach: float):
        self.periodic = np.asarray(periodic, bool)
        self.reach = reach
        self._width = 0

    def build(self, positions: Array, cells: Array) -> Neighbours:
        places = np.asarray(positions, np.float64)
        boxes = np.asarray(cells, np.float64)
        tables = [
            neighbor_table(p, c, self.periodic, self.reach, self._width) for p, c in zip(places, boxes, strict=True)
        ]
        widest = max(table.width for table in tables)
        if widest > self._width:
            # Some room to grow, so that the next lists keep the compiled size.
            self._width = -(-int(widest * 1.03 + 2) // 2) * 2
            tables = [table.widened(self._width) for table in tables]
        indices, shifts, mask, reverse = (_stack(tables, name) for name in _TABLE)
        return Neighbours(
            indices=jnp.asarray(indices),
            offsets=_offsets(jnp.asarray(shifts), cells),
            mask=jnp.asarray(mask),
            reverse=jnp.asarray(reverse),
            origin=positions,
            cell=cells,
        )

    def memory(self) -> np.ndarray:
        return np.asarray(self._width, np.int64)

    def recall(self, memory: Any) -> None:
        self._width = int(memory)


class AllPairs:
    """All pairs of a small molecule in vacuum: right for good, so that its skin has no bounds.

    Args:
        atoms: of the molecule.
    """

    def __init__(self, atoms: int):
        self._table = complete_table(atoms)

    def build(self, positions: Array, cells: Array) -> Neighbours:
        replicas, table = len(positions), self._table
        return Neighbours(
            indices=jnp.tile(jnp.asarray(table.neighbours), (replicas, 1, 1)),
            offsets=jnp.zeros((replicas, 3, *table.neighbours.shape), cells.dtype),
            mask=jnp.tile(jnp.asarray(table.mask), (replicas, 1, 1)),
            reverse=jnp.tile(jnp.asarray(table.reverse), (replicas, 1, 1)),
            origin=positions,
            cell=cells,
        )

    def memory(self) -> np.ndarray:
        return np.asarray(self._table.width, np.int64)

    def recall(self, memory: Any) -> None:
        """The size never changes."""


_TABLE = ("neighbours", "shifts", "mask", "reverse")


def _stack(tables: list[NeighborTable], name: str) -> np.ndarray:
    arrays = [getattr(table, name) for table in tables]
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


@jax.jit
def _offsets(
    shifts: Int[Array, "replicas atoms neighbours 3"], cells: Float[Array, "replicas 3 3"]
) -> Float[Array, "replicas 3 atoms neighbours"]:
    """Cell translations ``(replicas, 3, atoms, neighbours)`` in Å, component by component."""
    shifts = shifts.astype(cells.dtype)
    components = [sum(shifts[..., s] * cells[:, s, x, None, None] for s in range(3)) for x in range(3)]
    return jnp.stack(components, axis=1)


class DeviceLists:
    """Lists made by jax-md on the device, for fully periodic cells that are wide enough.

    Args:
        cell: ``(3, 3)`` in Å; cells that change must stay close to it.
        reach: cutoff plus skin in Å.

    Raises:
        NeighborListError: when the cell is narrower than twice the reach; the message names a supercell that works.
    """

    def __init__(self, cell: np.ndarray, reach: float):
        check_device_cell(cell, reach)
        self.reach = reach
        self._allocated: Any = None
        self._allocated_at: tuple[Array, Array] | None = None
        self._update = jax.jit(jax.vmap(_updated, in_axes=(None, 0, 0)))

    def build(self, positions: Array, cells: Array) -> Neighbours:
        """Lists of all replicas; an overflow is repaired by growing the list and building again."""
        for cell in np.unique(np.asarray(cells), axis=0):
            check_device_cell(cell, self.reach)
        fractional, wrapped, boxes = _fractional(positions, cells)
        for _ in range(10):
            if self._allocated is None:
                self._allocate(wrapped, boxes)
            indices, overflow = self._update(self._allocated, wrapped, boxes)
            if not bool(jnp.any(overflow)):
                return _complete(indices, fractional, positions, cells, self.reach)
            self._allocated = None
        raise NeighborListError("The device's neighbour list overflowed ten times in a row; choose a larger skin.")

    def _allocate(self, wrapped: Array, boxes: Array) -> None:
        from jax_md import partition, space

        displacement, _ = space.periodic_general(boxes[0], fractional_coordinates=True)
        functions = partition.neighbor_list(
            displacement,
            boxes[0],
            self.reach,
            dr_threshold=0.0,
            capacity_multiplier=1.15,
            format=partition.NeighborListFormat.Dense,
            fractional_coordinates=True,
        )
        # The replica with the most neighbours decides the size.
        lists = [functions.allocate(w, box=b) for w, b in zip(wrapped, boxes, strict=True)]
        self._allocated = max(lists, key=lambda neighbours: neighbours.idx.shape[1])
        self._allocated_at = (wrapped, boxes)

    def memory(self) -> tuple[Array, Array] | None:
        """Where the present size was found; None before the first list."""
        return self._allocated_at

    def recall(self, memory: Any) -> None:
        """Finds the size anew where it was found; None forgets it."""
        if memory is None:
            self._allocated = self._allocated_at = None
        elif self._allocated_at is None or not all(map(np.array_equal, memory, self._allocated_at)):
            self._allocate(*memory)


def _updated(
    allocated: Any, wrapped: Float[Array, "atoms 3"], box: Float[Array, "3 3"]
) -> tuple[Int[Array, "atoms neighbours"], Array]:
    neighbours = allocated.update(wrapped, box=box)
    # Cells into which atoms are sorted are found for the first box; in a smaller one they miss neighbours.
    return neighbours.idx, neighbours.did_buffer_overflow | neighbours.cell_size_too_small


@jax.jit
def _fractional(
    positions: Float[Array, "replicas atoms 3"], cells: Float[Array, "replicas 3 3"]
) -> tuple[Float[Array, "replicas atoms 3"], Float[Array, "replicas atoms 3"], Float[Array, "replicas 3 3"]]:
    """Fractional coordinates, the same inside the cell, and the cells as jax-md wants them.

    jax-md takes columns as cell vectors and an upper triangular matrix; distances do not change by turning the cell.
    """
    fractional = jax.vmap(lambda p, c: p @ jnp.linalg.inv(c))(positions, cells)
    boxes = jax.vmap(lambda c: jnp.linalg.cholesky(c @ c.T).T)(cells)
    return fractional, fractional - jnp.floor(fractional), boxes


@jax.jit
def _complete(
    indices: Int[Array, "replicas atoms neighbours"],
    fractional: Float[Array, "replicas atoms 3"],
    positions: Float[Array, "replicas atoms 3"],
    cells: Float[Array, "replicas 3 3"],
    reach: Float[ArrayLike, ""],
) -> Neighbours:
    return jax.vmap(_complete_one, in_axes=(0, 0, 0, 0, None))(indices, fractional, positions, cells, reach)


def _complete_one(
    indices: Int[Array, "atoms neighbours"],
    fractional: Float[Array, "atoms 3"],
    positions: Float[Array, "atoms 3"],
    cell: Float[Array, "3 3"],
    reach: Float[ArrayLike, ""],
) -> Neighbours:
    """Shifts, mask and opposite edges of a list of indices under the minimum-image convention."""
    atoms, width = indices.shape
    present = indices < atoms
    indices = jnp.where(present, indices, 0).astype(jnp.int32)
    shifts = -jnp.round(fractional[indices] - fractional[:, None])
    vectors = (fractional[indices] - fractional[:, None] + shifts) @ cell
    mask = present & (jnp.sum(vectors**2, -1) < reach**2)
    # In row j, the column that holds i.
    candidates = (indices[indices] == jnp.arange(atoms, dtype=jnp.int32)[:, None, None]) & mask[indices]
    column = jnp.argmax(candidates, axis=-1).astype(jnp.int32)
    reverse = jnp.where(mask, indices * width + column, 0)
    return Neighbours(indices, jnp.moveaxis(shifts @ cell, -1, 0), mask, reverse, positions, cell)


def check_device_cell(cell: np.ndarray, reach: float) -> None:
    """Raises NeighborListError, naming the smallest supercell that works, when a cell is too narrow for the device."""
    heights = cell_heights(cell)
    if (heights >= 2 * reach).all():
        return
    repeats = tuple(int(n) for n in np.ceil(2 * reach / heights))
    raise NeighborListError(
        f"The cell is {heights.min():.2f} Å wide, but the neighbour list on the device needs twice the cutoff with its "
        f"skin, {2 * reach:.2f} Å; repeat the structure {repeats[0]} × {repeats[1]} × {repeats[2]} times "
        f"(structure.repeat({repeats})), or use neighbour_lists='host'."
    )


def cell_heights(cell: np.ndarray) -> np.ndarray:
    """Distances between opposite faces of a cell, in Å."""
    cell = np.asarray(cell, np.float64)
    volume = abs(np.linalg.det(cell))
    areas = np.array([np.linalg.norm(np.cross(cell[(k + 1) % 3], cell[(k + 2) % 3])) for k in range(3)])
    return volume / areas


def list_builder(choice: str, periodic: np.ndarray, cell: np.ndarray, reach: float, atoms: int) -> ListBuilder:
    """``"host"``, ``"device"``, or ``"auto"``: on the device where there is a GPU and the cell allows it.

    For small molecules in vacuum ``"auto"`` takes all pairs.

    Without a reach there are no neighbours, and so nothing to be done on the device.
    """
    if reach == 0:
        return HostLists(periodic, reach)
    if choice == "device":
        if not np.all(periodic):
            raise NeighborListError(
                "Neighbour lists on the device need a cell that is periodic in three directions; use "
                "neighbour_lists='host'."
            )
        return DeviceLists(cell, reach)
    if choice not in ("auto", "host"):
        raise NeighborListError(f"neighbour_lists is 'auto', 'host' or 'device', not {choice!r}.")
    if choice == "auto" and all_pairs_suit(atoms, periodic):
        return AllPairs(atoms)
    wide = bool(np.all(periodic)) and bool((cell_heights(cell) >= 2 * reach).all())
    if choice == "auto" and wide and jax.default_backend() == "gpu":
        return DeviceLists(cell, reach)
    return HostLists(periodic, reach)
