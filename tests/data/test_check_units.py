"""Units and signs in small sets: each mistake is found, or a note says that the label cannot be checked."""

import dataclasses

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from mdfit.data import Dataset, LabelledStructure
from mdfit.data.total_energies import total_energy
from mdfit.structure import Structure

HARTREE, BOHR = 27.211386, 0.529177
MISTAKES = {
    "flipped forces": (1, -1, 1),
    "energies in Hartree": (1 / HARTREE, 1, 1),
    "energies in Rydberg": (2 / HARTREE, 1, 1),
    "energies in kcal/mol": (23.0605, 1, 1),
    "energies in kJ/mol": (96.485, 1, 1),
    "forces in Hartree/bohr": (1, BOHR / HARTREE, 1),
    "forces in kcal/mol/Å": (1, 23.0605, 1),
    "energies and forces in Hartree and bohr": (1 / HARTREE, BOHR / HARTREE, 1),
    "energies and forces in kcal/mol": (23.0605, 23.0605, 1),
    "stress in GPa": (1, 1, 160.2177),
    "stress in kbar": (1, 1, 1602.177),
    "flipped stress": (1, 1, -1),
}
#: What may tell a mistake: of forces and energies, and of stresses.
ABOUT = {
    True: {"stress-sign", "stress-unit", "stress-magnitude", "stress-unchecked"},
    False: {
        "force-sign",
        "force-unit",
        "force-magnitude",
        "mixed-units",
        "energy-unit",
        "force-unchecked",
        "energy-unchecked",
    },
}


def changed(dataset: Dataset, energy: float, forces: float, stress: float) -> Dataset:
    return Dataset(
        tuple(
            dataclasses.replace(
                frame,
                energy=None if frame.energy is None else frame.energy * energy,
                forces=None if frame.forces is None else frame.forces * forces,
                stress=None if frame.stress is None else frame.stress * stress,
            )
            for frame in dataset
        )
    )


def crystals(element: str = "Cu", strain: float = 0.02, rattle: float = 0.1, count: int = 20, seed: int = 0) -> Dataset:
    """Small cells, each with a strain of its own, as of a set for fitting."""
    generator, frames = np.random.default_rng(seed), []
    for _ in range(count):
        atoms = bulk(element, cubic=True)
        deformation = generator.normal(size=(3, 3)) * strain
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + (deformation + deformation.T) / 2), scale_atoms=True)
        atoms.positions += generator.normal(size=(len(atoms), 3)) * rattle
        atoms.calc = EMT()
        frames.append(
            LabelledStructure(
                Structure.from_ase(atoms),
                energy=atoms.get_potential_energy(),
                forces=atoms.get_forces(),
                stress=atoms.get_stress(voigt=False),
            )
        )
    return Dataset(tuple(frames))


def molecules(count: int = 40, offset: float = 0.0, rigid: bool = False) -> Dataset:
    """Methane at 300 K in a field of springs between all atoms, C–H as stiff as they are."""
    generator, frames = np.random.default_rng(1), []
    start = molecule("CH4")
    first, second = np.triu_indices(5, 1)
    lengths = start.get_all_distances()[first, second]
    stiffness = np.where(first == 0, 30.0, 4.0)
    for _ in range(count):
        atoms = start.copy()
        if not rigid:
            atoms.positions += generator.normal(size=(5, 3)) * 0.03
        vectors = atoms.positions[second] - atoms.positions[first]
        distances = np.linalg.norm(vectors, axis=1)
        pulls = (stiffness * (distances - lengths) / distances)[:, None] * vectors
        forces = np.zeros((5, 3))
        np.add.at(forces, first, pulls)
        np.add.at(forces, second, -pulls)
        atoms.rotate(360 * generator.random(), generator.normal(size=3))
        # The same turn for the forces: the positions of a rigid frame tell it.
        energy = float(np.sum(0.5 * stiffness * (distances - lengths) ** 2)) + offset
        frames.append((atoms, forces, energy, vectors))
    return Dataset(
        tuple(LabelledStructure(Structure.from_ase(a), e, _turned(f, v, a, first, second)) for a, f, e, v in frames)
    )


