"""Labelled files as people have them: blank lines, encodings, compression, labels of atoms, names, placeholders."""

import bz2
import gzip
import logging
import lzma
import os
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from mdfit.data import Dataset, LabelledStructure, read
from mdfit.errors import DataError
from mdfit.structure import Structure, read_structure

FRAMES = 6


def frame(number: int, names: str = "energy={energy}", columns: str = ":forces:R:3", species: str = "Cu") -> str:
    rows = "".join(f"{species} {atom + 0.01 * number:.3f} 0.0 0.0 0.1 0.0 {atom - 0.5:.1f}\n" for atom in range(2))
    comment = names.format(energy=-7.0 - 0.1 * number)
    return f'2\nLattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3{columns} {comment}\n{rows}'


def text(**options: str) -> str:
    return "".join(frame(number, **options) for number in range(FRAMES))


def energies(path: Path, **options: str) -> list[float | None]:
    return [found.energy for found in read(path, **options)]


EXPECTED = [pytest.approx(-7.0 - 0.1 * number) for number in range(FRAMES)]


@pytest.mark.parametrize("blank", ["\n", "  \t \n", "\n\n\n"])
def test_blank_lines_between_frames_lose_nothing(tmp_path: Path, blank: str) -> None:
    path = tmp_path / "a.extxyz"
    path.write_text(blank + "".join(frame(number) + blank * (number % 2) for number in range(FRAMES)) + blank)
    assert energies(path) == EXPECTED
    assert read_structure(path).positions[0, 0] == pytest.approx(0.05)
    assert read_structure(path, 1).positions[0, 0] == pytest.approx(0.01)
    assert len(read(path, index="1::2")) == 3
    with pytest.raises(DataError, match="holds no frames for index 6"):
        read_structure(path, 6)


def test_a_comment_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("1\n\nSi 0 0 0\n1\n\nSi 0 0 1\n")
    assert read_structure(tmp_path / "a.xyz").positions[0, 2] == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Cu 1.020", "\nCu 1.020", r"frame 2 \(line 9\): it has 1 of 2 atoms"),
        ("Cu 1.020 0.0 0.0 0.1 0.0 0.5\n", "", r"frame 2 \(line 9\): it has 1 of 2 atoms"),
        ("Cu 0.020", "-3\nCu 0.020", r"frame 2 .*it has 0 of 2 atoms"),
        (
            "Cu 1.020 0.0 0.0 0.1 0.0 0.5\n",
            "Cu 1.0 0.0 0.0 0.1 0.0 0.5\n-2\n",
            r"frame 3 .*'-2' stands where the number",
        ),
        ("Cu 0.020", "Cu 3.0 0 0 0 0 0\nCu 0.020", r"frame 3 .*stands where the number of atoms of a frame must be"),
    ],
)
def test_damaged_frames_are_errors(tmp_path: Path, old: str, new: str, words: str) -> None:
    (tmp_path / "a.xyz").write_text(text().replace(old, new))
    with pytest.raises(DataError, match=words):
        read(tmp_path / "a.xyz")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_ends_of_lines(tmp_path: Path, encoding: str, end: str) -> None:
    content = text(names="energy={energy} author=Ångström").replace("\n", end)
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    (tmp_path / "a.xyz").write_bytes(mark + content.encode(encoding))
    dataset = read(tmp_path / "a.xyz")
    assert [found.energy for found in dataset] == EXPECTED
    assert dataset[0].info["author"] == "Ångström"


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zst"])
def test_compressed_files(tmp_path: Path, ending: str) -> None:
    def zstandard(content: bytes) -> bytes:
        import zstandard

        return zstandard.ZstdCompressor().compress(content)

    compress = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard}[ending]
    packed = compress(text().encode() * 50)
    (tmp_path / f"a.extxyz.{ending}").write_bytes(packed)
    assert len(read(tmp_path / f"a.extxyz.{ending}")) == 50 * FRAMES
    (tmp_path / f"cut.extxyz.{ending}").write_bytes(packed[:-20])
    with pytest.raises(DataError, match=r"cut\.extxyz.* cannot be read"):
        read(tmp_path / f"cut.extxyz.{ending}")
    (tmp_path / f"two.extxyz.{ending}").write_bytes(packed + packed)
    assert len(read(tmp_path / f"two.extxyz.{ending}")) == 100 * FRAMES
    crystal = tmp_path / "POSCAR.vasp"
    ase.io.write(crystal, bulk("Cu"))
    (tmp_path / f"POSCAR.vasp.{ending}").write_bytes(compress(crystal.read_bytes()))
    assert read_structure(tmp_path / f"POSCAR.vasp.{ending}").species[0] == 29


