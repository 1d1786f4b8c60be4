"""Extended XYZ as trajectories: cells, periodic directions, forces, and clocks without units."""

import ase.io
import MDAnalysis
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mdfit.data import read_trajectory
from mdfit.errors import DataError

FRAMES = 5
CELL = np.array([[8.0, 0, 0], [2.0, 7.0, 0], [0.0, 1.0, 9.0]])
START = np.random.default_rng(0).random((4, 3)) @ CELL
FORCES = np.random.default_rng(1).normal(size=(FRAMES, 4, 3))


def images(pbc=True, info=lambda frame: {}, forces=False, symbols="OHHAr"):
    found = []
    for frame in range(FRAMES):
        atoms = Atoms(symbols, START + 0.3 * frame, cell=CELL, pbc=pbc)
        atoms.info.update(info(frame))
        if forces:
            atoms.calc = SinglePointCalculator(atoms, forces=FORCES[frame])
        found.append(atoms)
    return found


def write(path, **options):
    ase.io.write(path, images(**options), format="extxyz")
    return path


@pytest.mark.parametrize("name", ["run.xyz", "run.extxyz", "run.xyz.gz"])
def test_cells_are_read_whatever_the_topology(tmp_path, name):
    path = write(tmp_path / name)
    ase.io.write(tmp_path / "top.pdb", images()[0])
    for topology in (path, tmp_path / "top.pdb"):
        frames = read_trajectory(topology, path, every="10 fs")
        np.testing.assert_allclose(frames.cells, np.broadcast_to(CELL, (FRAMES, 3, 3)))
        np.testing.assert_allclose(frames.positions[3], START + 0.9, atol=1e-6)
        assert frames.periodic.all()
        np.testing.assert_array_equal(frames.species, [8, 1, 1, 18])
        np.testing.assert_allclose(frames.times, 10.0 * np.arange(FRAMES))


def test_directions_that_are_not_periodic(tmp_path):
    frames = read_trajectory(write(tmp_path / "s.xyz", pbc=[True, True, False]), tmp_path / "s.xyz", every="10 fs")
    np.testing.assert_array_equal(frames.periodic, [True, True, False])


def test_plain_xyz_stays_as_it_is(tmp_path):
    ase.io.write(tmp_path / "plain.xyz", images(), format="xyz")
    frames = read_trajectory(tmp_path / "plain.xyz", tmp_path / "plain.xyz", every="10 fs")
    assert not frames.periodic.any()
    # Nobody states the unit of plain XYZ.
    scaled = read_trajectory(tmp_path / "plain.xyz", tmp_path / "plain.xyz", every="10 fs", length_unit="nm")
    np.testing.assert_allclose(scaled.positions, 10 * frames.positions, rtol=1e-6)


def test_forces_are_in_the_units_of_ase_unless_given(tmp_path):
    path = write(tmp_path / "f.xyz", forces=True)
    with pytest.raises(DataError, match="give constraints"):
        read_trajectory(path, path, every="10 fs")
    frames = read_trajectory(path, path, every="10 fs", constraints="none", select="name H", frames=[1, 3])
    np.testing.assert_allclose(frames.forces, FORCES[[1, 3], 1:3], atol=1e-6)
    other = read_trajectory(path, path, every="10 fs", constraints="none", force_unit="kcal/mol/Å")
    np.testing.assert_allclose(other.forces, FORCES * 0.0433641, rtol=1e-5, atol=1e-6)


