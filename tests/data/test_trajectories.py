"""Trajectories of other programs: units of each format, cells, elements, and files that do not fit together."""

import gzip
import lzma

import MDAnalysis
import numpy as np
import pytest

from mdfit.data import Frames, Mapping, read_trajectory
from mdfit.errors import DataError, UnitError
from mdfit.units import KILOJOULE_PER_MOLE

#: One water molecule and a methyl group, Å.
NAMES = ("OW", "HW1", "HW2", "C1", "H1", "H2", "H3")
SPECIES = (8, 1, 1, 6, 1, 1, 1)
POSITIONS = np.array(
    [[1, 1, 1], [1.95, 1, 1], [0.76, 1.93, 1], [5, 5, 5], [6.09, 5, 5], [4.64, 6.03, 5], [4.64, 4.49, 5.89]], np.float32
)
FORCES = np.random.default_rng(0).normal(size=(3, 7, 3)).astype(np.float32)  # eV/Å
CELL = np.array([[20.0, 0, 0], [3.0, 19.0, 0], [-2.0, 4.0, 18.0]])
FRAMES = np.stack([POSITIONS + 0.25 * step for step in range(3)])


def universe(forces=True):
    whole = MDAnalysis.Universe.empty(7, 2, atom_resindex=[0] * 3 + [1] * 4, trajectory=True, forces=forces)
    whole.add_TopologyAttr("names", NAMES)
    whole.add_TopologyAttr("resnames", ["SOL", "MET"])
    whole.add_TopologyAttr("resids", [1, 2])
    return whole


@pytest.fixture
def topology(tmp_path):
    whole = universe()
    whole.atoms.positions = POSITIONS
    whole.dimensions = [20, 20, 20, 90, 90, 90]
    whole.atoms.write(tmp_path / "atoms.gro")
    return tmp_path / "atoms.gro"


def dimensions(cell):
    from MDAnalysis.lib.mdamath import triclinic_box

    return triclinic_box(*cell)


def write(path, forces=True, atoms=7):
    whole = universe(forces)
    options = {"forces": forces} if path.suffix == ".nc" else {}
    with MDAnalysis.Writer(str(path), atoms, **options) as writer:
        for step in range(3):
            whole.atoms.positions = FRAMES[step]
            whole.trajectory.ts.time = 0.5 * step
            whole.dimensions = dimensions(CELL)
            if forces:
                whole.atoms.forces = FORCES[step] / KILOJOULE_PER_MOLE
            writer.write(whole.atoms[:atoms])
    return path


@pytest.mark.parametrize("ending", ["trr", "nc", "xtc", "dcd"])
def test_units_cells_and_forces_of_the_formats(tmp_path, topology, ending):
    has_forces = ending in ("trr", "nc")
    path = write(tmp_path / f"run.{ending}", has_forces)
    frames = read_trajectory(topology, path, constraints="none")
    np.testing.assert_allclose(frames.positions, FRAMES, atol=6e-3 if ending == "xtc" else 1e-5)
    # DCD stores angles in single precision.
    np.testing.assert_allclose(frames.cells[1], CELL, atol=2e-3)
    np.testing.assert_array_equal(frames.species, SPECIES)
    assert frames.names == NAMES
    assert frames.periodic.all()
    assert frames.masses[3] == pytest.approx(12.011)
    if has_forces:
        np.testing.assert_allclose(frames.forces, FORCES, rtol=1e-5, atol=1e-6)
    else:
        assert frames.forces is None
    if ending != "dcd":
        np.testing.assert_allclose(frames.times, [0, 500, 1000])


def test_units_on_disk_are_those_of_the_format(tmp_path, topology):
    from MDAnalysis.lib.formats.libmdaxdr import TRRFile

    with TRRFile(str(tmp_path / "raw.trr"), "w") as file:
        nanometres, kilojoules = POSITIONS / 10, FORCES[0] * np.float32(96.48533212331 * 10)
        file.write(nanometres, None, kilojoules, np.zeros((3, 3), np.float32), 0, 0.0, 0.0, 7)
    frames = read_trajectory(topology, tmp_path / "raw.trr", constraints="none")
    np.testing.assert_allclose(frames.positions[0], POSITIONS, rtol=1e-6)
    np.testing.assert_allclose(frames.forces[0], FORCES[0], rtol=1e-5)
    assert not frames.periodic.any()


