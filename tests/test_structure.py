"""Structures: validation, cells, and reading through ASE."""

import gzip
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.geometry import get_distances

from mdfit.errors import DataError, StructureError
from mdfit.structure import Structure, read_atoms, read_structure


def simple(**changes: object) -> Structure:
    fields: dict[str, object] = {
        "species": [14, 14],
        "positions": [[0.0, 0.0, 0.0], [1.0, 1.5, 2.0]],
        "cell": np.diag([4.0, 5.0, 6.0]),
        "periodic": [True] * 3,
        "masses": [28.085, 28.085],
    }
    return Structure(**{**fields, **changes})  # type: ignore[arg-type]


def test_round_trip_through_ase_keeps_everything() -> None:
    atoms = ase.build.bulk("NaCl", "rocksalt", a=5.64)
    atoms.pbc = [True, True, False]
    atoms.set_velocities([[0.1, 0.2, 0.3], [-0.3, 0.0, 0.5]])
    structure = Structure.from_ase(atoms)
    back = structure.to_ase()
    assert (structure.species.dtype, structure.positions.dtype) == (np.int32, np.float64)
    np.testing.assert_array_equal(back.numbers, atoms.numbers)
    np.testing.assert_array_equal(back.positions, atoms.positions)
    np.testing.assert_array_equal(back.pbc, atoms.pbc)
    np.testing.assert_allclose(back.get_velocities(), atoms.get_velocities(), rtol=1e-14)
    assert structure.volume == pytest.approx(atoms.get_volume(), rel=1e-14)
    assert structure.number_of_atoms == 2


def test_structure_without_velocities_has_none_and_arrays_are_read_only() -> None:
    structure = Structure.from_ase(ase.build.molecule("H2O"))
    assert structure.velocities is None
    assert structure.volume == float("inf")
    with pytest.raises(ValueError, match="read-only"):
        structure.positions[0, 0] = 1.0


def test_left_handed_cell_becomes_right_handed_with_the_same_distances() -> None:
    atoms = ase.build.bulk("Si", "diamond", a=5.43, cubic=True)
    atoms.rattle(0.1, seed=1)
    left = atoms.copy()
    left.set_cell(atoms.cell.array[[1, 0, 2]])
    assert np.linalg.det(left.cell.array) < 0
    structure = Structure.from_ase(left)
    assert np.linalg.det(structure.cell) > 0
    assert structure.volume == pytest.approx(atoms.get_volume())
    converted = structure.to_ase()
    np.testing.assert_array_equal(converted.positions, atoms.positions)
    expected = get_distances(atoms.positions, cell=atoms.cell, pbc=True)[1]
    np.testing.assert_allclose(get_distances(converted.positions, cell=converted.cell, pbc=True)[1], expected)


def test_repeat_agrees_with_ase() -> None:
    atoms = ase.build.bulk("Si", "diamond", a=5.43)
    atoms.set_velocities([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    structure = Structure.from_ase(atoms).repeat((2, 1, 3))
    expected = atoms.repeat((2, 1, 3))
    np.testing.assert_allclose(structure.positions, expected.positions, atol=1e-12)
    np.testing.assert_allclose(structure.cell, expected.cell.array)
    np.testing.assert_allclose(structure.velocities, expected.get_velocities())


@pytest.mark.parametrize("times", [(0, 1, 1), (1, 1), (1.5, 1, 1)])
def test_impossible_repetitions_are_refused(times: tuple[int, int, int]) -> None:
    with pytest.raises(StructureError, match="repeat got"):
        simple().repeat(times)


def test_repeat_along_a_missing_cell_vector_is_refused() -> None:
    with pytest.raises(StructureError, match="no cell vector 3"):
        simple(cell=np.diag([4.0, 5.0, 0.0]), periodic=[True, True, False]).repeat((1, 1, 2))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"positions": [[0.0, 0.0, np.nan], [1, 1, 1]]}, "positions.*not finite"),
        ({"velocities": [[0.0, 0.0, np.inf], [1, 1, 1]]}, "velocities.*not finite"),
        ({"positions": [[0.0, 0.0], [1, 1]]}, "positions has shape"),
        ({"masses": [1.0]}, "masses has shape"),
        ({"masses": [1.0, 0.0]}, "Atom 1 has mass 0.0"),
        ({"species": [0, 14]}, "atomic number 0"),
        ({"species": [14.5, 14]}, "species must be whole numbers"),
        ({"species": [np.nan, 14]}, "species must be whole numbers"),
        ({"species": [2**40, 14]}, "species must be whole numbers"),
        ({"species": [14, 119]}, "atomic number 119"),
        ({"positions": "abc"}, "cannot be read"),
        ({"cell": np.diag([4.0, 5.0, 0.0])}, "periodic along cell vector 3, which is zero"),
        ({"cell": [[4.0, 0, 0], [0, 4, 0], [4, 4, 0]]}, "zero volume"),
        ({"cell": [[4.0, 0, 0], [8, 0, 0], [0, 0, 0]], "periodic": [True, True, False]}, "zero volume"),
    ],
)
def test_unphysical_structures_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(StructureError, match=words):
        simple(**changes)