def test_an_at_sign_belongs_to_the_name(tmp_path: Path) -> None:
    atoms = bulk("Cu")
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((1, 3)))
    for name, count in {"md.traj": 2, "md.traj@1": 5, "run@300K.traj": 3}.items():
        ase.io.write(tmp_path / name, [atoms] * count, format="traj")
        assert len(read(tmp_path / name)) == count
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "md.traj@0")


def test_columns_without_a_name_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.xyz").write_text(text())
    read(tmp_path / "a.xyz")
    assert not caplog.text
    (tmp_path / "a.xyz").write_text(text(columns=""))
    assert read(tmp_path / "a.xyz")[0].forces is None
    assert "rows of 6 frames (first: 0) have more columns than Properties names" in caplog.text


@pytest.mark.parametrize(
    ("label", "number"), [("Cu1", 29), ("CU", 29), ("cu", 29), ("Fe2+", 26), ("O_w", 8), ("H1", 1), ("D", 1), ("T", 1)]
)
def test_labels_of_atoms(tmp_path: Path, label: str, number: int, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.xyz").write_text(text(species=label))
    with caplog.at_level(logging.WARNING):
        dataset = read(tmp_path / "a.xyz")
    assert dataset.species == (number,)
    assert ("are read as elements" in caplog.text) == (label not in ("CU", "cu", "D", "T"))
    if label in "DT":
        assert dataset[3].structure.masses[1] == pytest.approx({"D": 2.014, "T": 3.016}[label], abs=1e-3)


@pytest.mark.parametrize("label", ["X", "Qq", "1", "CA1", "OW"])
def test_labels_that_are_no_elements_are_refused(tmp_path: Path, label: str) -> None:
    (tmp_path / "a.xyz").write_text(text(species=label))
    with pytest.raises(DataError, match=rf"frame 0 .*species '{label}'.* is no element"):
        read(tmp_path / "a.xyz")


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_names_of_the_format_may_be_written_in_any_case(tmp_path: Path, case) -> None:
    """As GPUMD reads and writes them; without its cell a crystal would be a molecule."""
    written = text(names='pbc="T T F" energy={energy}')
    for name in ("Lattice", "Properties", "pbc"):
        written = written.replace(f"{name}=", f"{case(name)}=")
    (tmp_path / "a.xyz").write_text(written)
    found = read(tmp_path / "a.xyz")
    assert [one.energy for one in found] == EXPECTED
    assert found[1].forces is not None
    np.testing.assert_allclose(found[1].structure.cell, 9 * np.eye(3))
    assert found[1].structure.periodic.tolist() == [True, True, False]


@pytest.mark.parametrize("name", ["stress", "virial"])
def test_tensors_of_six_numbers_are_in_the_order_of_voigt(tmp_path: Path, name: str) -> None:
    tensor = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]])
    keys = {"virial_key": "virial"} if name == "virial" else {}
    factor = -1 / 9**3 if name == "virial" else 1.0
    for value in (
        '"1 2 3 4 5 6"',
        '"1 6 5 6 2 4 5 4 3"',
        "[1, 6, 5, 6, 2, 4, 5, 4, 3]",
        "[[1, 6, 5], [6, 2, 4], [5, 4, 3]]",
        '"_JSON [[1, 6, 5], [6, 2, 4], [5, 4, 3]]"',
    ):
        (tmp_path / "a.xyz").write_text(text(names=f"energy={{energy}} {name}={value}"))
        np.testing.assert_allclose(read(tmp_path / "a.xyz", **keys)[2].stress, factor * tensor)
    for numbers, words in {
        "1 2 3": "has 3 numbers",
        "1 2 3 4 5 6 7 8 9": "not symmetric",
        "1 2 3 4 5 x": "no numbers",
    }.items():
        (tmp_path / "a.xyz").write_text(text(names=f'energy={{energy}} {name}="{numbers}"'))
        with pytest.raises(DataError, match=words):
            read(tmp_path / "a.xyz", **keys)


