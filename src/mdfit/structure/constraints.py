"""Constraints of ASE atoms: which atoms are held as a whole, and what else is held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms


def frozen_atoms(atoms: Atoms) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Which atoms stand still, bool[N] or None when all move, and the names of constraints of any other kind.

    ``FixAtoms`` holds whole atoms (``move_mask`` of extended XYZ, ``selective dynamics`` of POSCAR files), and so do
    constraints of components that hold all three of an atom.
    """
    frozen = np.zeros(len(atoms), bool)
    others: list[str] = []
    for constraint in atoms.constraints:
        name = type(constraint).__name__
        if name == "FixAtoms":
            frozen[constraint.get_indices()] = True
        elif name in ("FixCartesian", "FixScaled"):
            held = np.broadcast_to(np.asarray(constraint.mask, bool), (len(constraint.get_indices()), 3))
            whole = held.all(axis=1)
            frozen[np.asarray(constraint.get_indices())[whole]] = True
            if (held.any(axis=1) & ~whole).any():
                others.append(name)
        else:
            others.append(name)
    return (frozen if frozen.any() else None), tuple(dict.fromkeys(others))
