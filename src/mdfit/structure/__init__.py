"""Structures: atoms (or beads), their positions, masses, velocities and cell."""

from mdfit.structure.atomic_structure import Structure
from mdfit.structure.reading import read_atoms, read_structure

__all__ = ["Structure", "read_atoms", "read_structure"]
