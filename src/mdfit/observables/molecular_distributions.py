"""The distributions of all bonds, angles or dihedral angles of a molecule."""

from __future__ import annotations

from mdfit.observables.collective_variables import Angle, Dihedral, Distance
from mdfit.observables.distribution import Distribution
from mdfit.structure import Topology


def bond_distributions(
    topology: Topology, minimum: float | str, maximum: float | str, bins: int = 100, molecules: int = 1
) -> tuple[Distribution, ...]:
    """One distribution for each bond of a topology.

    Args:
        topology: of one molecule.
        minimum: of the lengths in Å.
        maximum: of the lengths in Å.
        bins: of equal width.
        molecules: how many equal molecules follow each other; they are averaged.
    """
    variables = [Distance(*atoms) for atoms in topology.bonds.tolist()]
    every = [one.for_molecules(molecules, topology.number_of_atoms) for one in variables]
    return tuple(Distribution(one, minimum, maximum, bins) for one in every)


def angle_distributions(topology: Topology, bins: int = 100, molecules: int = 1) -> tuple[Distribution, ...]:
    """One distribution between 0 and π for each angle of a topology; see :func:`bond_distributions`."""
    variables = [Angle(*atoms) for atoms in topology.angles.tolist()]
    return tuple(Distribution(one.for_molecules(molecules, topology.number_of_atoms), bins=bins) for one in variables)


def dihedral_distributions(
    topology: Topology, bins: int = 100, molecules: int = 1, impropers: bool = False
) -> tuple[Distribution, ...]:
    """One distribution on the ring from −π to π for each dihedral angle of a topology.

    Args:
        topology: of one molecule.
        bins: of equal width.
        molecules: how many equal molecules follow each other; they are averaged.
        impropers: whether to take the improper dihedral angles instead of the others.
    """
    table = topology.impropers if impropers else topology.dihedrals
    variables = [Dihedral(*atoms) for atoms in table.tolist()]
    return tuple(Distribution(one.for_molecules(molecules, topology.number_of_atoms), bins=bins) for one in variables)
