"""Checks of data sets: silent on good data, and each mistake is found when it is made."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from mdfit.data import Dataset, LabelledStructure, read
from mdfit.errors import DataError, UnitError
from mdfit.structure import Structure

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def silicon() -> Dataset:
    return read(RECIPES / "silicon_dft/data/Si_train.extxyz")


@pytest.fixture(scope="module")
def three_bpa() -> Dataset:
    return read(RECIPES / "three_bpa/data/3bpa_train_300K.extxyz.gz")


def changed(dataset: Dataset, change: Callable[[LabelledStructure], dict[str, object]]) -> Dataset:
    return Dataset(tuple(dataclasses.replace(frame, **change(frame)) for frame in dataset))  # type: ignore[arg-type]


def topics(dataset: Dataset, severity: str = "") -> set[str]:
    return {finding.topic for finding in dataset.check().findings if severity in finding.severity}


def labelled(atoms: Atoms) -> LabelledStructure:
    atoms.calc = EMT()
    stress = atoms.get_stress(voigt=False) if atoms.pbc.all() else None
    return LabelledStructure(
        Structure.from_ase(atoms), energy=atoms.get_potential_energy(), forces=atoms.get_forces(), stress=stress
    )


def crystals(count: int = 12) -> Dataset:
    frames = []
    for seed in range(count):
        atoms = bulk("Cu", cubic=True).repeat((2, 2, 2))
        atoms.rattle(0.05, seed=seed)
        frames.append(labelled(atoms))
    return Dataset(tuple(frames))


def test_good_data_have_neither_errors_nor_warnings(silicon: Dataset, three_bpa: Dataset) -> None:
    for dataset in (silicon, three_bpa, crystals()):
        report = dataset.check("5 Å")
        assert not report.errors, str(report)
        assert not report.warnings, str(report)


def test_summary_counts(silicon: Dataset) -> None:
    report = silicon.check()
    assert (report.frames, report.atoms, report.elements) == (214, 13233, {"Si": 13233})
    assert report.missing == {"energy": 0, "forces": 0, "stress": 12}
    text = str(report)
    assert "214 frames" in text
    assert "energy per atom" in text
    assert json.loads(json.dumps(report.to_dict()))["frames"] == 214


def test_flipped_stress_is_an_error(silicon: Dataset) -> None:
    flipped = changed(silicon, lambda f: {"stress": None if f.stress is None else -f.stress})
    assert topics(flipped, "error") == {"stress-sign"}


@pytest.mark.parametrize(("factor", "unit"), [(160.2177, "GPa"), (1602.177, "kbar")])
def test_stress_in_other_units_is_suspected(silicon: Dataset, factor: float, unit: str) -> None:
    wrong = changed(silicon, lambda f: {"stress": None if f.stress is None else factor * f.stress})
    found = [finding for finding in wrong.check().warnings if finding.topic == "stress-unit"]
    assert len(found) == 1
    assert f"perhaps {unit}" in found[0].message


@pytest.mark.parametrize(("factor", "unit"), [(1 / 27.2114, "Hartree"), (23.0605, "kcal/mol")])
def test_energies_in_other_units_are_suspected(silicon: Dataset, three_bpa: Dataset, factor: float, unit: str) -> None:
    for dataset in (silicon, three_bpa):
        wrong = changed(dataset, lambda f: {"energy": factor * f.energy})  # type: ignore[operator]
        found = [finding for finding in wrong.check().warnings if finding.topic == "mixed-units"]
        assert len(found) == 1
        assert unit in found[0].message


def test_gradients_instead_of_forces_are_suspected(silicon: Dataset) -> None:
    wrong = changed(silicon, lambda f: {"forces": -f.forces})  # type: ignore[operator]
    assert "force-sign" in topics(wrong, "warning")


def test_rotated_frames_of_one_crystal_do_no_work() -> None:
    """The strain between a frame and its rotated, strained copy must be that of the strain alone."""
    frames = []
    for seed, stretch in enumerate(np.linspace(0.96, 1.04, 8)):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell.array * [stretch, 1.0, 1.0], scale_atoms=True)
        atoms.rotate(40 * seed, (1, 2, 3), rotate_cell=True)
        frames.append(labelled(atoms))
    dataset = Dataset(tuple(frames))
    assert not {"stress-sign", "stress-unit", "stress-unchecked"} & topics(dataset)
    assert "stress-sign" in topics(changed(dataset, lambda f: {"stress": -f.stress}), "error")  # type: ignore[operator]


def test_net_force_is_found() -> None:
    dataset = changed(crystals(), lambda f: {"forces": f.forces + np.array([0.2, 0, 0])})  # type: ignore[operator]
    assert "net-force" in topics(dataset, "warning")


def test_duplicates_and_contradictions_are_found() -> None:
    dataset = crystals(3)
    other = dataclasses.replace(dataset[1], energy=dataset[1].energy + 1.0)  # type: ignore[operator]
    report = Dataset((*dataset.frames, dataset[0], other)).check()
    found = {finding.topic: finding.frames for finding in report.warnings}
    assert found["duplicates"] == (3,)
    assert found["contradicting-labels"] == (4,)


def test_overlapping_atoms_are_an_error_also_across_the_boundary() -> None:
    atoms = Atoms("Si2", positions=[[0.1, 0, 0], [5.8, 0, 0]], cell=[6, 6, 6], pbc=True)
    bad = LabelledStructure(Structure.from_ase(atoms), energy=1.0, forces=np.zeros((2, 3)))
    report = Dataset((*crystals(2).frames, bad)).check()
    assert [(finding.topic, finding.frames) for finding in report.errors] == [("overlapping-atoms", (2,))]
    assert "0.3 Å apart" in report.errors[0].message
    water = LabelledStructure(Structure.from_ase(molecule("H2O")), energy=1.0)
    assert not Dataset((water,)).check().errors


def test_isolated_atoms_depend_on_the_cutoff() -> None:
    pair = LabelledStructure(Structure.from_ase(Atoms("Ar2", positions=[[0, 0, 0], [5.5, 0, 0]])), energy=1.0)
    single = LabelledStructure(Structure.from_ase(Atoms("Ar")), energy=1.0)
    dataset = Dataset((pair, single))
    found = {finding.topic: finding.frames for finding in dataset.check("5 Å").findings}
    assert found["isolated-atoms"] == (0,)
    assert found["single-atoms"] == (1,)
    assert "isolated-atoms" not in {finding.topic for finding in dataset.check("6 Å").findings}


def test_small_cells_are_noted() -> None:
    sheared = Atoms("Cu", cell=[[4, 0, 0], [3.9, 1.5, 0], [0, 0, 40]], pbc=True)  # 1.5 Å thin, though its edges are 4 Å
    dataset = Dataset((LabelledStructure(Structure.from_ase(sheared), energy=1.0), *crystals(1).frames))
    found = {finding.topic: finding.frames for finding in dataset.check("4 Å").notes}
    assert found["cell-below-cutoff"] == (0,)
    assert found["cell-below-twice-cutoff"] == (1,)


def test_outliers_are_found() -> None:
    frames = list(crystals().frames)
    frames[4] = dataclasses.replace(frames[4], energy=frames[4].energy + 500.0)  # type: ignore[operator]
    frames[7] = dataclasses.replace(frames[7], forces=frames[7].forces * 100)  # type: ignore[operator]
    found = {finding.topic: finding.frames for finding in Dataset(tuple(frames)).check().warnings}
    assert found["energy-outliers"] == (4,)
    assert found["force-outliers"] == (7,)


def test_positions_in_bohr_are_suspected(silicon: Dataset) -> None:
    def in_bohr(frame: LabelledStructure) -> dict[str, object]:
        old = frame.structure
        return {"structure": old.replace(positions=old.positions * 1.8897, cell=old.cell * 1.8897)}

    assert "length-unit" in topics(changed(silicon.select(range(100, 110)), in_bohr), "warning")


def test_impossible_cutoffs_are_refused() -> None:
    with pytest.raises(UnitError, match="a length"):
        crystals(1).check("5 fs")
    with pytest.raises(DataError, match="positive length"):
        crystals(1).check(-1)
