"""Energy as a function of volume at 0 K."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mdfit.errors import SimulationError
from mdfit.potentials import Potential
from mdfit.properties.relaxation import minimise_atoms, refuse_frozen, require_periodic, with_calculator
from mdfit.structure import Structure
from mdfit.units import GIGAPASCAL

#: Linear strains at which energies are calculated unless others are given.
DEFAULT_STRAINS = tuple(float(strain) for strain in np.linspace(-0.03, 0.03, 9))


@dataclass(frozen=True, eq=False)
class EquationOfState:
    """Energies at several volumes and the third-order Birch–Murnaghan curve through them.

    Attributes:
        volumes: per atom in Å³.
        energies: per atom in eV.
        volume: per atom at the minimum, in Å³.
        energy: per atom at the minimum, in eV.
        bulk_modulus: at the minimum, in GPa.
        bulk_modulus_derivative: with respect to pressure, no unit.
        largest_residual: of the fit, per atom in eV.

    Example:
        >>> from ase.build import bulk
        >>> from mdfit import Structure
        >>> from mdfit.potentials import StillingerWeber
        >>> from mdfit.properties import equation_of_state
        >>> silicon = Structure.from_ase(bulk("Si", cubic=True, a=5.431))
        >>> found = equation_of_state(StillingerWeber.silicon(), silicon, relax_ions=False)
        >>> round(found.volume, 2), round(found.energy, 3), round(found.bulk_modulus)
        (20.02, -4.337, 102)
    """

    volumes: np.ndarray
    energies: np.ndarray
    volume: float
    energy: float
    bulk_modulus: float
    bulk_modulus_derivative: float
    largest_residual: float


def equation_of_state(
    potential: Potential,
    structure: Structure,
    strains: Sequence[float] = DEFAULT_STRAINS,
    relax_ions: bool = True,
) -> EquationOfState:
    """Energies of the isotropically strained structure, fitted by F. Birch, Phys. Rev. 71, 809 (1947).

    Args:
        potential: any potential.
        structure: periodic in all three directions, near its minimum.
        strains: of the cell's lengths, at least five; 0.01 is one per cent longer.
        relax_ions: move the atoms to their minimum in each cell.

    Raises:
        SimulationError: when the structure is not periodic, there are fewer than five strains, or the minimum lies
            outside the strained volumes.
        UnknownSpeciesError: for an element that the potential does not know.
    """
    from ase.eos import EquationOfState as Fit

    require_periodic(structure)
    refuse_frozen(structure, "changing its volume")
    if len(strains) < 5:
        raise SimulationError(f"An equation of state needs at least five strains, but {len(strains)} were given.")
    count = structure.number_of_atoms
    atoms = with_calculator(potential, structure)
    volumes, energies = [], []
    for strain in strains:
        atoms.set_cell(structure.cell * (1 + strain))
        atoms.set_positions(structure.positions * (1 + strain))
        if relax_ions:
            minimise_atoms(atoms)
        volumes.append(atoms.get_volume() / count)
        energies.append(atoms.get_potential_energy() / count)
    if not 0 < int(np.argmin(np.array(energies)[np.argsort(volumes)])) < len(strains) - 1:
        raise SimulationError(
            f"The lowest energy is at the edge of the volumes from {min(volumes):.4g} to {max(volumes):.4g} Å^3 per "
            "atom; relax the cell first or strain it farther."
        )
    fit = Fit(volumes, energies, eos="birchmurnaghan")
    fit.fit(warn=False)
    energy, modulus, derivative, volume = (float(parameter) for parameter in fit.eos_parameters)
    residuals = fit.func(np.asarray(volumes), *fit.eos_parameters) - np.asarray(energies)
    return EquationOfState(
        volumes=np.asarray(volumes),
        energies=np.asarray(energies),
        volume=volume,
        energy=energy,
        bulk_modulus=modulus / GIGAPASCAL,
        bulk_modulus_derivative=derivative,
        largest_residual=float(np.abs(residuals).max()),
    )
