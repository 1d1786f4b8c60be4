"""Formats without times, with placeholders for them, and H5MD files of other programs."""

import dataclasses

import h5py
import MDAnalysis
import numpy as np
import pytest

from mdfit.data import Frames, Mapping, read_trajectory
from mdfit.errors import DataError
from mdfit.simulate import Trajectory
from mdfit.structure import Conditions

FRAMES = 12
SPECIES = (8, 1, 1)
WATER = np.array([[1.0, 1, 1], [1.95, 1, 1], [0.76, 1.93, 1]])


def positions(step=0.7):
    """A molecule that drifts out of a cell of 5 Å."""
    return WATER + step * np.arange(FRAMES)[:, None, None] * np.array([1.0, 0.5, 0.0])


def universe():
    whole = MDAnalysis.Universe.empty(3, 1, atom_resindex=[0] * 3, trajectory=True)
    for name, values in {"names": ["OW", "HW1", "HW2"], "elements": ["O", "H", "H"], "resnames": ["SOL"]}.items():
        whole.add_TopologyAttr(name, values)
    return whole


def write(path, where, times=None, cell=5.0, **options):
    whole = universe()
    with MDAnalysis.Writer(str(path), 3, multiframe=True, **options) as writer:
        for frame, here in enumerate(where):
            whole.atoms.positions = here
            whole.dimensions = [cell, cell, cell, 90, 90, 90]
            whole.trajectory.ts.time = frame if times is None else times[frame]
            writer.write(whole.atoms)
    return path


@pytest.fixture
def topology(tmp_path):
    whole = universe()
    whole.atoms.positions = WATER
    whole.dimensions = [5, 5, 5, 90, 90, 90]
    whole.atoms.write(tmp_path / "water.gro")
    return tmp_path / "water.gro"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ["xyz", "pdb"])
def test_formats_without_times_ask_for_them(tmp_path, topology, ending):
    path = write(tmp_path / f"run.{ending}", positions())
    with pytest.raises(DataError, match="does not state the times of its frames: give every"):
        read_trajectory(topology, path)
    np.testing.assert_allclose(read_trajectory(topology, path, every="0.1 ps").times, 100.0 * np.arange(FRAMES))
    thinned = read_trajectory(topology, path, every="0.1 ps", frames=slice(1, None, 3))
    np.testing.assert_allclose(thinned.times, [100, 400, 700, 1000])
    assert read_trajectory(topology, path, every="unknown").times is None
    with pytest.raises(DataError, match="timestep is for LAMMPS dumps"):
        read_trajectory(topology, path, timestep="2 fs")
    with pytest.raises(DataError, match="the chosen frames: the frames 0 and 1"):
        read_trajectory(topology, path, every="0.1 ps", frames=[0, 1, 5])
    with pytest.raises(DataError, match="do not go forward"):
        read_trajectory(topology, path, every="0.1 ps", frames=slice(None, None, -1))


def dcd(path, timestep, remarks):
    from MDAnalysis.lib.formats.libdcd import DCDFile

    with DCDFile(str(path), "w") as file:
        file.write_header(natoms=3, istart=0, nsavc=10, delta=timestep, remarks=remarks, is_periodic=1)
        for frame in positions():
            file.write(frame.astype(np.float32), [5.0, 90.0, 5.0, 90.0, 90.0, 5.0])
    return path


def test_placeholders_in_dcd_files_are_no_times(tmp_path, topology):
    akma = 48.88821
    for name, timestep, remarks in (("unit", 1.0, ""), ("none", 0.0, ""), ("lammps", 2.0, "Written by LAMMPS")):
        with pytest.raises(DataError, match="does not state the times"):
            read_trajectory(topology, dcd(tmp_path / f"{name}.dcd", timestep, remarks))
    stated = read_trajectory(topology, dcd(tmp_path / "charmm.dcd", 2.0 / akma, "by CHARMM"))
    np.testing.assert_allclose(stated.times, 20.0 * np.arange(FRAMES), rtol=1e-5)


def test_frames_that_mdanalysis_leaves_out_are_an_error(tmp_path, topology):
    (tmp_path / "run.gro").write_text(topology.read_text() * 3)
    with pytest.raises(DataError, match="holds several frames"):
        read_trajectory(topology, tmp_path / "run.gro", every="1 ps")
    assert len(read_trajectory(topology, topology)) == 1


