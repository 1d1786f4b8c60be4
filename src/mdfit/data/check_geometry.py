"""Findings about the structures of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdfit.data.check_report import Finding
from mdfit.data.duplicates import first_of_equal
from mdfit.data.reference_energies import isolated_atoms
from mdfit.structure import Structure

if TYPE_CHECKING:
    from mdfit.data.dataset import Dataset, LabelledStructure

#: Two atoms overlap when they are nearer than this share of the sum of their covalent radii.
OVERLAP = 0.3


def nearest_neighbours(dataset: Dataset, cutoff: float) -> list[np.ndarray]:
    """Distance of each atom to its nearest neighbour in Å, float64[N] per frame; infinite beyond the cutoff."""
    import vesin

    found = []
    for frame in dataset:
        structure = frame.structure
        neighbours = vesin.NeighborList(cutoff=cutoff, full_list=True, n_threads=1)
        atoms, lengths = neighbours.compute(structure.positions, _box(structure), structure.periodic, quantities="id")
        distances = np.full(structure.number_of_atoms, np.inf)
        np.minimum.at(distances, atoms.astype(np.int64), lengths)
        found.append(distances)
    return found


def geometry_findings(dataset: Dataset, distances: list[np.ndarray], cutoff: float | None) -> list[Finding]:
    """Overlaps, isolated atoms, duplicates, and, with a cutoff, small cells."""
    return [
        *_overlaps(dataset, distances),
        *_isolated_atoms(dataset, distances, cutoff or 5.0),
        *_bond_lengths(dataset, distances),
        *_duplicates(dataset),
        *(_small_cells(dataset, cutoff) if cutoff is not None else []),
    ]


def _box(structure: Structure) -> np.ndarray:
    """The cell with unit vectors added where vectors are missing (these directions are not periodic)."""
    from ase.geometry import complete_cell

    return np.asarray(complete_cell(structure.cell), dtype=np.float64)


def _overlaps(dataset: Dataset, distances: list[np.ndarray]) -> list[Finding]:
    """Only pairs nearer than the largest possible overlap are looked at one by one."""
    import vesin
    from ase.data import covalent_radii

    largest = 2 * OVERLAP * float(np.max(covalent_radii[list(dataset.species)]))
    frames, worst = [], (np.inf, "")
    for number, frame in enumerate(dataset):
        if distances[number].min() >= largest:
            continue
        structure = frame.structure
        pairs = vesin.NeighborList(cutoff=largest, full_list=False, n_threads=1)
        i, j, lengths = pairs.compute(structure.positions, _box(structure), structure.periodic, quantities="ijd")
        i, j = i.astype(np.int64), j.astype(np.int64)
        allowed = OVERLAP * (covalent_radii[structure.species[i]] + covalent_radii[structure.species[j]])
        overlapping = np.flatnonzero(lengths < allowed)
        if len(overlapping):
            frames.append(number)
            pair = overlapping[np.argmin(lengths[overlapping])]
            worst = min(worst, (float(lengths[pair]), f"atoms {i[pair]} and {j[pair]} of frame {number}"))
    if not frames:
        return []
    message = (
        f"atoms overlap: {worst[1]} are {worst[0]:.3g} Å apart; remove these frames, or correct the positions "
        "(are they in Å?)"
    )
    return [Finding("error", "overlapping-atoms", message, tuple(frames))]


def _isolated_atoms(dataset: Dataset, distances: list[np.ndarray], cutoff: float) -> list[Finding]:
    isolated = [number for number, d in enumerate(distances) if len(d) > 1 and np.isinf(d).any()]
    findings = []
    if isolated:
        message = (
            f"atoms have no neighbour within {cutoff:g} Å, so no potential of this cutoff sees them: "
            "raise the cutoff, or remove these frames if this is not intended"
        )
        findings.append(Finding("warning", "isolated-atoms", message, tuple(isolated)))
    single = isolated_atoms(dataset)
    if single:
        message = "frames of one isolated atom fix the reference energies; they do not train interactions"
        findings.append(Finding("note", "single-atoms", message, tuple(sorted(sum(single.values(), ())))))
    return findings + _contradicting_atoms(dataset, single)


def _contradicting_atoms(dataset: Dataset, single: dict[int, tuple[int, ...]]) -> list[Finding]:
    """Isolated atoms of one element with different energies, of other spin states or other methods perhaps."""
    from ase.data import chemical_symbols

    findings = []
    for number, frames in single.items():
        spread = float(np.ptp(dataset.energies()[list(frames)]))
        if spread > 1e-3:
            message = (
                f"isolated atoms of {chemical_symbols[number]} differ by {spread:.3g} eV, and their mean fixes the "
                "reference energy: keep the right one (the ground state, of the method of the other frames)"
            )
            findings.append(Finding("warning", "contradicting-atoms", message, frames))
    return findings


def _bond_lengths(dataset: Dataset, distances: list[np.ndarray]) -> list[Finding]:
    from ase.data import covalent_radii

    ratios = np.concatenate(
        [d / (2 * covalent_radii[f.structure.species]) for f, d in zip(dataset, distances, strict=True)]
    )
    ratios = ratios[np.isfinite(ratios)]
    if len(ratios) == 0 or 0.5 < np.median(ratios) < 1.75:
        return []
    message = (
        f"nearest neighbours are typically {np.median(ratios):.2g} times a covalent bond length away: check that "
        "positions are in Å, not bohr or nm (noble gases and coarse-grained beads may look like this)"
    )
    return [Finding("warning", "length-unit", message)]


def _duplicates(dataset: Dataset) -> list[Finding]:
    """Frames of the same structure as an earlier one."""
    repeated: list[int] = []
    contradicting: list[int] = []
    for number, (frame, first) in enumerate(zip(dataset, first_of_equal(dataset).tolist(), strict=True)):
        if first != number:
            (repeated if _same_labels(frame, dataset[first]) else contradicting).append(number)
    findings = []
    if repeated:
        message = "frames repeat earlier ones, labels included: remove them, or they leak from training into validation"
        findings.append(Finding("warning", "duplicates", message, tuple(repeated)))
    if contradicting:
        message = "frames have the structure of an earlier frame, but other labels: keep the one that is right"
        findings.append(Finding("warning", "contradicting-labels", message, tuple(contradicting)))
    return findings


def _same_labels(first: LabelledStructure, second: LabelledStructure) -> bool:
    """Whether the labels that both have agree to 0.1 meV, meV/Å and so on; both may lack different ones."""
    pairs = [(getattr(first, name), getattr(second, name)) for name in ("energy", "forces", "stress")]
    return all(np.allclose(a, b, rtol=0, atol=1e-4) for a, b in pairs if a is not None and b is not None)


def _small_cells(dataset: Dataset, cutoff: float) -> list[Finding]:
    below_cutoff: list[int] = []
    below_twice: list[int] = []
    for number, frame in enumerate(dataset):
        structure = frame.structure
        if not structure.periodic.any():
            continue
        heights = 1.0 / np.linalg.norm(np.linalg.inv(_box(structure)), axis=0)
        height = heights[structure.periodic].min()
        if height < cutoff:
            below_cutoff.append(number)
        elif height < 2 * cutoff:
            below_twice.append(number)
    findings = []
    if below_cutoff:
        message = f"cells are thinner than the cutoff of {cutoff:g} Å: atoms see their own images (handled correctly)"
        findings.append(Finding("note", "cell-below-cutoff", message, tuple(below_cutoff)))
    if below_twice:
        message = f"cells are thinner than twice the cutoff of {cutoff:g} Å: pairs have several images (handled)"
        findings.append(Finding("note", "cell-below-twice-cutoff", message, tuple(below_twice)))
    return findings