def dump(path):
    lines = ["ITEM: TIMESTEP", "0", "ITEM: NUMBER OF ATOMS", "7", "ITEM: BOX BOUNDS pp pp pp", *["0 20"] * 3]
    lines.append("ITEM: ATOMS id type x y z fx fy fz")
    lines += [
        " ".join(map(str, (i + 1, 1, *POSITIONS[i].tolist(), *FORCES[0, i].tolist()))) for i in reversed(range(7))
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_units_that_a_format_does_not_state_must_be_given(tmp_path, topology):
    path = dump(tmp_path / "run.lammpsdump")
    with pytest.raises(DataError, match="does not state the unit of its lengths"):
        read_trajectory(topology, path, constraints="none")
    with pytest.raises(DataError, match="does not state the unit of its forces"):
        read_trajectory(topology, path, constraints="none", length_unit="Å")
    with pytest.raises(UnitError, match="force_unit"):
        read_trajectory(topology, path, constraints="none", length_unit="Å", force_unit="kcal/mol")
    frames = read_trajectory(topology, path, constraints="none", length_unit="nm", force_unit="kcal/mol/Å")
    np.testing.assert_allclose(frames.positions[0], POSITIONS * 10, rtol=1e-6)
    np.testing.assert_allclose(frames.forces[0], FORCES[0] * 0.0433641, rtol=1e-5)
    assert frames.cells[0, 0, 0] == pytest.approx(200)


def test_rigid_bonds_to_hydrogen_are_found_and_must_be_declared(tmp_path, topology):
    path = write(tmp_path / "run.trr")
    with pytest.raises(DataError, match=r"give constraints, \"none\", \"hydrogens\""):
        read_trajectory(topology, path)
    with pytest.raises(DataError, match="constraints is 'h-bonds'"):
        read_trajectory(topology, path, constraints="h-bonds")
    frames = read_trajectory(topology, path, constraints="hydrogens")
    np.testing.assert_array_equal(frames.constraints, [[1, 0], [2, 0], [4, 3], [5, 3], [6, 3]])
    beads = Mapping.of_atoms([0, 3], frames).frames(frames)
    np.testing.assert_allclose(beads.forces[:, 0], FORCES[:, :3].sum(axis=1), rtol=1e-4, atol=1e-5)
    given = read_trajectory(topology, path, constraints=[[3, 4]])
    np.testing.assert_array_equal(given.constraints, [[3, 4]])


def test_selections_of_atoms_and_frames(tmp_path, topology):
    path = write(tmp_path / "run.trr")
    frames = read_trajectory(topology, path, constraints="none", select="resname MET", frames=slice(1, None))
    np.testing.assert_allclose(frames.positions, FRAMES[1:, 3:], atol=1e-5)
    np.testing.assert_allclose(frames.forces, FORCES[1:, 3:], rtol=1e-5, atol=1e-6)
    with pytest.raises(DataError, match="matches none of 7 atoms"):
        read_trajectory(topology, path, select="resname NONE")
    with pytest.raises(DataError, match="cannot be understood"):
        read_trajectory(topology, path, select="resname and")
    with pytest.raises(DataError, match="has 3 frames, none of them"):
        read_trajectory(topology, path, constraints="none", frames=slice(7, 9))


def test_several_files_follow_each_other(tmp_path, topology):
    files = [write(tmp_path / f"{name}.trr") for name in ("first", "second")]
    with pytest.raises(DataError, match=r"the frames 2 and 3 are -1000 fs apart"):
        read_trajectory(topology, files, constraints="none")
    frames = read_trajectory(topology, files, constraints="none", every="0.5 ps")
    np.testing.assert_allclose(frames.positions, np.concatenate([FRAMES, FRAMES]), atol=1e-5)
    np.testing.assert_allclose(frames.times, np.arange(6) * 500.0)


def test_files_that_do_not_fit_or_are_missing(tmp_path, topology):
    with pytest.raises(DataError, match=r"atoms.gro and .*part.trr have different numbers of atoms.*7.*6"):
        read_trajectory(topology, write(tmp_path / "part.trr", atoms=6))
    with pytest.raises(DataError, match="does not exist"):
        read_trajectory(topology, tmp_path / "no.trr")
    (tmp_path / "broken.trr").write_bytes(b"no trajectory")
    with pytest.raises(DataError, match=r"MDAnalysis cannot read .*broken.trr"):
        read_trajectory(topology, tmp_path / "broken.trr")


@pytest.mark.parametrize("ending", ["xtc", "dcd"])
def test_frames_that_are_damaged_are_named(tmp_path, topology, ending):
    path = write(tmp_path / f"run.{ending}", forces=False)
    content = bytearray(path.read_bytes())
    last = content.rindex(content[:4]) if ending != "dcd" else len(content) - 120
    content[last + 4 :] = b"\xff" * (len(content) - last - 4)
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"run.{ending}"):
        read_trajectory(topology, path, constraints="none")


