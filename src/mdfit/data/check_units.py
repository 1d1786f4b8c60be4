"""Findings about signs and units of energies, forces and stresses, and notes where they cannot be known.

Three independent ways: the work done between similar frames (:mod:`mdfit.data.work_of_forces`), the stiffness of bonds to
hydrogen (:mod:`mdfit.data.bond_stretching`) and the size of total energies (:mod:`mdfit.data.total_energies`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdfit.data.bond_stretching import Stretching, stretching
from mdfit.data.check_report import Finding
from mdfit.data.total_energies import unit_of_total_energies
from mdfit.data.work_factors import WorkFit, fit_works
from mdfit.data.work_of_forces import works

if TYPE_CHECKING:
    from mdfit.data.dataset import Dataset

#: Ratios of an energy unit to a force or stress unit that are met when units are mixed.
_ENERGY_UNITS = {
    "energies in Hartree": 1 / 27.2114,
    "energies in kcal/mol": 23.0605,
    "energies in kJ/mol": 96.485,
    "energies in Rydberg": 1 / 13.6057,
}
_FORCE_UNITS = {
    "forces in Hartree/bohr": 51.4221,
    "forces in kcal/mol/Å": 1 / 23.0605,
    "forces in kJ/mol/Å": 1 / 96.485,
    "forces in Rydberg/bohr": 25.7111,
}
_STRESS_UNITS = {
    "GPa": 1 / 160.2177,
    "kbar": 1 / 1602.177,
    "bar": 1 / 1602177.0,
    "Hartree/bohr^3": 183.6315,
}
# Ratios of measured to known stiffness of bonds: beyond the first, the unit is another; within the second, it is right.
_BONDS_OFF, _BONDS_RIGHT = 6.0, 2.0
# The same for energies over those in the bonds, which other motions that are correlated with them make uncertain.
_ENERGY_OFF, _ENERGY_RIGHT = 8.0, 3.0
# Stiffness of solids against displacements of atoms, eV/Å²: beyond the first none, within the second most.
_STIFFEST, _STIFFNESS = 300.0, (1.0, 100.0)
# Moduli of solids and liquids, eV/Å³ (160 GPa): outside the first none, within the second most.
_MODULI, _MODULUS = (1e-3, 12.0), (0.02, 8.0)
# Least correlations of forces with displacements, and of stresses with strains, that tell a sign.
_FORCES_FOLLOW, _STRESS_FOLLOWS = 0.5, 0.3
# Correlations below so many standard deviations of uncorrelated data (six components of each frame) tell nothing.
_BY_CHANCE = 3.5


@dataclass(frozen=True)
class _Evidence:
    """Of the three ways.

    Attributes:
        work: energy differences over the works of forces and stresses.
        stiffness: against displacements, eV/Å², and the correlation of forces with them.
        modulus: against strain, eV/Å³, and the correlation of stresses with it.
        bonds: to hydrogen.
        total: the unit in which energies are total energies.
        frames: how many frames the pairs are made of.
    """

    work: WorkFit
    stiffness: tuple[float, float]
    modulus: tuple[float, float]
    bonds: Stretching
    total: str | None
    frames: int

    @property
    def forces_absolute(self) -> bool:
        """Whether the unit of the forces is known to be right by itself."""
        value, correlation = self.stiffness
        return _within(self.bonds.stiffness, 1 / _BONDS_RIGHT, _BONDS_RIGHT) or (
            correlation > _FORCES_FOLLOW and _within(value, *_STIFFNESS)
        )

    @property
    def stress_absolute(self) -> bool:
        """Whether sign and unit of the stress are known to be right by themselves."""
        return self.modulus[1] > _STRESS_FOLLOWS and _within(self.modulus[0], *_MODULUS)

    @property
    def energy_by_bonds(self) -> bool:
        """Whether energies agree with those in the bonds."""
        ratio, error = self.bonds.energy, self.bonds.energy_error
        return ratio > 3 * error and _within(ratio, 1 / _ENERGY_RIGHT, _ENERGY_RIGHT)


def unit_findings(dataset: Dataset) -> list[Finding]:
    """Wrong signs, mixed units, and what could not be judged."""
    pairs = works(dataset)
    evidence = _Evidence(
        work=fit_works(pairs),
        stiffness=pairs.stiffness(),
        modulus=pairs.modulus(),
        bonds=stretching(dataset),
        total=unit_of_total_energies(dataset),
        frames=pairs.frames,
    )
    has = {name: any(getattr(f, name) is not None for f in dataset) for name in ("energy", "forces", "stress")}
    found = [*_forces(evidence), *_energies(evidence), *_stresses(evidence)]
    return [*found, *_unchecked(evidence, has, {finding.topic for finding in found})]


def _forces(evidence: _Evidence) -> list[Finding]:
    bonds, (stiffness, correlation) = evidence.bonds.stiffness, evidence.stiffness
    known_by_bonds = np.isfinite(bonds)
    if (
        bonds < -1 / _BONDS_OFF
        or evidence.work.forces.negative
        or (correlation < -_FORCES_FOLLOW and not known_by_bonds)
    ):
        message = (
            "energies rise along the forces, or stretched bonds are pushed apart: forces have the wrong sign (they may be "
            "gradients), negate them"
        )
        return [Finding("warning", "force-sign", message)]
    if known_by_bonds and not _within(bonds, 1 / _BONDS_OFF, _BONDS_OFF):
        message = (
            f"bonds to hydrogen are {bonds:.3g} times as stiff as they are in every molecule: forces are not in eV/Å"
            f"{_guess(1 / bonds, _FORCE_UNITS)}"
        )
        return [Finding("warning", "force-unit", message)]
    if correlation > _FORCES_FOLLOW and stiffness > _STIFFEST:
        message = f"atoms are held by {stiffness:.3g} eV/Å^2, more than in any solid: forces are not in eV/Å"
        return [Finding("warning", "force-unit", message)]
    return []


def _energies(evidence: _Evidence) -> list[Finding]:
    findings = []
    if evidence.total not in (None, "eV"):
        message = f"energies have the size of total energies in {evidence.total}: convert them to eV"
        findings.append(Finding("warning", "energy-unit", message))
    work, bonds = evidence.work, evidence.bonds
    others_right = evidence.forces_absolute or work.both_off
    candidates = _ENERGY_UNITS if others_right else _ENERGY_UNITS | _FORCE_UNITS
    if work.forces.off:
        candidates = _FORCE_UNITS if work.stress.right else candidates
        message = (
            f"energy differences are {work.forces.value:.3g} times the work of the forces between neighbouring frames, "
            f"they should be equal: units are mixed{_guess(work.forces.value, candidates, 1.5)}"
        )
        return [*findings, Finding("warning", "mixed-units", message)]
    if work.stress.off and evidence.stress_absolute:
        message = (
            f"energy differences under strain are {work.stress.value:.3g} times the work of the stress, they should be "
            f"equal: units are mixed{_guess(work.stress.value, _ENERGY_UNITS, 1.5)}"
        )
        return [*findings, Finding("warning", "mixed-units", message)]
    ratio = bonds.energy
    significant = ratio > 3 * bonds.energy_error
    if significant and not work.forces.right and not _within(ratio, 1 / _ENERGY_OFF, _ENERGY_OFF):
        message = (
            f"total energies vary {ratio:.3g} times as much as the energy in the bonds to hydrogen, by the forces: units "
            f"are mixed{_guess(ratio, candidates, 2.0)}"
        )
        findings.append(Finding("warning", "mixed-units", message))
    return findings


def _stresses(evidence: _Evidence) -> list[Finding]:
    stress, (modulus, correlation) = evidence.work.stress, evidence.modulus
    follows = abs(correlation) > max(_STRESS_FOLLOWS, _BY_CHANCE / np.sqrt(6 * max(evidence.frames - 1, 1)))
    if stress.negative or (follows and modulus < 0 and not stress.right):
        message = (
            "the energy or the tension falls where the stress says it must rise: the stress has the wrong sign "
            "(compression positive instead of tension positive), negate it"
        )
        return [Finding("error", "stress-sign", message)]
    if stress.off and not evidence.work.both_off and not evidence.stress_absolute:
        message = (
            f"energy differences under strain are {stress.value:.3g} times the work of the stress, they should be equal: "
            f"the stress is not in eV/Å^3{_guess(stress.value, _STRESS_UNITS)}"
        )
        return [Finding("warning", "stress-unit", message)]
    if follows and not stress.right and not _within(modulus, *_MODULI):
        message = (
            f"the stress follows the strain by a modulus of {modulus:.3g} eV/Å^3 ({160.2177 * modulus:.3g} GPa), as of no "
            "material: the stress is not in eV/Å^3 (perhaps GPa, kbar or bar)"
        )
        return [Finding("warning", "stress-unit", message)]
    return []


def _unchecked(evidence: _Evidence, has: dict[str, bool], topics: set[str]) -> list[Finding]:
    """Notes about labels of which nothing is known: neither right nor wrong."""
    findings, work = [], evidence.work
    # Energies and forces that agree may both be in another unit; one of them must be known by itself.
    by_stress = work.stress.right and evidence.stress_absolute
    absolute = evidence.forces_absolute or evidence.total is not None or by_stress
    wrong = bool(topics & {"force-sign", "force-unit", "mixed-units", "energy-unit"})
    related = work.forces.right or evidence.energy_by_bonds
    if has["forces"] and not wrong and not (evidence.forces_absolute or (related and absolute)):
        findings.append(Finding("note", "force-unchecked", _WHY_FORCES if not related else _WHY_BOTH))
    if has["energy"] and not wrong and not (evidence.total is not None or by_stress or (related and absolute)):
        findings.append(Finding("note", "energy-unchecked", _WHY_ENERGIES if not related else _WHY_BOTH))
    stress_known = evidence.stress_absolute or (work.stress.right and not work.both_off)
    if has["stress"] and not stress_known and not topics & {"stress-sign", "stress-unit"}:
        findings.append(Finding("note", "stress-unchecked", _WHY_STRESS))
    return findings


_WHY_FORCES = (
    "sign and unit of the forces cannot be checked, because no frames are similar enough to compare energies and no bonds "
    "to hydrogen vibrate; they are taken as eV/Å, −dE/dx"
)
_WHY_ENERGIES = (
    "the unit of the energies cannot be checked against forces or atoms; they are taken as total energies in eV"
)
_WHY_BOTH = "energies and forces agree with each other, but that they are in eV and eV/Å cannot be checked"
_WHY_STRESS = (
    "sign and unit of the stress cannot be checked, because no similar frames differ by strain; it is taken as eV/Å^3, "
    "tension positive"
)


def _within(value: float, low: float, high: float) -> bool:
    return bool(low < value < high)


def _guess(ratio: float, candidates: dict[str, float], tolerance: float = 1.4) -> str:
    """A hint when the ratio is near that of a known mistake, the nearest first."""
    distances = {name: abs(np.log(ratio / value)) for name, value in candidates.items()} if ratio > 0 else {}
    fitting = sorted((name for name, d in distances.items() if d < np.log(tolerance)), key=distances.__getitem__)
    return f" (perhaps {' or '.join(fitting)})" if fitting else ""
