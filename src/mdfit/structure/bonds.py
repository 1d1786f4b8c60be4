"""Topologies of structures and files: from CONECT records, or from distances."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdfit.errors import StructureError
from mdfit.structure.atomic_structure import Structure
from mdfit.structure.reading import read_structure
from mdfit.structure.topology import Topology

#: Two atoms are bonded when they are closer than this multiple of the sum of their covalent radii.
TOLERANCE = 1.2


def topology_by_distance(structure: Structure, tolerance: float = TOLERANCE) -> Topology:
    """Bonds between atoms closer than ``tolerance`` times the sum of their covalent radii; periodic images count.

    The radii are those of B. Cordero et al., Dalton Trans. 2832 (2008), doi:10.1039/b801115j, as in ASE.  The species
    must be elements: the bonds of coarse-grained beads have to be given.

    Raises:
        StructureError: when an atom is bonded to its own periodic image, or to two images of the same atom.
    """
    from ase.data import covalent_radii
    from ase.neighborlist import neighbor_list

    radii = list(tolerance * covalent_radii[structure.species])
    first, second = neighbor_list("ij", structure.to_ase(), radii, self_interaction=False)
    once = first <= second
    bonds = np.stack([first[once], second[once]], axis=1)
    try:
        return Topology.from_bonds(structure.number_of_atoms, bonds)
    except StructureError as problem:
        raise StructureError(
            f"The bonds found by distance make no molecule ({problem}) Is the cell too small, or the tolerance of "
            f"{tolerance} too large?"
        ) from None


def read_topology(path: str | Path, tolerance: float = TOLERANCE) -> Topology:
    """The topology of a structure file: by the CONECT records of a PDB file, where it has some, else by distance.

    Raises:
        DataError: when the file cannot be read.
        StructureError: as :func:`topology_by_distance`, or for CONECT records of atoms that the file lacks.
    """
    structure = read_structure(path)
    if Path(path).suffix.lower() in (".pdb", ".ent"):
        bonds = _conect_records(Path(path))
        if bonds:
            return Topology.from_bonds(structure.number_of_atoms, sorted(bonds))
    return topology_by_distance(structure, tolerance)


def _conect_records(path: Path) -> set[tuple[int, int]]:
    """Bonds as pairs of indices from zero; the columns are those of the PDB format 3.3."""
    places: dict[int, int] = {}
    bonds: set[tuple[int, int]] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(("ATOM  ", "HETATM")):
            places.setdefault(int(line[6:11]), len(places))
        elif line.startswith("CONECT"):
            numbers = [
                int(line[i : i + 5]) for i in range(6, min(len(line.rstrip()), 31), 5) if line[i : i + 5].strip()
            ]
            unknown = [number for number in numbers if number not in places]
            if unknown:
                raise StructureError(
                    f"{path}: a CONECT record names atom {unknown[0]}, which the file lacks; correct or delete it."
                )
            pairs = ((places[numbers[0]], places[other]) for other in numbers[1:])
            bonds.update((min(pair), max(pair)) for pair in pairs)
    return bonds
