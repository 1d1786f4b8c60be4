"""Positions that follow each atom across the boundary of the cell, from positions that were put back into it.

Everything happens in fractional coordinates, so that triclinic cells and cells that change are treated alike.  At
constant pressure whole cells of the present frame are added, which is right for the lattice but not for slow
displacements: S. von Bülow et al., J. Chem. Phys. 153, 021101 (2020), doi:10.1063/5.0008316.
"""

from __future__ import annotations

import itertools

import numpy as np

#: A displacement between frames of more than this share of the cell may just as well be one in the other direction.
AMBIGUOUS = 0.35

#: What single precision may take from positions, Å.
ROUNDING = 1e-4
#: Shares of the extent of all atoms in one direction: what an atom that was put back jumps, and what most others move.
_JUMP, _MOVE = 0.7, 0.1


def jumps_without_cell(positions: np.ndarray) -> bool:
    """Whether atoms [F, N, 3] jump across the system while most others hardly move, as if there were a cell."""
    extent = np.ptp(positions, axis=(0, 1))
    if len(positions) < 2 or not (extent > 0).all():
        return False
    for before, now in itertools.pairwise(positions):
        moved = np.abs(now - before) / extent
        if moved.max() > _JUMP and np.median(moved) < _MOVE:
            return True
    return False


def by_nearest_images(positions: np.ndarray, cells: np.ndarray, periodic: np.ndarray) -> tuple[np.ndarray, float]:
    """Each atom moved by whole cells so that it is nearest to where it was in the frame before.

    Atoms that never cross the boundary keep their numbers bit by bit.

    Args:
        positions: [F, N, 3], Å.
        cells: [F, 3, 3], Å.
        periodic: bool[3].

    Returns:
        The positions, and the largest displacement between frames that is left, as a share of the cell; 0 when no atom
        has crossed the boundary.
    """
    turns = np.zeros(positions.shape[1:], np.int64)
    moved, largest = list(positions), 0.0
    crosses = False
    before = _fractional(positions[0], cells[0])
    for frame in range(1, len(positions)):
        now = _fractional(positions[frame], cells[frame])
        steps = (now - before) * periodic
        crossed = np.round(steps)
        largest = max(largest, float(np.abs(steps - crossed).max()))
        turns -= crossed.astype(np.int64)
        before = now
        if turns.any():
            crosses = True
            moved[frame] = with_images(positions[frame], cells[frame], turns)
    return (np.stack(moved), largest) if crosses else (positions, 0.0)


def with_images(positions: np.ndarray, cell: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Positions [N, 3] moved by whole cells, int[N, 3]; those of atoms that stay are not touched.

    They become float64 when they are too far away for float32.
    """
    moved = np.array(positions, np.float64)
    away = images.any(axis=1)
    moved[away] += images[away] @ cell
    return moved if positions.dtype == np.float64 else single_where_exact(moved)


def single_where_exact(positions: np.ndarray) -> np.ndarray:
    """Positions in Å as float32, but as float64 where that would round them by more than 1e-4 Å: far from the origin."""
    single = positions.astype(np.float32)
    return single if np.abs(single - positions).max(initial=0.0) <= ROUNDING else positions


def _fractional(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    # The columns of the pseudo-inverse are the reciprocal vectors; absent cell vectors have none.
    return positions.astype(np.float64) @ np.linalg.pinv(cell)
