"""Check a data set before training on it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from mdfit.data.check_geometry import geometry_findings, nearest_neighbours
from mdfit.data.check_labels import label_findings
from mdfit.data.check_report import CheckReport, Range
from mdfit.errors import DataError
from mdfit.units import quantity

if TYPE_CHECKING:
    from mdfit.data.dataset import Dataset


def check(dataset: Dataset, cutoff: str | float | None = None) -> CheckReport:
    """Look for what commonly goes wrong in data sets.

    Errors: overlapping atoms. Warnings: net forces, duplicates, contradicting labels, units that do not fit each other
    or are unusual by magnitude, a wrong sign of the stress, atoms without neighbours, outliers. Notes: missing labels,
    cells that are small for the cutoff, labels that were not used.

    Args:
        dataset: what to check.
        cutoff: cutoff of the potential that is to be trained, Å; without it 5 Å is used to look for isolated atoms,
            and cell sizes are not judged.

    Raises:
        DataError: the cutoff is not positive.
        UnitError: the cutoff is not a length.
    """
    from ase.data import chemical_symbols

    length = None if cutoff is None else quantity(cutoff, "Å", "cutoff")
    if length is not None and length <= 0:
        raise DataError(f"The cutoff is {length} Å: give a positive length, such as '5 Å'.")
    totals = dataset.composition().sum(axis=0)
    distances = nearest_neighbours(dataset, length or 5.0)
    return CheckReport(
        source=dataset.source,
        frames=len(dataset),
        atoms=int(totals.sum()),
        elements={chemical_symbols[z]: int(n) for z, n in zip(dataset.species, totals, strict=True)},
        keys=asdict(dataset.keys),
        missing={
            label: sum(getattr(frame, label) is None for frame in dataset) for label in ("energy", "forces", "stress")
        },
        ranges=_ranges(dataset, distances),
        findings=(*dataset.findings, *geometry_findings(dataset, distances, length), *label_findings(dataset)),
    )


def _ranges(dataset: Dataset, distances: list[np.ndarray]) -> tuple[Range, ...]:
    with_forces = [frame.forces for frame in dataset if frame.forces is not None]
    rows: list[tuple[str, str, list[float]]] = [
        ("atoms per frame", "", [float(frame.structure.number_of_atoms) for frame in dataset]),
        ("nearest neighbour", "Å", [float(d.min()) for d in distances if np.isfinite(d).any()]),
        (
            "volume per atom",
            "Å^3",
            [f.structure.volume / f.structure.number_of_atoms for f in dataset if f.structure.periodic.all()],
        ),
        ("energy per atom", "eV", [f.energy / f.structure.number_of_atoms for f in dataset if f.energy is not None]),
        ("energy less composition", "eV/atom", [e for e in dataset.energy_residuals() if np.isfinite(e)]),
        ("force, root mean square", "eV/Å", [float(np.sqrt(np.mean(forces**2))) for forces in with_forces]),
        ("force, largest", "eV/Å", [float(np.linalg.norm(forces, axis=1).max()) for forces in with_forces]),
        ("net force", "eV/Å", [float(np.linalg.norm(forces.sum(axis=0))) for forces in with_forces]),
        ("pressure of stress", "eV/Å^3", [-float(np.trace(f.stress)) / 3 for f in dataset if f.stress is not None]),
    ]
    return tuple(
        Range(name, unit, len(values), float(np.min(values)), float(np.mean(values)), float(np.max(values)))
        for name, unit, values in rows
        if values
    )