def test_the_end_of_damaged_files_is_not_left_out_without_a_word(tmp_path, topology, caplog):
    path = write(tmp_path / "run.trr")
    whole = read_trajectory(topology, path, constraints="none")
    assert len(whole) == 3
    assert not caplog.text
    content = path.read_bytes()
    last = content.rindex(content[:4])
    path.write_bytes(content[:last] + bytes(len(content) - last))
    assert len(read_trajectory(topology, path, constraints="none")) == 2
    assert "run.trr is damaged or incomplete after frame 1" in caplog.text
    path.write_bytes(content[:-20])
    with pytest.raises(DataError, match=r"frame 2: MDAnalysis cannot read it .*frames=slice\(0, 2\)"):
        read_trajectory(topology, path, constraints="none")
    assert len(read_trajectory(topology, path, constraints="none", frames=slice(0, 2))) == 2


@pytest.mark.parametrize(
    ("cut", "words"), [(1, "163 bytes at its end"), (20, "144 bytes"), (164, "its header counts 3 frames")]
)
def test_frames_of_dcd_files_that_were_cut_off_are_told(tmp_path, topology, caplog, cut, words):
    """MDAnalysis counts the frames that are whole by the size of the file."""
    path = write(tmp_path / "run.dcd", forces=False)
    assert len(read_trajectory(topology, path, every="1 ps")) == 3
    assert not caplog.text
    path.write_bytes(path.read_bytes()[:-cut])
    assert len(read_trajectory(topology, path, every="1 ps")) == 2
    assert f"run.dcd is damaged or incomplete after frame 1: {words}" in caplog.text


def in_words(path):
    """Three frames in a text format."""
    if path.suffix == ".xyz":
        rows = ["".join(f"C {x:.3f} {y:.3f} {z:.3f}\n" for x, y, z in frame) for frame in FRAMES]
        path.write_text("".join(f"7\n\n{row}" for row in rows))
    else:
        rows = [[f"{x:8.3f}" for x in frame.ravel()] for frame in FRAMES]
        lines = ["".join(row[start : start + 10]) for row in rows for start in (0, 10, 20)]
        path.write_text("title\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("ending", ["xyz", "mdcrd"])
def test_frames_of_text_files_that_were_cut_off_are_told(tmp_path, topology, caplog, ending):
    path = in_words(tmp_path / f"run.{ending}")
    np.testing.assert_allclose(read_trajectory(topology, path, every="1 ps").positions, FRAMES, atol=1e-3)
    assert not caplog.text
    path.write_text(path.read_text()[:-60])
    assert len(read_trajectory(topology, path, every="1 ps")) == 2
    assert f"run.{ending} is damaged or incomplete after frame 1: " in caplog.text


@pytest.mark.parametrize("ending", ["nc", "trz"])
def test_other_binary_files_that_were_cut_off_are_refused(tmp_path, topology, ending):
    path = write(tmp_path / "run.nc") if ending == "nc" else trz(tmp_path / "run.trz")
    assert len(read_trajectory(topology, path, constraints="none")) == 3
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=rf"run\.{ending}.*: (give a complete|check that the files are complete)"):
        read_trajectory(topology, path, constraints="none")


