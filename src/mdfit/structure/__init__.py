"""Structures: atoms (or beads), their positions, masses, velocities and cell, their bonds; conditions of frames."""

from mdfit.structure.atomic_structure import Structure
from mdfit.structure.bonds import read_topology, topology_by_distance
from mdfit.structure.conditions import Conditions
from mdfit.structure.reading import read_atoms, read_structure
from mdfit.structure.topology import Topology

__all__ = [
    "Conditions",
    "Structure",
    "Topology",
    "read_atoms",
    "read_structure",
    "read_topology",
    "topology_by_distance",
]
