"""Phonons at points of high symmetry, by displaced atoms."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import numpy as np
from ase import units
from ase.phonons import Phonons

from mdfit.errors import SimulationError
from mdfit.potentials import Potential
from mdfit.properties.relaxation import refuse_frozen, require_periodic, with_calculator
from mdfit.structure import Structure


def phonon_frequencies(
    potential: Potential,
    structure: Structure,
    points: Sequence[str],
    supercell: tuple[int, int, int] = (2, 2, 2),
    displacement: float = 0.01,
) -> np.ndarray:
    """Frequencies in THz at points of the Brillouin zone, ascending, ``(points, 3 atoms)``; imaginary ones are negative.

    They are exact where a point is a reciprocal vector of the supercell.

    Args:
        potential: any potential.
        structure: the primitive cell of a crystal at its minimum.
        points: names of special points of its lattice, such as ``"G"`` and ``"X"``.
        supercell: repeats of the cell along its vectors.
        displacement: of the atoms in Å.

    Raises:
        SimulationError: when the structure is not periodic, atoms are frozen, or the lattice has no such point.
        UnknownSpeciesError: for an element that the potential does not know.
    """
    require_periodic(structure)
    refuse_frozen(structure, "displacing atoms")
    atoms = with_calculator(potential, structure)
    special = atoms.cell.bandpath(npoints=0).special_points
    if unknown := [point for point in points if point not in special]:
        raise SimulationError(f"The lattice has no point {', '.join(unknown)}; choose from {', '.join(special)}.")
    with tempfile.TemporaryDirectory() as folder:
        crystal = Phonons(atoms, atoms.calc, supercell=supercell, delta=displacement, name=f"{folder}/phonon")
        crystal.run()
        crystal.read(acoustic=True)
        energies = crystal.band_structure(np.array([special[point] for point in points]), verbose=False)
    return np.asarray(energies) * units._e / units._hplanck / 1e12