def trz(path):
    whole = MDAnalysis.Universe.empty(7, trajectory=True, velocities=True)
    with MDAnalysis.Writer(str(path), 7) as writer:
        for step in range(3):
            whole.atoms.positions, whole.atoms.velocities = FRAMES[step], FRAMES[step]
            whole.dimensions = dimensions(CELL)
            whole.trajectory.ts.time, whole.trajectory.ts.frame = 0.5 * step, step
            names = ("pressure", "total_energy", "potential_energy", "kinetic_energy", "temperature")
            whole.trajectory.ts.data.update(dict.fromkeys(names, 0.0), pressure_tensor=np.zeros(6))
            writer.write(whole.atoms)
    return path


def test_positions_that_were_put_back_into_a_cell_that_is_not_stated(tmp_path):
    """XYZ states no cell, and LAMMPS writes wrapped positions to it; a molecule that turns is no such case."""
    random = np.random.default_rng(0)
    walk = 10 * random.random((1, 60, 3)) + np.cumsum(random.normal(size=(30, 60, 3)) * 0.2, axis=0)
    molecule = POSITIONS - POSITIONS.mean(axis=0)
    turned = np.stack([molecule @ np.linalg.qr(random.normal(size=(3, 3)))[0] for _ in range(30)])
    for name, frames in (("wrapped", walk % 10.0), ("walk", walk), ("turned", turned)):
        lines = [f"{len(frames[0])}\n\n" + "".join(f"Ar {x} {y} {z}\n" for x, y, z in frame) for frame in frames]
        (tmp_path / f"{name}.xyz").write_text("".join(lines))

    def read(name, **options):
        return read_trajectory(tmp_path / f"{name}.xyz", tmp_path / f"{name}.xyz", every="1 ps", **options)

    with pytest.raises(DataError, match="has no cell, but atoms jump across the whole system"):
        read("wrapped")
    assert not read("wrapped", unwrap="no").unwrapped
    assert read("wrapped", unwrap="done").unwrapped
    assert read("walk").unwrapped
    assert read("turned").unwrapped


def test_digits_that_mdanalysis_loses_far_from_the_origin_are_told(tmp_path, caplog):
    for name, far in (("near", 1000.0), ("far", 20000.0)):
        (tmp_path / f"{name}.xyz").write_text(f"1\n\nAr {far} 0 0\n" * 2)
        read_trajectory(tmp_path / f"{name}.xyz", tmp_path / f"{name}.xyz", every="1 ps")
    assert "near.xyz" not in caplog.text
    assert caplog.text.count("far.xyz: atoms are so far from the origin that single precision rounds") == 1


def test_unknown_elements_are_asked_for(tmp_path, topology):
    text = topology.read_text().replace("   C1", "   QQ")
    (tmp_path / "odd.gro").write_text(text)
    path = write(tmp_path / "run.xtc", forces=False)
    with pytest.raises(DataError, match=r"element of the atom 3 \(QQ\): give species"):
        read_trajectory(tmp_path / "odd.gro", path)
    frames = read_trajectory(tmp_path / "odd.gro", path, species=SPECIES)
    np.testing.assert_array_equal(frames.species, SPECIES)
    with pytest.raises(DataError, match="3 species are given for 7"):
        read_trajectory(topology, path, species=[8, 1, 1])


def ions(path, residues):
    """Atoms (number and name of the residue, own name) that are far from each other."""
    rows = [
        f"{number:5d}{residue:<5s}{name:>5s}{atom + 1:5d}{atom:8.3f}{0:8.3f}{0:8.3f}\n"
        for atom, (number, residue, name) in enumerate(residues)
    ]
    path.write_text(f"ions\n{len(rows)}\n{''.join(rows)}  30.0 30.0 30.0\n")
    return path


