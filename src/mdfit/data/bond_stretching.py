"""Forces along bonds to hydrogen: their stiffness hardly depends on the molecule, so that it tells sign and unit.

Stretching frequencies of C–H, N–H and O–H bonds (about 3000, 3400 and 3700 per cm) are force constants k = μ ω² of 30, 41
and 47 eV/Å² (G. Herzberg, Infrared and Raman Spectra, 1945), whatever the atom is bonded to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mdfit.data.dataset import Dataset, LabelledStructure


#: Force constants in eV/Å² by the atomic number of the heavy atom.
STIFFNESS = {6: 30.0, 7: 41.0, 8: 47.0}
#: Lengths of bonds that are looked at, Å: neither broken nor compressed.
_SHORTEST, _LONGEST = 0.85, 1.25
_FEWEST_BONDS = 20
_FEWEST_FRAMES = 15
#: Bonds whose lengths vary less (Å, standard deviation) were rigid.
_RIGID = 0.004
_MOST_FRAMES = 300


@dataclass(frozen=True)
class Stretching:
    """What bonds to hydrogen tell.

    Attributes:
        stiffness: measured force constant relative to the known one; negative for gradients, NaN when not known.
        energy: slope of the energies over the energy in the bonds, which is 1 when units agree; NaN when not known.
        energy_error: its standard error.
    """

    stiffness: float
    energy: float
    energy_error: float


def stretching(dataset: Dataset) -> Stretching:
    """Measures the stiffness of bonds to hydrogen, and whether their energies are seen in the total energies."""
    numbers = np.unique(np.linspace(0, len(dataset) - 1, _MOST_FRAMES).astype(int))
    frames = [dataset[int(number)] for number in numbers if dataset[int(number)].forces is not None]
    bonds = [_bonds(frame) for frame in frames]
    slopes = {z: _slope(np.concatenate([b[z] for b in bonds])) for z in STIFFNESS} if bonds else {}
    measured = {z: k for z, k in slopes.items() if np.isfinite(k)}
    if not measured:
        return Stretching(np.nan, np.nan, np.nan)
    relative = float(np.median([k / STIFFNESS[z] for z, k in measured.items()]))
    stored = np.array([sum(np.sum(b[z][:, 1] ** 2) / (2 * abs(k)) for z, k in measured.items()) for b in bonds])
    return Stretching(relative, *_energy_slope(frames, stored))


def _bonds(frame: LabelledStructure) -> dict[int, np.ndarray]:
    """Length and force on the hydrogen atom along the bond, (bonds, 2), by the atomic number of the other atom."""
    import vesin
    from ase.geometry import complete_cell

    structure = frame.structure
    neighbours = vesin.NeighborList(cutoff=_LONGEST, full_list=True, n_threads=1)
    box = np.asarray(complete_cell(structure.cell), np.float64)
    i, j, vectors = neighbours.compute(structure.positions, box, structure.periodic, quantities="ijD")
    i, j = i.astype(np.int64), j.astype(np.int64)
    lengths = np.linalg.norm(vectors, axis=1)
    alone = np.bincount(i, minlength=structure.number_of_atoms)[i] == 1
    hydrogens = (structure.species[i] == 1) & alone & (lengths > _SHORTEST)
    assert frame.forces is not None
    # Vectors point from i, the hydrogen atom, to j.
    along = -np.sum(frame.forces[i] * vectors, axis=1) / np.where(lengths > 0, lengths, 1.0)
    table = np.stack([lengths, along], axis=1)
    return {z: table[hydrogens & (structure.species[j] == z)] for z in STIFFNESS}


def _slope(table: np.ndarray) -> float:
    """Minus the least-squares slope of the force over the length; NaN when they are few, rigid or hardly correlated."""
    if len(table) < _FEWEST_BONDS:
        return float("nan")
    length, force = (table - table.mean(axis=0)).T
    if length.std() < _RIGID or not force.any():
        return float("nan")
    covariance = float(length @ force)
    if abs(covariance) < 0.5 * np.linalg.norm(length) * np.linalg.norm(force):
        return float("nan")
    return -covariance / float(length @ length)


def _energy_slope(frames: list[LabelledStructure], stored: np.ndarray) -> tuple[float, float]:
    """Slope of the total energies over those of the bonds among frames of the same atoms, and its standard error."""
    groups: dict[bytes, list[int]] = {}
    for number, frame in enumerate(frames):
        if frame.energy is not None:
            groups.setdefault(np.sort(frame.structure.species).tobytes(), []).append(number)
    energy = np.array([np.nan if frame.energy is None else frame.energy for frame in frames])
    parts = [
        (stored[group] - stored[group].mean(), energy[group] - energy[group].mean())
        for group in groups.values()
        if len(group) >= _FEWEST_FRAMES
    ]
    if not parts:
        return float("nan"), float("nan")
    bond, total = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not bond.any():
        return float("nan"), float("nan")
    slope = float(bond @ total / (bond @ bond))
    left = total - slope * bond
    return slope, float(np.sqrt(left @ left / (len(left) - 1 - len(parts)) / (bond @ bond)))
