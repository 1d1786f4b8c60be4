"""Findings about the energies, forces and stresses of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdfit.data.check_report import Finding
from mdfit.data.check_units import unit_findings
from mdfit.data.reference_energies import isolated_atoms

if TYPE_CHECKING:
    from mdfit.data.dataset import Dataset

_OUTLIER = 15.0  # robust standard deviations; data sets of several phases are far from normal


def label_findings(dataset: Dataset) -> list[Finding]:
    """Missing labels, net forces, units, stress sign and outliers."""
    return [
        *_missing(dataset),
        *_net_force(dataset),
        *_magnitudes(dataset),
        *unit_findings(dataset),
        *_outliers(dataset),
    ]


def _missing(dataset: Dataset) -> list[Finding]:
    findings = []
    for label in ("energy", "forces", "stress"):
        missing = tuple(number for number, frame in enumerate(dataset) if getattr(frame, label) is None)
        if 0 < len(missing) < len(dataset):
            message = f"frames have no {label}; they are used for their other labels"
            findings.append(Finding("note", f"missing-{label}", message, missing))
        elif missing and label != "stress":
            findings.append(Finding("warning", f"missing-{label}", f"no frame has {label}"))
    if dataset.ignored_stress:
        message = "a stress was ignored, because the frame is not periodic in all three directions"
        findings.append(Finding("note", "ignored-stress", message, dataset.ignored_stress))
    if dataset.keys.unused:
        names = ", ".join(f"'{name}'" for name in dataset.keys.unused)
        message = f"not used, although named like labels: {names}; declare the keys on reading if they are meant"
        findings.append(Finding("note", "unused-labels", message))
    return findings


def _net_force(dataset: Dataset) -> list[Finding]:
    """Without external fields forces sum to zero; numerical noise of DFT stays well below 1 % of typical forces."""
    limit = max(0.01 * np.nan_to_num(dataset.force_rms()), 1e-3)
    frames, largest = [], 0.0
    for number, frame in enumerate(dataset):
        if frame.forces is None or frame.structure.number_of_atoms == 1:
            continue
        mean = float(np.linalg.norm(frame.forces.mean(axis=0)))
        largest = max(largest, mean)
        if mean > limit:
            frames.append(number)
    if not frames:
        return []
    message = (
        f"forces do not sum to zero (up to {largest:.3g} eV/Å per atom), so no potential can fit them: subtract the "
        "mean, or look for missing atoms or external fields"
    )
    return [Finding("warning", "net-force", message, tuple(frames))]


def _magnitudes(dataset: Dataset) -> list[Finding]:
    findings = []
    force = dataset.force_rms()
    if np.isfinite(force) and force > 10:
        message = f"the root mean square force is {force:.3g} eV/Å, which is unusually large: are forces in kcal/mol/Å?"
        findings.append(Finding("warning", "force-magnitude", message))
    residuals = _bound_residuals(dataset)
    spread = np.nanstd(residuals) if np.isfinite(residuals).any() else 0.0
    if spread > 5:
        message = (
            f"energies of equal compositions scatter by {spread:.3g} eV/atom, which is unusually much: are energies "
            "total energies in eV, computed in one way?"
        )
        findings.append(Finding("warning", "energy-magnitude", message))
    stresses = [np.abs(frame.stress).max() for frame in dataset if frame.stress is not None]
    if stresses and np.median(stresses) > 0.5:
        message = (
            f"stresses are typically {np.median(stresses):.3g} eV/Å^3 ({160.2177 * np.median(stresses):.3g} GPa), "
            "which is unusually large: are they in kbar or GPa?"
        )
        findings.append(Finding("warning", "stress-magnitude", message))
    return findings


def _outliers(dataset: Dataset) -> list[Finding]:
    findings = []
    energies = _robust_scores(_bound_residuals(dataset))
    frames = tuple(int(number) for number in np.flatnonzero(np.abs(energies) > _OUTLIER))
    if frames:
        message = (
            "energies per atom are far from those of the other frames: look at them, failed calculations are usual"
        )
        findings.append(Finding("warning", "energy-outliers", message, frames))
    largest = [np.nan if f.forces is None else np.linalg.norm(f.forces, axis=1).max() for f in dataset]
    frames = tuple(int(number) for number in np.flatnonzero(_robust_scores(np.array(largest)) > _OUTLIER))
    if frames:
        message = "the largest forces are far above those of the other frames: look at them before training"
        findings.append(Finding("warning", "force-outliers", message, frames))
    return findings


def _bound_residuals(dataset: Dataset) -> np.ndarray:
    """Energies per atom less those of the composition, by least squares, NaN for isolated atoms: they are no outliers."""
    isolated = {number for frames in isolated_atoms(dataset).values() for number in frames}
    residuals = np.full(len(dataset), np.nan)
    bound = [number for number in range(len(dataset)) if number not in isolated]
    if bound:
        residuals[bound] = dataset.select(bound).energy_residuals()
    return residuals


def _robust_scores(values: np.ndarray) -> np.ndarray:
    """Distance from the median in robust standard deviations (1.4826 median absolute deviations); 0 if unknown."""
    known = np.isfinite(values)
    if np.count_nonzero(known) < 10:
        return np.zeros(len(values))
    centre = np.median(values[known])
    deviation = 1.4826 * np.median(np.abs(values[known] - centre))
    return np.where(known, (values - centre) / max(deviation, 1e-3), 0.0)