def test_ions_are_no_carbon(tmp_path, caplog):
    names = [(1, "CA", "CA"), (2, "CD", "CD"), (2, "CD", "CD"), (3, "ZN2", "ZN"), (4, "SOD", "SOD"), (5, "AR", "AR")]
    path = ions(tmp_path / "ions.gro", [*names, (6, "ALA", "CA"), (7, "GLY", "CA"), (7, "GLY", "N")])
    np.testing.assert_array_equal(read_trajectory(path, path).species, [20, 48, 48, 30, 11, 18, 6, 6, 7])
    assert "read as ions: CA as Ca, CD as Cd; give species if they are none" in caplog.text
    doubt = ions(tmp_path / "doubt.gro", [(1, "ION", "CA")])
    with pytest.raises(DataError, match=r"does not tell the element of the atom 0 \(CA\): give species"):
        read_trajectory(doubt, doubt)
    assert read_trajectory(doubt, doubt, species=[20]).species[0] == 20


def test_elements_that_are_stated_are_not_guessed_because_others_are_missing(tmp_path):
    row = "HETATM{0:5d}  {1:<3s} LIG A   1    {0:8.3f}   0.000   0.000  1.00  0.00          {2:>2s}\n"
    path = tmp_path / "some.pdb"
    path.write_text(row.format(1, "CO", "CO") + row.format(4, "C1", "  ") + row.format(7, "O1", "O") + "END\n")
    np.testing.assert_array_equal(read_trajectory(path, path).species, [27, 6, 8])


def test_units_that_a_format_fixes_cannot_be_given_otherwise(tmp_path, topology):
    path = write(tmp_path / "run.trr")
    frames = read_trajectory(topology, path, constraints="none", length_unit="nm", force_unit="kJ/mol/nm")
    np.testing.assert_allclose(frames.positions, FRAMES, atol=1e-5)
    with pytest.raises(DataError, match="is in nm, but length_unit is 'Å': leave length_unit out"):
        read_trajectory(topology, path, constraints="none", length_unit="Å")
    with pytest.raises(DataError, match=r"is in kJ/\(mol\*nm\), but force_unit is 'eV/Å': leave force_unit out"):
        read_trajectory(topology, path, constraints="none", force_unit="eV/Å")
    with pytest.raises(DataError, match=r"units is for LAMMPS dumps, .*: leave it out"):
        read_trajectory(topology, path, constraints="none", units="real")


def test_unknown_formats_and_compressions_are_short(tmp_path, topology):
    (tmp_path / "run.what").write_text("1")
    with pytest.raises(DataError, match="names end in their formats") as refused:
        read_trajectory(topology, tmp_path / "run.what")
    assert len(str(refused.value)) < 600
    (tmp_path / "run.pdb.xz").write_bytes(lzma.compress(b"END\n"))
    with pytest.raises(DataError, match=r"run.pdb.xz is compressed in a way that MDAnalysis does not read"):
        read_trajectory(topology, tmp_path / "run.pdb.xz")
    (tmp_path / "cut.pdb.gz").write_bytes(gzip.compress(b"END\n" * 900)[:-9])
    with pytest.raises(DataError, match=r"cut.pdb.gz cannot be read: the compressed data are damaged"):
        read_trajectory(topology, tmp_path / "cut.pdb.gz")


def test_frames_check_their_arrays():
    free = {"cells": np.zeros((3, 3)), "periodic": np.zeros(3, bool)}
    good = Frames(SPECIES, np.ones(7), FRAMES, forces=FORCES, **free)
    assert len(good.select(slice(0, 2))) == 2
    assert len(good.dataset(labels=False)) == 3
    with pytest.raises(DataError, match=r"forces have shape \(2, 7, 3\)"):
        Frames(SPECIES, np.ones(7), FRAMES, forces=FORCES[:2], **free)
    broken = FRAMES.copy()
    broken[1, 2, 0] = np.nan
    with pytest.raises(DataError, match="positions of frame 1 are not finite"):
        Frames(SPECIES, np.ones(7), broken, **free)
    with pytest.raises(DataError, match="not one of 7"):
        Frames(SPECIES, np.ones(7), FRAMES, constraints=[[0, 7]], **free)
    bound = Frames(SPECIES, np.ones(7), FRAMES, constraints=[[0, 1], [3, 4]], **free)
    with pytest.raises(DataError, match="a constrained bond would be cut"):
        bound.of_atoms([0, 3, 4])
    np.testing.assert_array_equal(bound.of_atoms([4, 3]).constraints, [[1, 0]])