def test_files_of_lammps_are_in_the_units_of_their_script(tmp_path):
    path = write(tmp_path / "l.xyz", forces=True, info=lambda frame: {"Timestep": 100 * frame})
    with pytest.raises(DataError, match="does not state the unit of its lengths"):
        read_trajectory(path, path, timestep="2 fs", constraints="none")
    frames = read_trajectory(path, path, timestep="2 fs", constraints="none", units="real")
    np.testing.assert_allclose(frames.forces, FORCES * 0.0433641, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(frames.times, 200.0 * np.arange(FRAMES))


def test_clocks_state_no_unit_but_must_be_regular(tmp_path):
    path = write(tmp_path / "t.xyz", info=lambda frame: {"time": 0.5 * frame + (frame > 2)})
    with pytest.raises(DataError, match="does not state the unit of the times of its frames"):
        read_trajectory(path, path)
    with pytest.raises(DataError, match="by their 'time', the frames 2 and 3 are not at the interval"):
        read_trajectory(path, path, every="0.5 ps")
    assert len(read_trajectory(path, path, every="0.5 ps", frames=slice(0, 3))) == 3
    assert read_trajectory(path, path, every="unknown").times is None
    with pytest.raises(DataError, match="frame 0 counts no time steps: give every instead"):
        read_trajectory(path, path, timestep="2 fs")
    with pytest.raises(DataError, match="Both timestep and every"):
        read_trajectory(path, path, timestep="2 fs", every="1 ps")


def test_atoms_must_be_those_of_the_topology(tmp_path):
    path = write(tmp_path / "a.xyz")
    other = write(tmp_path / "b.xyz", symbols="HOHAr")
    with pytest.raises(DataError, match="element of the atom 0 is not that of the topology"):
        read_trajectory(path, other, every="1 fs")
    ase.io.write(tmp_path / "c.xyz", images()[0][:3], format="extxyz")
    with pytest.raises(DataError, match=r"different numbers of atoms \(3 and 4\)"):
        read_trajectory(tmp_path / "c.xyz", path, every="1 fs")
    # Labels may be any where another file tells elements.
    named = tmp_path / "d.xyz"
    named.write_text(path.read_text().replace("\nO ", "\nOW ").replace("\nAr", "\nDUM"))
    np.testing.assert_array_equal(read_trajectory(path, named, every="1 fs").species, [8, 1, 1, 18])
    with pytest.raises(DataError, match=r"'OW' is no element|'DUM' is no element"):
        read_trajectory(named, named, every="1 fs")


def test_damaged_frames_and_other_ways_to_state_a_cell_are_refused(tmp_path):
    path = write(tmp_path / "a.xyz")
    lines = path.read_text().splitlines(keepends=True)
    (tmp_path / "cut.xyz").write_text("".join(lines[:-2]))
    with pytest.raises(DataError, match=r"frame 4 .*it has 2 of 4 atoms"):
        read_trajectory(path, tmp_path / "cut.xyz", every="1 fs")
    lines[3] = lines[3].replace("H ", "H x")
    (tmp_path / "odd.xyz").write_text("".join(lines))
    with pytest.raises(DataError, match=r"odd.xyz, frame 0 cannot be read"):
        read_trajectory(path, tmp_path / "odd.xyz", every="1 fs")
    (tmp_path / "ipi.xyz").write_text("1\n# CELL(abcABC): 9 9 9 90 90 90 cell{atomic_unit}\nAr 0 0 0\n")
    with pytest.raises(DataError, match=r"states its cell as .*which is not read here"):
        read_trajectory(tmp_path / "ipi.xyz", tmp_path / "ipi.xyz", every="1 fs")


@pytest.mark.parametrize("ending", ["xtc", "dcd"])
def test_topologies_without_a_reader_of_their_own_go_with_other_formats(tmp_path, ending):
    path = write(tmp_path / "a.xyz")
    rows = "".join(f"{atom + 1} {symbol} 1 1 {atom}\n" for atom, symbol in enumerate(["O", "H", "H", "Ar"]))
    box = "ITEM: BOX BOUNDS pp pp pp\n0 9\n0 9\n0 9\n"
    dump = tmp_path / "a.dump"
    dump.write_text(f"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n4\n{box}ITEM: ATOMS id element x y z\n{rows}")
    universe = MDAnalysis.Universe.empty(4, trajectory=True)
    universe.dimensions = [9, 9, 9, 90, 90, 90]
    with MDAnalysis.Writer(str(tmp_path / f"run.{ending}"), 4) as writer:
        writer.write(universe.atoms)
    for topology in (path, dump):
        frames = read_trajectory(topology, tmp_path / f"run.{ending}")
        np.testing.assert_array_equal(frames.species, [8, 1, 1, 18])
        assert frames.periodic.all()
    np.testing.assert_array_equal(read_trajectory(dump, path, every="1 fs").species, [8, 1, 1, 18])