def _turned(forces, vectors, atoms, first, second):
    """Forces in the orientation of the rotated molecule."""
    after = atoms.positions[second] - atoms.positions[first]
    rotation = np.linalg.lstsq(vectors, after, rcond=None)[0]
    return forces @ rotation


def topics(dataset: Dataset, *severities: str) -> set[str]:
    return {finding.topic for finding in dataset.check().findings if finding.severity in severities}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("element", ["Cu", "Al"])
def test_every_mistake_in_a_small_strained_set_is_found_or_noted(element: str, mistake: str) -> None:
    factors = MISTAKES[mistake]
    found = topics(changed(crystals(element), *factors), "error", "warning", "note")
    assert found & ABOUT[factors[2] != 1], mistake


@pytest.mark.parametrize("mistake", [name for name in MISTAKES if not name.startswith("energies and")])
def test_single_mistakes_in_a_small_strained_set_are_more_than_notes(mistake: str) -> None:
    factors = MISTAKES[mistake]
    assert topics(changed(crystals(), *factors), "error", "warning") & ABOUT[factors[2] != 1], mistake


@pytest.mark.parametrize("element", ["Cu", "Al", "Ni", "Ag"])
@pytest.mark.parametrize("seed", range(3))
def test_good_small_sets_have_no_warnings(element: str, seed: int) -> None:
    assert not topics(crystals(element, seed=seed), "error", "warning")


def test_energies_under_strain_without_displacements_are_compared_with_the_stress() -> None:
    strained = crystals(rattle=0.0)
    assert not topics(strained, "error", "warning")
    wrong = changed(strained, 1 / HARTREE, 1, 1).check().warnings
    assert [finding.topic for finding in wrong] == ["mixed-units"]
    assert "energies in Hartree" in wrong[0].message


@pytest.mark.parametrize("mistake", [name for name in MISTAKES if "stress" not in name])
@pytest.mark.parametrize("offset", [0.0, -1101.0])
def test_mistakes_in_molecules_are_found(offset: float, mistake: str) -> None:
    good = molecules(offset=offset)
    assert not topics(good, "error", "warning")
    assert topics(changed(good, *MISTAKES[mistake]), "warning") & ABOUT[False], mistake


def test_total_energies_tell_their_unit() -> None:
    """Without forces, by their size: hydrogen to argon within the limits that the check takes."""
    exact = {1: -0.5, 6: -37.845, 8: -75.067, 9: -99.734, 14: -289.36, 17: -460.15, 18: -527.54}  # hartree
    for number, energy in exact.items():
        assert total_energy(number) == pytest.approx(energy, rel=0.01)
    structures = [frame.structure for frame in molecules(5)]
    energies = [-40.5 - 0.01 * number for number in range(5)]  # methane, hartree
    for unit, size in {"Hartree": 1.0, "Rydberg": 2.0, "kcal/mol": 627.5}.items():
        frames = tuple(LabelledStructure(s, size * e) for s, e in zip(structures, energies, strict=True))
        found = [finding for finding in Dataset(frames).check().warnings if finding.topic == "energy-unit"]
        assert len(found) == 1
        assert f"in {unit}:" in found[0].message
    in_electronvolts = Dataset(
        tuple(LabelledStructure(s, HARTREE * e) for s, e in zip(structures, energies, strict=True))
    )
    assert not topics(in_electronvolts, "error", "note") & ABOUT[False]


def test_what_cannot_be_judged_is_noted() -> None:
    assert {"force-unchecked", "energy-unchecked", "stress-unchecked"} <= topics(crystals(count=2), "note")
    assert {"force-unchecked", "energy-unchecked"} <= topics(molecules(rigid=True, offset=5.0), "note")
