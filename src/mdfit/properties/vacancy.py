"""What it costs to take an atom out of a crystal."""

from __future__ import annotations

from mdfit.errors import SimulationError
from mdfit.potentials import Potential
from mdfit.properties.relaxation import relax_atoms, require_periodic, with_calculator
from mdfit.structure import Structure


def vacancy_formation_energy(
    potential: Potential, structure: Structure, rattle: float = 0.05, seed: int = 0, largest_force: float = 1e-3
) -> float:
    """E(N − 1 atoms, relaxed in the cell of the crystal) − (N − 1)/N E(N atoms), in eV.

    Args:
        potential: any potential.
        structure: N atoms of a crystal at its minimum, all alike; its first one is taken out.
        rattle: standard deviation in Å of random displacements before the relaxation, as neighbours may pair up, which
            symmetry would forbid.
        seed: of the displacements.
        largest_force: in eV/Å, at the end of the relaxation.

    Raises:
        SimulationError: when the structure is not periodic or has a single atom, or no minimum is reached.
        UnknownSpeciesError: for an element that the potential does not know.
    """
    require_periodic(structure)
    number = structure.number_of_atoms
    if number < 2:
        raise SimulationError("A vacancy needs a crystal of two atoms at least: repeat the cell.")
    defect = structure.to_ase()
    del defect[0]
    defect.rattle(rattle, seed=seed)
    relaxed = relax_atoms(potential, Structure.from_ase(defect), largest_force)
    return _energy(potential, relaxed) - (number - 1) / number * _energy(potential, structure)


def _energy(potential: Potential, structure: Structure) -> float:
    return float(with_calculator(potential, structure).get_potential_energy())