def test_missing_frames_are_found_in_every_format(tmp_path, topology):
    times = np.delete(np.arange(FRAMES + 1.0), 7)
    path = write(tmp_path / "run.xtc", positions(), times)
    with pytest.raises(DataError, match="the frames 6 and 7 are 2000 fs apart"):
        read_trajectory(topology, path)
    assert [len(part) for part in read_trajectory(topology, path, gaps="keep").segments()] == [7, 5]
    late = write(tmp_path / "late.xtc", positions(), 1e5 + 0.1 * np.arange(FRAMES))  # 100 ns in single precision
    assert len(read_trajectory(topology, late)) == FRAMES


def test_a_continued_run_repeats_a_frame(tmp_path, topology):
    where = positions()
    files = [write(tmp_path / "a.xtc", where[:6]), write(tmp_path / "b.xtc", where[5:], np.arange(5.0, FRAMES))]
    frames = read_trajectory(topology, files)
    np.testing.assert_allclose(frames.times, 1000.0 * np.arange(FRAMES))
    np.testing.assert_allclose(frames.positions, where, atol=0.01)


def test_molecules_stay_whole_on_their_way_and_beads_follow(tmp_path, topology):
    where = positions()
    frames = read_trajectory(topology, write(tmp_path / "run.xtc", where % 5.0))
    whole = read_trajectory(topology, write(tmp_path / "whole.xtc", where))
    np.testing.assert_allclose(frames.positions, whole.positions, atol=0.02)
    beads = Mapping.centres_of_mass([[0, 1, 2]], frames).frames(frames)
    np.testing.assert_allclose(np.diff(beads.positions[:, 0], axis=0), [[0.7, 0.35, 0.0]] * (FRAMES - 1), atol=0.03)
    assert (
        not Mapping.of_atoms([0], frames).frames(read_trajectory(topology, tmp_path / "run.xtc", unwrap="no")).unwrapped
    )


def h5md(path, unit="nm", time_unit="ps", edges=None, image=False):
    """As other programs write it."""
    where = positions() / 10
    with h5py.File(path, "w") as file:
        file.create_group("h5md/creator").attrs["name"] = "another"
        group = file.create_group("particles/all")
        group["species"], group["mass"] = np.array(SPECIES), np.array([16.0, 1.0, 1.0])
        group["box/edges"] = np.full(3, 0.5) if edges is None else edges
        group["box"].attrs["boundary"] = ["periodic"] * 3
        group["position/value"], group["position/time"] = where % 0.5, 0.1 * np.arange(FRAMES)
        if image:
            group["image/value"] = np.floor(where / 0.5).astype(int)
        for place, name in (("position/value", unit), ("box/edges", unit), ("position/time", time_unit)):
            if name:
                group[place].attrs["unit"] = name
    return path


def test_h5md_of_other_programs_is_converted(tmp_path):
    frames = Frames.read(h5md(tmp_path / "a.h5"))
    np.testing.assert_allclose(frames.positions, positions(), atol=1e-6)
    np.testing.assert_allclose(frames.cells[3], 5 * np.eye(3))
    np.testing.assert_allclose(frames.times, 100.0 * np.arange(FRAMES))
    flagged = Frames.read(h5md(tmp_path / "b.h5", image=True))
    np.testing.assert_allclose(flagged.positions, positions(), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"), [({"unit": None}, "does not state its unit"), ({"time_unit": None}, "times")]
)
def test_h5md_without_units_is_refused(tmp_path, options, words):
    with pytest.raises(DataError, match=words):
        Frames.read(h5md(tmp_path / "a.h5", **options))


def test_own_frames_at_constant_pressure_tell_their_ensemble(tmp_path, write_frames):
    cells = 5 * np.eye(3) * (1 + 0.01 * np.arange(FRAMES))[:, None, None]
    frames = Frames(SPECIES, [16.0, 1.0, 1.0], positions(), cells, np.ones(3, bool))
    frames = dataclasses.replace(frames, conditions=Conditions(temperature=300.0))
    with h5py.File(tmp_path / "own.h5", "w") as file:
        write_frames(file, "all", frames, np.arange(FRAMES), 2.0)
    again = Frames.read(tmp_path / "own.h5")
    assert again.positions.tobytes() == frames.positions.tobytes()
    assert Trajectory.of_frames(again).ensemble == "NPT"
