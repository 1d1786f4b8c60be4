"""Reading labelled structures: keys, missing labels, conventions, bad files."""

import gzip
import time
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from mdfit.data import LabelKeys, read
from mdfit.errors import DataError, StructureError

RECIPES = Path(__file__).parents[2] / "recipes"
SILICON = RECIPES / "silicon_dft/data/Si_train.extxyz"


def write(path: Path, comment: str, properties: str = "species:S:1:pos:R:3", row: str = "0 0 0") -> Path:
    path.write_text(f'1\nLattice="3 0 0 0 3 0 0 0 3" Properties={properties} {comment}\nSi {row}\n')
    return path


def test_silicon_is_read_with_all_labels() -> None:
    dataset = read(SILICON)
    assert len(dataset) == 214
    assert dataset.keys == LabelKeys("energy", "forces", "stress", None, ("virial",))
    assert sum(frame.stress is None for frame in dataset) == 12
    assert dataset.group_names("group") == ("AIMD-NVT", "Elastic", "Surface", "Vacancy")
    assert dataset.force_rms() == pytest.approx(0.8736, abs=1e-4)


def test_declared_virial_gives_the_stress_of_the_file() -> None:
    by_stress, by_virial = read(SILICON), read(SILICON, virial_key="virial")
    for first, second in zip(by_stress, by_virial, strict=True):
        if first.stress is None:
            assert second.stress is None
        else:
            np.testing.assert_allclose(second.stress, first.stress, atol=1e-9)


def test_gzipped_molecules_are_read_in_seconds() -> None:
    start = time.perf_counter()
    dataset = read(RECIPES / "three_bpa/data/3bpa_test_300K.extxyz.gz")
    assert time.perf_counter() - start < 10
    assert len(dataset) == 1669
    assert dataset.species == (1, 6, 7, 8)


def test_isolated_atoms_give_their_own_reference_energies() -> None:
    references = read(RECIPES / "three_bpa/data/3bpa_isolated_atoms.extxyz.gz").reference_energies()
    assert references[1] == pytest.approx(-13.587222780835477)
    assert references[8] == pytest.approx(-2041.9816003861047)


def test_stress_of_an_ase_calculator_is_the_strain_derivative_of_the_energy(tmp_path: Path) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=0)
    atoms.calc = EMT()
    atoms.get_stress()
    ase.io.write(tmp_path / "cu.extxyz", atoms)
    frame = read(tmp_path / "cu.extxyz")[0]
    step = np.zeros((3, 3))
    step[0, 1] = step[1, 0] = 0.5e-5
    energies = []
    for sign in (1, -1):
        strained = atoms.copy()
        strained.set_cell(atoms.cell.array @ (np.eye(3) + sign * step), scale_atoms=True)
        strained.calc = EMT()
        energies.append(strained.get_potential_energy())
    assert frame.stress is not None
    assert (energies[0] - energies[1]) / 2e-5 / atoms.get_volume() == pytest.approx(frame.stress[0, 1], rel=1e-4)


@pytest.mark.parametrize("name", ["energy", "REF_energy", "dft_energy", "free_energy", "Energy"])
def test_usual_energy_names_are_recognised(tmp_path: Path, name: str) -> None:
    dataset = read(write(tmp_path / "a.xyz", f"{name}=-1.5"))
    assert dataset[0].energy == -1.5
    assert dataset.keys.energy == name


@pytest.mark.parametrize("name", ["forces", "force", "REF_forces"])
def test_usual_force_names_are_recognised(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.xyz", "", f"species:S:1:pos:R:3:{name}:R:3", "0 0 0 1 2 3")
    np.testing.assert_array_equal(read(path)[0].forces, [[1, 2, 3]])


def test_ase_results_are_preferred_and_declared_keys_win(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xyz", "REF_energy=-2 energy=-1")
    assert read(path)[0].energy == -1
    assert read(path).keys.unused == ("REF_energy",)
    assert read(path, energy_key="REF_energy")[0].energy == -2


def test_six_stress_components_are_in_the_order_of_voigt(tmp_path: Path) -> None:
    stress = read(write(tmp_path / "a.xyz", 'energy=1 REF_stress="1 2 3 4 5 6"'))[0].stress
    np.testing.assert_array_equal(stress, [[1, 6, 5], [6, 2, 4], [5, 4, 3]])


def test_labels_are_optional_per_frame(tmp_path: Path) -> None:
    first = write(tmp_path / "a.xyz", "energy=1").read_text()
    second = write(tmp_path / "b.xyz", "", "species:S:1:pos:R:3:forces:R:3", "0 0 0 1 2 3").read_text()
    (tmp_path / "both.xyz").write_text(first + second)
    dataset = read(tmp_path / "both.xyz")
    assert [frame.energy for frame in dataset] == [1.0, None]
    assert dataset[0].forces is None
    assert dataset[1].forces is not None


def test_stress_without_three_periodic_directions_is_ignored_and_counted(tmp_path: Path) -> None:
    dataset = read(write(tmp_path / "a.xyz", 'energy=1 pbc="T T F" stress="1 0 0 0 1 0 0 0 1"'))
    assert dataset[0].stress is None
    assert dataset.ignored_stress == (0,)


@pytest.mark.parametrize(
    ("comment", "options", "words"),
    [
        ("", {}, "neither energies nor forces"),
        ("REF_energy=1", {"energy_key": "ref_enrgy"}, r"no 'ref_enrgy'.*energy key.*did you mean 'REF_energy'"),
        ("energy=1", {"forces_key": "forces"}, "no 'forces' in any frame"),
        ("energy=nan", {}, r"frame 0: the label 'energy' is not finite"),
        ("energy=high", {}, "'high', which is no number"),
        ('energy=1 stress="nan 0 0 0 1 0 0 0 1"', {}, "frame 0: the label 'stress' is not finite"),
        ('energy=1 REF_stress="1 2"', {}, "9 or 6 numbers"),
        ('energy=1 REF_stress="1 2 0 -2 1 0 0 0 1"', {}, "not symmetric"),
        ('REF_energy="1 2"', {}, "an energy is one number"),
        (
            'energy=1 stress="1 0 0 0 1 0 0 0 1" virial="1 0 0 0 1 0 0 0 1"',
            {"stress_key": "stress", "virial_key": "virial"},
            "both",
        ),
    ],
)
def test_bad_labels_give_one_clear_error(tmp_path: Path, comment: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(write(tmp_path / "a.xyz", comment), **options)


def test_nan_forces_name_the_frame_and_the_atom(tmp_path: Path) -> None:
    good = write(tmp_path / "a.xyz", "", "species:S:1:pos:R:3:forces:R:3", "0 0 0 1 2 3").read_text()
    (tmp_path / "a.xyz").write_text(good + good.replace("1 2 3", "1 nan 3"))
    with pytest.raises(DataError, match=r"a.xyz, frame 1: the label 'forces' is not finite at \[0, 1\]"):
        read(tmp_path / "a.xyz")


def test_bad_structures_name_file_and_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xyz", "energy=1")
    path.write_text(path.read_text().replace("0 3 0 0 0 3", "0 3 0 3 3 0"))
    with pytest.raises(StructureError, match=r"a.xyz, frame 0: .*zero volume"):
        read(path)


def test_missing_and_truncated_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "no.extxyz")
    content = gzip.compress(write(tmp_path / "a.xyz", "energy=1").read_bytes() * 500)
    (tmp_path / "cut.xyz.gz").write_bytes(content[:-20])
    with pytest.raises(DataError, match=r"cut\.xyz\.gz cannot be read"):
        read(tmp_path / "cut.xyz.gz")