def test_replace_validates_again() -> None:
    assert simple().replace(periodic=[True, False, False]).periodic.tolist() == [True, False, False]
    with pytest.raises(StructureError, match="not finite"):
        simple().replace(positions=np.full((2, 3), np.nan))


@pytest.mark.parametrize("name", ["frames.xyz", "frames.extxyz", "frames.xyz.gz", "frames.traj", "frames.vasp"])
def test_reading_takes_the_last_frame_of_any_format(tmp_path: Path, name: str) -> None:
    frames = [ase.build.bulk("Si", "diamond", a=a) for a in (5.3, 5.4)]
    path = tmp_path / name
    if name.endswith(".gz"):
        ase.io.write(tmp_path / "plain.xyz", frames, format="extxyz")
        path.write_bytes(gzip.compress((tmp_path / "plain.xyz").read_bytes()))
    elif name.endswith(".vasp"):
        ase.io.write(path, frames[-1])
    else:
        ase.io.write(path, frames)
    structure = read_structure(path)
    assert structure.volume == pytest.approx(5.4**3 / 4, rel=1e-6)
    if not name.endswith(".vasp"):
        assert read_structure(path, index=0).volume == pytest.approx(5.3**3 / 4, rel=1e-6)
        assert len(read_atoms(path)) == 2


def test_files_that_cannot_be_read_give_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_structure(tmp_path / "missing.xyz")
    with pytest.raises(DataError, match="is a directory"):
        read_structure(tmp_path)
    (tmp_path / "short.xyz").write_text("5\nProperties=species:S:1:pos:R:3\nSi 0 0 0\n")
    with pytest.raises(DataError, match=r"short.xyz, frame 0 \(line 1\): it has 1 of 5 atoms"):
        read_structure(tmp_path / "short.xyz")
    (tmp_path / "empty.xyz").write_text("")
    with pytest.raises(DataError, match=r"empty\.xyz"):
        read_atoms(tmp_path / "empty.xyz")
    content = gzip.compress(b"1\nProperties=species:S:1:pos:R:3\nSi 0 0 0\n" * 100)
    (tmp_path / "cut.xyz.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"cut.xyz.gz cannot be read: .*end too early"):
        read_atoms(tmp_path / "cut.xyz.gz")
    ase.io.write(tmp_path / "one.xyz", Atoms("H"), format="extxyz")
    with pytest.raises(DataError, match=r"one\.xyz"):
        read_structure(tmp_path / "one.xyz", index=3)


def test_invalid_frame_names_file_and_frame(tmp_path: Path) -> None:
    (tmp_path / "bad.xyz").write_text("1\nProperties=species:S:1:pos:R:3\nSi 0 0 nan\n")
    with pytest.raises(StructureError, match=r"bad.xyz, last frame: positions.*not finite"):
        read_structure(tmp_path / "bad.xyz")


def test_no_frozen_atoms_are_none() -> None:
    assert simple(frozen=[False, False]).frozen is None
    assert simple(frozen=[False, True]).number_frozen == 1
    with pytest.raises(StructureError, match="frozen has shape"):
        simple(frozen=[True])
