"""Energy differences of data against the work done by their own forces and stresses.

Between two frames of the same atoms, ΔE ≈ −½ Σ (F_a + F_b)·Δx + ½ (V_a σ_a + V_b σ_b) : ε, the trapezoidal rule along
the straight path: exact for harmonic energies, good for snapshots of one crystal or molecule. Δx is the displacement
that is left after the homogeneous deformation, ε = log P its strain, from the polar decomposition of the deformation
(so that a rotation of the frame does no work). This compares energies, forces and stresses without any model, and shows
mixed units and signs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mdfit.data.dataset import Dataset, LabelledStructure

_FRAMES_PER_COMPOSITION = 200
# Root mean square per atom in Å; beyond, the trapezoidal rule means little. Molecules turn their groups on arcs.
_LARGEST_DISPLACEMENT_CRYSTAL = 0.8
_LARGEST_DISPLACEMENT_MOLECULE = 0.3
_LARGEST_STRAIN = 0.15


@dataclass(frozen=True)
class Works:
    """Energy differences and works for pairs of frames, all in eV and of shape [pairs].

    Attributes:
        energy: energy difference.
        forces: work done against the forces.
        stress: work done by the strain; NaN where a frame has no stress.
        strained: whether the cells of the pair differ.
    """

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray
    strained: np.ndarray


def works(dataset: Dataset) -> Works:
    """Compare pairs of frames with the same atoms in the same order that are near each other."""
    groups: dict[bytes, list[LabelledStructure]] = {}
    for frame in dataset:
        if frame.energy is not None and frame.forces is not None and frame.structure.number_of_atoms > 1:
            periodic = frame.structure.periodic
            if periodic.all() or not periodic.any():
                key = frame.structure.species.tobytes() + periodic.tobytes()
                groups.setdefault(key, []).append(frame)
    rows = [row for group in groups.values() for row in _pairs(group)]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Works(table[:, 0], table[:, 1], table[:, 2], table[:, 3] > 0)


def slope(work: np.ndarray, energy: np.ndarray) -> tuple[float, float]:
    """Least-squares slope of energy over work through the origin, and their correlation without centring.

    Pairs have no order, so that the sign of a difference means nothing and no mean is subtracted.
    """
    product, work_square, energy_square = work @ energy, work @ work, energy @ energy
    if work_square == 0 or energy_square == 0:
        return float("nan"), 0.0
    return float(product / work_square), float(product / np.sqrt(work_square * energy_square))


def _pairs(group: list[LabelledStructure]) -> Iterator[tuple[float, float, float, bool]]:
    chosen = [group[i] for i in np.unique(np.linspace(0, len(group) - 1, _FRAMES_PER_COMPOSITION).astype(int))]
    for number, first in enumerate(chosen):
        for second in chosen[number + 1 :]:
            row = _crystal_pair(first, second) if first.structure.periodic.all() else _molecule_pair(first, second)
            if row is not None:
                yield row


def _crystal_pair(first: LabelledStructure, second: LabelledStructure) -> tuple[float, float, float, bool] | None:
    cell = first.structure.cell
    deformation = np.linalg.solve(cell, second.structure.cell)  # row vectors: cell_b = cell_a @ deformation
    left, stretches, right = np.linalg.svd(deformation)
    strain = left @ np.diag(np.log(stretches)) @ left.T
    if np.linalg.norm(strain) > _LARGEST_STRAIN:
        return None
    rotation = left @ right
    fractional = second.structure.positions @ np.linalg.inv(
        second.structure.cell
    ) - first.structure.positions @ np.linalg.inv(cell)
    fractional -= np.round(fractional)
    displacement = (fractional - fractional.mean(axis=0)) @ cell
    if np.sqrt(np.mean(np.sum(displacement**2, axis=1))) > _LARGEST_DISPLACEMENT_CRYSTAL:
        return None
    assert first.forces is not None
    assert second.forces is not None
    stretch = left @ np.diag(stretches) @ left.T
    force_work = -0.5 * (
        np.sum(first.forces * displacement) + np.sum((second.forces @ rotation.T) * (displacement @ stretch))
    )
    stress_work = np.nan
    if first.stress is not None and second.stress is not None:
        turned = rotation @ second.stress @ rotation.T
        stress_work = 0.5 * np.sum((first.structure.volume * first.stress + second.structure.volume * turned) * strain)
    return _energy(second) - _energy(first), force_work, stress_work, bool(np.linalg.norm(strain) > 1e-4)


def _molecule_pair(first: LabelledStructure, second: LabelledStructure) -> tuple[float, float, float, bool] | None:
    """The second molecule turned onto the first (W. Kabsch, https://doi.org/10.1107/S0567739476001873)."""
    start = first.structure.positions - first.structure.positions.mean(axis=0)
    end = second.structure.positions - second.structure.positions.mean(axis=0)
    left, _, right = np.linalg.svd(end.T @ start)
    rotation = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    displacement = end @ rotation - start
    if np.sqrt(np.mean(np.sum(displacement**2, axis=1))) > _LARGEST_DISPLACEMENT_MOLECULE:
        return None
    assert first.forces is not None
    assert second.forces is not None
    force_work = -0.5 * np.sum((first.forces + second.forces @ rotation) * displacement)
    return _energy(second) - _energy(first), force_work, np.nan, False


def _energy(frame: LabelledStructure) -> float:
    assert frame.energy is not None
    return frame.energy
