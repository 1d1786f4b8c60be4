"""Elastic constants at 0 K."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from mdfit.errors import SimulationError
from mdfit.potentials import Potential
from mdfit.properties.relaxation import minimise_atoms, refuse_frozen, require_periodic, with_calculator
from mdfit.structure import Structure
from mdfit.units import GIGAPASCAL

#: In GPa; under more stress the definitions of elastic constants differ.
_LARGEST_STRESS = 0.1


@dataclass(frozen=True, eq=False)
class CubicElasticConstants:
    """Elastic constants in Voigt's notation (xx, yy, zz, yz, xz, xy) in GPa.

    Attributes:
        matrix: ``(6, 6)``, symmetric.
        asymmetry: the largest difference between transposed elements before they were averaged.

    Example:
        >>> from ase.build import bulk
        >>> from mdfit import Structure
        >>> from mdfit.potentials import StillingerWeber
        >>> from mdfit.properties import elastic_constants
        >>> silicon = Structure.from_ase(bulk("Si", cubic=True, a=5.431))
        >>> found = elastic_constants(StillingerWeber.silicon(), silicon, relax_ions=False)
        >>> round(found.c11), round(found.c12), round(found.bulk_modulus)
        (151, 76, 101)
    """

    matrix: np.ndarray
    asymmetry: float

    @property
    def c11(self) -> float:
        """Of a cubic crystal whose axes are those of Cartesian space: the average of the equivalent elements."""
        return float(np.mean(np.diag(self.matrix)[:3]))

    @property
    def c12(self) -> float:
        """Cubic average, as :attr:`c11`."""
        return float(np.mean(self.matrix[[0, 0, 1], [1, 2, 2]]))

    @property
    def c44(self) -> float:
        """Cubic average, as :attr:`c11`."""
        return float(np.mean(np.diag(self.matrix)[3:]))

    @property
    def bulk_modulus(self) -> float:
        """Voigt's average Σ_{i,j≤3} C_ij / 9, exact for cubic crystals."""
        return float(self.matrix[:3, :3].mean())


def elastic_constants(
    potential: Potential, structure: Structure, relax_ions: bool = True, strain: float = 5e-3
) -> CubicElasticConstants:
    """C_ij = ∂σ_i/∂ε_j by central differences of the stress, in double precision.

    Args:
        potential: any potential.
        structure: at its minimum (:func:`relax_cell`), with the crystal's axes along those of Cartesian space.
        relax_ions: move the atoms to their minimum in each strained cell; without, the constants of clamped ions.
        strain: Voigt strain (shear: twice the off-diagonal element).

    Raises:
        SimulationError: when the structure is not periodic or not at its minimum.
        UnknownSpeciesError: for an element that the potential does not know.
    """
    require_periodic(structure)
    refuse_frozen(structure, "straining it")
    atoms = with_calculator(potential, structure)
    if relax_ions:
        minimise_atoms(atoms)
    residual = float(np.abs(atoms.get_stress()).max()) / GIGAPASCAL
    if residual > _LARGEST_STRESS:
        raise SimulationError(
            f"The structure is under a stress of {residual:.3g} GPa, so that its elastic constants are not defined "
            "uniquely; relax its cell first (mdfit.properties.relax_cell)."
        )
    columns = [
        (_stress(atoms, voigt, strain, relax_ions) - _stress(atoms, voigt, -strain, relax_ions)) / (2 * strain)
        for voigt in range(6)
    ]
    matrix = np.stack(columns, axis=1) / GIGAPASCAL
    return CubicElasticConstants(
        matrix=(matrix + matrix.T) / 2,
        asymmetry=float(np.abs(matrix - matrix.T).max()),
    )


def _stress(atoms: Atoms, voigt: int, strain: float, relax_ions: bool) -> np.ndarray:
    """Six Voigt components of the stress (eV/Å³) of the strained structure."""
    row, column = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))[voigt]
    deformation = np.eye(3)
    deformation[row, column] += strain / 2
    deformation[column, row] += strain / 2
    strained = atoms.copy()
    strained.calc = atoms.calc
    strained.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
    if relax_ions:
        minimise_atoms(strained)
    return strained.get_stress()
