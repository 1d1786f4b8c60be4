"""Energies of the elements: those of isolated atoms where the data hold them, least squares for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mdfit.data.dataset import Dataset, LabelledStructure

#: An atom is isolated when its nearest image is farther away than this, Å.
ISOLATION = 5.0


def is_isolated_atom(frame: LabelledStructure) -> bool:
    """Whether a frame is one atom that does not meet its images."""
    import vesin
    from ase.geometry import complete_cell

    structure = frame.structure
    if structure.number_of_atoms != 1:
        return False
    if not structure.periodic.any():
        return True
    images = vesin.NeighborList(cutoff=ISOLATION, full_list=True, n_threads=1)
    box = np.asarray(complete_cell(structure.cell), np.float64)
    (found,) = images.compute(structure.positions, box, structure.periodic, quantities="i")
    return len(found) == 0


def isolated_atoms(dataset: Dataset) -> dict[int, tuple[int, ...]]:
    """The frames of isolated atoms with an energy, by atomic number."""
    found: dict[int, tuple[int, ...]] = {}
    for number, frame in enumerate(dataset):
        if frame.energy is not None and is_isolated_atom(frame):
            element = int(frame.structure.species[0])
            found[element] = (*found.get(element, ()), number)
    return found


def reference_energies(dataset: Dataset) -> dict[int, float]:
    """See :meth:`mdfit.data.Dataset.reference_energies`."""
    counts, energies = dataset.composition(), dataset.energies()
    isolated = isolated_atoms(dataset)
    solution = np.zeros(len(dataset.species))
    fixed = np.array([number in isolated for number in dataset.species])
    solution[fixed] = [np.mean(energies[list(isolated[z])]) for z in dataset.species if z in isolated]
    free = counts[:, ~fixed]
    used = np.isfinite(energies) & free.any(axis=1)
    if used.any():
        atoms = counts[used].sum(axis=1)
        left = (energies[used] - counts[used] @ solution) / atoms
        solution[~fixed] = np.linalg.lstsq(free[used] / atoms[:, None], left, rcond=1e-10)[0]
    return {number: float(energy) for number, energy in zip(dataset.species, solution, strict=True)}