def test_dumps_of_lammps_are_no_labelled_data(tmp_path: Path) -> None:
    lines = ["ITEM: TIMESTEP", "0", "ITEM: NUMBER OF ATOMS", "1", "ITEM: BOX BOUNDS pp pp pp", *["0 5"] * 3]
    (tmp_path / "a.lammpstrj").write_text(
        "\n".join([*lines, "ITEM: ATOMS id type x y z fx fy fz", "1 1 0 0 0 1 0 0", ""])
    )
    with pytest.raises(DataError, match=r"is a dump of LAMMPS, which states no elements, units or energies"):
        read(tmp_path / "a.lammpstrj")
    with pytest.raises(DataError, match=r"is a dump of LAMMPS"):
        read_structure(tmp_path / "a.lammpstrj")


def test_energies_that_are_all_zero_are_placeholders(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(text(names="energy=0.0"))
    dataset = read(tmp_path / "a.xyz")
    assert [found.energy for found in dataset] == [None] * FRAMES
    assert "placeholder-energy" in {finding.topic for finding in dataset.check().warnings}
    assert energies(tmp_path / "a.xyz", energy_key="energy") == [0.0] * FRAMES
    (tmp_path / "b.xyz").write_text(text(names="energy=0.0").replace("energy=0.0", "energy=0.1", 1))
    dataset = read(tmp_path / "b.xyz")
    assert [found.energy for found in dataset] == [0.1] + [None] * (FRAMES - 1)
    assert "exactly 0 in 5 of 6 frames" in dataset.findings[0].message
    # One zero is that of relative energies, unless it is far from all others.
    (tmp_path / "c.xyz").write_text("".join(frame(n, names=f"energy={0.1 * n}") for n in range(FRAMES)))
    assert energies(tmp_path / "c.xyz")[0] == 0.0
    (tmp_path / "d.xyz").write_text(text().replace("energy=-7.2", "energy=0.0"))
    assert energies(tmp_path / "d.xyz")[2] is None


def test_placeholders_do_not_displace_energies_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(text(names="energy=0.0 REF_energy={energy}"))
    dataset = read(tmp_path / "a.xyz")
    assert [found.energy for found in dataset] == EXPECTED
    assert dataset.keys.energy == "REF_energy"


def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xyz")
    for path in (tmp_path / "pipe.xyz", "/dev/zero"):
        with pytest.raises(DataError, match="is a pipe or a device"):
            read(path)


def test_a_flag_is_no_energy(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(text(names="energy=T"))
    with pytest.raises(DataError, match="'energy' is True, which is no number"):
        read(tmp_path / "a.xyz")


def test_one_stray_name_does_not_displace_the_others(tmp_path: Path) -> None:
    content = text(names="REF_energy={energy}", columns=":REF_forces:R:3")
    (tmp_path / "a.xyz").write_text(content.replace("REF_energy=-7.3", "energy=-999.0 REF_energy=-7.3"))
    dataset = read(tmp_path / "a.xyz")
    assert [found.energy for found in dataset] == EXPECTED
    assert dataset.keys.energy == "REF_energy"
    warnings = {finding.topic: finding for finding in dataset.check().warnings}
    assert warnings["conflicting-names"].frames == (3,)
    assert "'REF_energy' is taken" in warnings["conflicting-names"].message
    assert [f.energy for f in read(tmp_path / "a.xyz", energy_key="energy") if f.energy is not None] == [-999.0]


def test_names_that_mix_are_all_used_with_a_warning(tmp_path: Path) -> None:
    parts = [
        frame(number, *(("REF_energy={energy}", ":REF_forces:R:3") if number % 2 else ("energy={energy}",)))
        for number in range(FRAMES)
    ]
    (tmp_path / "a.xyz").write_text("".join(parts))
    dataset = read(tmp_path / "a.xyz")
    assert [found.energy for found in dataset] == EXPECTED
    assert all(found.forces is not None for found in dataset)
    assert (dataset.keys.energy, dataset.keys.others) == ("energy", ("REF_energy", "REF_forces"))
    found = [finding for finding in dataset.check().warnings if finding.topic == "mixed-names"]
    assert [finding.frames for finding in found] == [(1, 3, 5), (1, 3, 5)]
    assert [finding.frames for finding in dataset.select([0, 3]).findings] == [(1,), (1,)]
    assert not dataset.select([0, 2]).findings
    assert [finding.frames for finding in (dataset.select([0]) + dataset).findings] == [(2, 4, 6), (2, 4, 6)]


def test_free_energies_beside_energies_are_no_conflict(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(text(names="energy={energy} free_energy=-8.0"))
    assert energies(tmp_path / "a.xyz") == EXPECTED
    assert not read(tmp_path / "a.xyz").findings


def isolated(symbol: str, energy: float, cell: float | None = None) -> LabelledStructure:
    atoms = Atoms(symbol, cell=None if cell is None else [cell] * 3, pbc=cell is not None)
    return LabelledStructure(Structure.from_ase(atoms), energy=energy)


def bound(symbols: str, energy: float, number: int = 0) -> LabelledStructure:
    atoms = Atoms(symbols, positions=[[0, 0, 0.9 * atom + 0.01 * number] for atom in range(len(Atoms(symbols)))])
    return LabelledStructure(Structure.from_ase(atoms), energy=energy, forces=np.zeros((len(atoms), 3)))


def test_isolated_atoms_fix_reference_energies_and_are_no_outliers() -> None:
    frames = [bound("O2", -2 * 1503.5 - 0.01 * number, number) for number in range(20)]
    dataset = Dataset((isolated("O", -1500.0), *frames))
    assert dataset.reference_energies() == {8: -1500.0}
    report = dataset.check()
    assert "energy-outliers" not in {finding.topic for finding in report.findings}
    outlier = Dataset((*dataset.frames, bound("O2", -5000.0, 30))).check()
    assert [f.frames for f in outlier.findings if f.topic == "energy-outliers"] == [(21,)]


def test_other_elements_fit_what_isolated_atoms_leave() -> None:
    water = [bound("OH2", -470.0 - 0.1 * number, number) for number in range(4)]
    assert Dataset((isolated("O", -430.0), *water)).reference_energies() == {1: pytest.approx(-20.075), 8: -430.0}
    in_a_box = Dataset((isolated("O", -430.0, cell=8.0), *water))
    assert in_a_box.reference_energies()[8] == -430.0
    crystal = Dataset((isolated("O", -430.0, cell=2.5), *water))  # one atom in a small cell is a crystal
    assert crystal.reference_energies()[8] != -430.0


def test_isolated_atoms_that_disagree_are_reported() -> None:
    frames = (isolated("O", -430.0), isolated("O", -431.0), bound("O2", -866.0))
    dataset = Dataset(frames)
    assert dataset.reference_energies() == {8: -430.5}
    assert [f.frames for f in dataset.check().warnings if f.topic == "contradicting-atoms"] == [(0, 1)]


@pytest.mark.parametrize("fraction", [0.9, 0.5, 0.2])
def test_isolated_atoms_stay_in_the_larger_part(fraction: float) -> None:
    frames = [bound("O2", -866.0 - 0.1 * number, number) for number in range(20)]
    dataset = Dataset((isolated("O", -430.0), *frames))
    for seed in range(5):
        parts = dataset.split(fraction, seed)
        assert sum(map(len, parts)) == len(dataset)
        larger = parts[0] if fraction >= 0.5 else parts[1]
        assert larger.reference_energies() == {8: -430.0}
