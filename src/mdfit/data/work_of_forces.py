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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from mdfit.data.dataset import Dataset, LabelledStructure


_FRAMES_PER_COMPOSITION = 200
# Root mean square per atom in Å; beyond, the trapezoidal rule means little. Molecules turn their groups on arcs.
_LARGEST_DISPLACEMENT_CRYSTAL = 0.8
_LARGEST_DISPLACEMENT_MOLECULE = 0.3
_LARGEST_STRAIN = 0.15
#: Fewer pairs tell nothing.
FEWEST_PAIRS = 5


class Pair(NamedTuple):
    """What happens between two frames: energies and works in eV.

    Attributes:
        energy: energy difference, NaN where one is not known.
        forces: work done against the forces.
        stress: work done by the strain; NaN where a frame has no stress.
        strained: whether the cells differ.
        restoring: minus the product of the change of the forces and the displacement, positive near a minimum.
        force_square: squared change of the forces, (eV/Å)².
        displacement_square: squared displacement, Å².
        tension: product of the change of the stress and the strain, eV/Å³, positive when tension counts positive.
        stress_square: squared change of the stress.
        strain_square: squared strain.
    """

    energy: float
    forces: float
    stress: float
    strained: bool
    restoring: float
    force_square: float
    displacement_square: float
    tension: float = float("nan")
    stress_square: float = float("nan")
    strain_square: float = float("nan")


@dataclass(frozen=True)
class Works:
    """Pairs of frames as arrays [pairs]; see :class:`Pair`.

    Attributes:
        strain: differences of trace, trace squared and squared deviator of the strain against the mean cell, [pairs, 3].
        frames: how many frames the pairs are made of.
    """

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray
    strained: np.ndarray
    restoring: np.ndarray
    force_square: np.ndarray
    displacement_square: np.ndarray
    tension: np.ndarray
    stress_square: np.ndarray
    strain_square: np.ndarray
    strain: np.ndarray
    frames: int

    def stiffness(self) -> tuple[float, float]:
        """Mean stiffness against displacements of atoms in eV/Å², and the correlation of forces and displacements.

        Both are negative for gradients that are taken for forces; NaN when pairs are few or do not differ.
        """
        return _response_of(self.restoring, self.force_square, self.displacement_square)

    def modulus(self) -> tuple[float, float]:
        """How the stress follows the strain in eV/Å³, and their correlation; as :meth:`stiffness`."""
        known = self.strained & np.isfinite(self.tension)
        return _response_of(self.tension[known], self.stress_square[known], self.strain_square[known])


def _response_of(products: np.ndarray, answers: np.ndarray, causes: np.ndarray) -> tuple[float, float]:
    """Least-squares slope of an answer over its cause, and their correlation without means."""
    product, answer, cause = float(products.sum()), float(answers.sum()), float(causes.sum())
    if len(products) < FEWEST_PAIRS or answer == 0 or cause == 0:
        return float("nan"), float("nan")
    return product / cause, product / np.sqrt(answer * cause)


def works(dataset: Dataset) -> Works:
    """Compare pairs of frames with the same atoms in the same order that are near each other."""
    groups: dict[bytes, list[LabelledStructure]] = {}
    for frame in dataset:
        periodic = frame.structure.periodic
        if frame.forces is not None and frame.structure.number_of_atoms > 1 and (periodic.all() or not periodic.any()):
            groups.setdefault(frame.structure.species.tobytes() + periodic.tobytes(), []).append(frame)
    rows: list[tuple[float, ...]] = []
    frames = 0
    for group in groups.values():
        found = list(_pairs(group))
        rows += [(*pair, *strain) for _, _, pair, strain in found]
        frames += len({number for first, second, _, _ in found for number in (first, second)})
    table = np.array(rows, dtype=np.float64).reshape(-1, len(Pair._fields) + 3)
    columns = dict(zip(Pair._fields, table.T, strict=False))
    strained = columns.pop("strained") > 0
    return Works(**columns, strained=strained, strain=table[:, len(Pair._fields) :], frames=frames)


def _pairs(group: list[LabelledStructure]) -> Iterator[tuple[int, int, Pair, np.ndarray]]:
    """Numbers of two frames, what happens between them, and the difference of their strains."""
    chosen = [group[i] for i in np.unique(np.linspace(0, len(group) - 1, _FRAMES_PER_COMPOSITION).astype(int))]
    periodic = bool(group[0].structure.periodic.all())
    strains = _strains(chosen) if periodic else np.zeros((len(chosen), 3))
    for a, first in enumerate(chosen):
        for b in range(a + 1, len(chosen)):
            pair = _crystal_pair(first, chosen[b]) if periodic else _molecule_pair(first, chosen[b])
            if pair is not None:
                yield a, b, pair, (strains[b] - strains[a]) * pair.strained


def _strains(frames: list[LabelledStructure]) -> np.ndarray:
    """Trace, trace squared and squared deviator of the strain of each cell against their mean, [frames, 3]."""
    reference = np.mean([frame.structure.cell for frame in frames], axis=0)
    if abs(np.linalg.det(reference)) < 1e-3 * frames[0].structure.volume:  # cells of different orientations
        reference = frames[0].structure.cell
    rows = []
    for frame in frames:
        stretches = np.linalg.svd(np.linalg.solve(reference, frame.structure.cell), compute_uv=False)
        logarithms = np.log(stretches)
        trace = logarithms.sum()
        rows.append([trace, trace**2, np.sum((logarithms - trace / 3) ** 2)])
    return np.array(rows)


def _crystal_pair(first: LabelledStructure, second: LabelledStructure) -> Pair | None:
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
    turned_forces = second.forces @ rotation.T
    force_work = -0.5 * float(np.sum(first.forces * displacement + turned_forces * (displacement @ stretch)))
    stress_work, tension = np.nan, (np.nan, np.nan, np.nan)
    if first.stress is not None and second.stress is not None:
        turned = rotation @ second.stress @ rotation.T
        stress_work = 0.5 * np.sum((first.structure.volume * first.stress + second.structure.volume * turned) * strain)
        change = turned - first.stress
        tension = (float(np.sum(change * strain)), float(np.sum(change**2)), float(np.sum(strain**2)))
    strained = bool(np.linalg.norm(strain) > 1e-4)
    difference = _energy(second) - _energy(first)
    response = _response(turned_forces - first.forces, displacement)
    return Pair(difference, force_work, stress_work, strained, *response, *tension)


def _molecule_pair(first: LabelledStructure, second: LabelledStructure) -> Pair | None:
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
    turned = second.forces @ rotation
    force_work = -0.5 * float(np.sum((first.forces + turned) * displacement))
    difference = _energy(second) - _energy(first)
    return Pair(difference, force_work, np.nan, False, *_response(turned - first.forces, displacement))


def _response(change: np.ndarray, displacement: np.ndarray) -> tuple[float, float, float]:
    return -float(np.sum(change * displacement)), float(np.sum(change**2)), float(np.sum(displacement**2))


def _energy(frame: LabelledStructure) -> float:
    return float("nan") if frame.energy is None else frame.energy
