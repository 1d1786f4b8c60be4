"""Structures of least energy, by ASE's optimisers in double precision."""

from __future__ import annotations

from typing import Literal

import numpy as np
from ase import Atoms
from ase.filters import UnitCellFilter
from ase.optimize import BFGS

from mdfit.engines import Calculator
from mdfit.errors import SimulationError
from mdfit.potentials import Potential
from mdfit.structure import Structure


def relax_cell(
    potential: Potential,
    structure: Structure,
    shape: Literal["isotropic", "full"] = "isotropic",
    largest_force: float = 1e-4,
    most_steps: int = 500,
) -> Structure:
    """The structure with atoms and cell at the nearest minimum of the energy.

    Args:
        potential: any potential.
        structure: periodic in all three directions.
        shape: ``"isotropic"`` changes only the size of the cell (the lattice constant of cubic crystals);
            ``"full"`` relaxes lengths and angles, too.
        largest_force: in eV/Å, on atoms and on the cell's degrees of freedom.
        most_steps: of the optimiser.

    Raises:
        SimulationError: when the structure is not periodic, or no minimum is reached.
        UnknownSpeciesError: for an element that the potential does not know.
    """
    require_periodic(structure)
    refuse_frozen(structure, "relaxing the cell")
    if shape not in ("isotropic", "full"):
        raise SimulationError(f"shape is 'isotropic' or 'full', not {shape!r}.")
    atoms = with_calculator(potential, structure)
    _minimise(UnitCellFilter(atoms, hydrostatic_strain=shape == "isotropic"), largest_force, most_steps)
    return Structure.from_ase(atoms)


def relax_atoms(
    potential: Potential, structure: Structure, largest_force: float = 1e-5, most_steps: int = 500
) -> Structure:
    """The structure with its atoms at the nearest minimum of the energy, the cell as it is; frozen atoms stay.

    Args:
        potential: any potential.
        structure: periodic or not.
        largest_force: in eV/Å.
        most_steps: of the optimiser.

    Raises:
        SimulationError: when no minimum is reached.
        UnknownSpeciesError: for an element that the potential does not know.
    """
    atoms = with_calculator(potential, structure)
    minimise_atoms(atoms, largest_force, most_steps)
    return Structure.from_ase(atoms)


def minimise_atoms(atoms: Atoms, largest_force: float = 1e-5, most_steps: int = 500) -> None:
    """Moves ``atoms`` to the nearest minimum in their cell."""
    _minimise(atoms, largest_force, most_steps)


def with_calculator(potential: Potential, structure: Structure) -> Atoms:
    """ASE atoms at rest with a calculator in double precision; frozen atoms are held.

    Raises:
        StructureError: when the structure has constraints that cannot be held.
    """
    structure.check_constraints()
    atoms = structure.replace(velocities=None).to_ase()
    # Steps of relaxations are small, and cells change: new lists at every step cost less than the pairs of a skin.
    atoms.calc = Calculator(potential, skin=0.0, dtype="float64")
    return atoms


def require_periodic(structure: Structure) -> None:
    """Raises SimulationError when the structure is no crystal."""
    if not np.all(structure.periodic):
        raise SimulationError("The structure is not periodic in all three directions; give the cell of a crystal.")


def refuse_frozen(structure: Structure, what: str) -> None:
    """Raises SimulationError for frozen atoms, which cannot stand still in a cell that changes."""
    if structure.number_frozen:
        raise SimulationError(
            f"{structure.number_frozen} of {structure.number_of_atoms} atoms are frozen, but {what} moves all of them with "
            "the cell: free them with structure.replace(frozen=None)."
        )


def _minimise(target: Atoms | UnitCellFilter, largest_force: float, most_steps: int) -> None:
    optimiser = BFGS(target, logfile=None)
    if not optimiser.run(fmax=largest_force, steps=most_steps):
        force = np.sqrt(np.max(np.sum(target.get_forces() ** 2, axis=1)))
        raise SimulationError(
            f"After {most_steps} steps the largest force is still {force:.2g} eV/Å (wanted: {largest_force:.2g}); "
            "start closer to the minimum, or allow more steps or a larger force."
        )
