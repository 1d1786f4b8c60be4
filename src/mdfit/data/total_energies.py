"""Total energies of atoms with all their electrons: programs that give these tell the unit of energies by their size.

E(Z) = −0.768745 Z^(7/3) + Z²/2 − 0.269900 Z^(5/3) hartree: J. Schwinger, Phys. Rev. A 24, 2353 (1981),
doi:10.1103/PhysRevA.24.2353; within 1 % of Hartree–Fock from boron on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mdfit.data.dataset import Dataset


#: How many of each unit are a hartree.
UNITS = {
    "Hartree": 1.0,
    "Rydberg": 2.0,
    "eV": 27.211386,
    "kcal/mol": 627.5095,
    "kJ/mol": 2625.4996,
}
# Energies of bonds are a few hundredths of these; heavier atoms are too relativistic for the formula.
_TOLERANCE = 0.03
_HEAVIEST = 18
_LIGHTEST = 5
_EXACT = {1: -0.5, 2: -2.9037, 3: -7.4781, 4: -14.6674}  # hartree


def total_energy(number: int) -> float:
    """Energy of an atom in hartree, for atomic numbers up to 18."""
    z = float(number)
    return _EXACT.get(number, -0.768745 * z ** (7 / 3) + 0.5 * z**2 - 0.269900 * z ** (5 / 3))


def unit_of_total_energies(dataset: Dataset) -> str | None:
    """The unit in which energies are total energies of all electrons; None when they are not, or atoms are too heavy."""
    if not _LIGHTEST <= max(dataset.species) <= _HEAVIEST:
        return None
    expected = dataset.composition() @ np.array([total_energy(number) for number in dataset.species])
    ratios = dataset.energies() / expected
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios):
        return None
    for unit, size in UNITS.items():
        if np.mean(np.abs(ratios / size - 1) < _TOLERANCE) > 0.9:
            return unit
    return None
