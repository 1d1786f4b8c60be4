"""The second derivative of the energy with respect to strain, at the frames of a trajectory."""

from __future__ import annotations

import equinox as eqx
import numpy as np

from mdfit.graph import NeighborTable, neighbor_table
from mdfit.graph.host import as_graph, concatenate
from mdfit.potentials import Potential, born_stiffness
from mdfit.simulate import Trajectory

#: Atoms of all the frames that are evaluated at once.
_ATOMS_AT_ONCE = 2048


def stiffness_of_frames(potential: Potential, trajectory: Trajectory) -> np.ndarray:
    """(1/V) ∂²U/∂ε_ij∂ε_kl in eV/Å³ at every frame, in the number format of the simulation.

    Returns:
        ``(replicas, frames, 3, 3, 3, 3)`` in double precision.

    Raises:
        UnknownSpeciesError: when the potential was not made for the structure.
    """
    potential.check_species(set(trajectory.species.tolist()))
    atoms = len(trajectory.species)
    positions = trajectory.positions.reshape(-1, atoms, 3)
    cells = trajectory.cells.reshape(-1, 3, 3).astype(np.float64)
    together = min(max(1, _ATOMS_AT_ONCE // atoms), len(positions))
    results, width = [], 0
    for start in range(0, len(positions), together):
        # The last batch is filled up with its own frames, so that it has the compiled size.
        chosen = np.resize(np.arange(start, min(start + together, len(positions))), together)
        tables = [neighbor_table(positions[i], cells[i], trajectory.periodic, potential.cutoff, width) for i in chosen]
        widest = max(table.width for table in tables)
        if widest > width:
            # Some room to grow, since a new width means a new compilation.
            width = int(widest * 1.1) + 1
        graph = _graph(trajectory, positions[chosen], cells[chosen], tables, width)
        results.append(np.asarray(_stiffness(potential, graph), np.float64))
    stacked = np.concatenate(results)[: len(positions)] / np.abs(np.linalg.det(cells))[:, None, None, None, None]
    return stacked.reshape(trajectory.replicas, len(trajectory), 3, 3, 3, 3)


_stiffness = eqx.filter_jit(born_stiffness)


def _graph(trajectory: Trajectory, positions, cells, tables: list[NeighborTable], width: int):
    edges = [table.vectors(p.astype(np.float64), c) for table, p, c in zip(tables, positions, cells, strict=True)]
    arrays = concatenate([trajectory.species] * len(tables), tables, edges, neighbours=width)
    return as_graph(arrays, len(tables), trajectory.positions.dtype)
