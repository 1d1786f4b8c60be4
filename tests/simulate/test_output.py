"""Frames on disk, and runs that are interrupted, killed and resumed."""

import contextlib
import dataclasses
import fcntl
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import h5py
import jax
import numpy as np
import pytest
from ase.io import read

from mdfit.errors import CheckpointError, OutputError, SimulationError
from mdfit.potentials import ZBL, LennardJones
from mdfit.simulate import NPT, NVE, JaxMD, Langevin, SimulationInterrupted, StatePoint, can_resume, run
from mdfit.simulate.trajectory import PER_FRAME

KEY = jax.random.key(3)


def go(small, out=None, sampler=None, frames=8, **settings):
    sampler = sampler or Langevin(4.0, 5.0)
    structure = settings.pop("structure", None) or small.argon(2, lattice=5.6)
    point = StatePoint(structure, settings.pop("temperature", 120.0), settings.pop("pressure", None))
    every = settings.pop("every", 20.0)
    # A thin skin: lists are rebuilt several times between frames.
    engine = settings.pop("engine", None) or JaxMD(0.15, settings.pop("neighbour_lists", "auto"))
    settings = {"key": KEY, "engine": engine, "equilibrate": 20.0, **settings}
    return run(small.potential, point, sampler, duration=frames * every, every=every, out=out, **settings)


def assert_same(first, second):
    np.testing.assert_array_equal(first.times, second.times)
    for name in PER_FRAME:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


def interrupted_after(monkeypatch, frames):
    """As if Ctrl-C were pressed while frame number ``frames`` is computed."""

    @contextlib.contextmanager
    def stop():
        class Interrupt:
            asked = 0

            @property
            def requested(self):
                self.asked += 1
                # Asked once in each piece of the equilibration (here one), then before each frame.
                return self.asked > frames + 1

        yield Interrupt()

    monkeypatch.setattr("mdfit.simulate.running.stop_on_interrupt", stop)


@pytest.mark.parametrize("lists", ["host", "device"])
def test_interrupted_run_goes_on_bit_for_bit(small, tmp_path, monkeypatch, lists):
    structure = small.argon(3, lattice=5.6) if lists == "device" else None
    arguments = {"structure": structure, "neighbour_lists": lists, "replicas": 1 if lists == "device" else 2}
    whole = go(small, tmp_path / "whole.h5", **arguments)
    interrupted_after(monkeypatch, 3)
    with pytest.raises(SimulationInterrupted, match=r"after frame 3 of 8; resume goes on from there") as stop:
        go(small, tmp_path / "part.h5", **arguments)
    assert_same(stop.value.trajectory, whole.part(0, 3))
    monkeypatch.undo()
    resumed = go(small, tmp_path / "part.h5", resume=True, **arguments)
    assert_same(resumed, whole)
    for one, other in zip(datasets(tmp_path / "whole.h5"), datasets(tmp_path / "part.h5"), strict=True):
        assert one[0] == other[0]
        np.testing.assert_array_equal(one[1], other[1], err_msg=one[0])


def datasets(path):
    found = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.append((name, item[()])) if isinstance(item, h5py.Dataset) else None)
    return found


def test_interrupted_run_at_constant_pressure_goes_on_in_xyz(small, tmp_path, monkeypatch):
    arguments = {"sampler": NPT(4.0, barostat_relaxation=200.0), "pressure": 1500.0}
    whole = go(small, tmp_path / "whole.xyz", **arguments)
    interrupted_after(monkeypatch, 3)
    with pytest.raises(SimulationInterrupted):
        go(small, tmp_path / "part.xyz", **arguments)
    monkeypatch.undo()
    # A frame that was half written when the process died.
    with (tmp_path / "part.xyz").open("a") as file:
        file.write('32\nLattice="1 0 0 0 1')
    resumed = go(small, tmp_path / "part.xyz", resume=True, **arguments)
    assert (tmp_path / "whole.xyz").read_bytes() == (tmp_path / "part.xyz").read_bytes()
    assert_same(resumed, whole)
    assert np.ptp(whole.volumes) > 1


@pytest.mark.parametrize(("name", "pieces"), [("run.h5", 3), ("run.xyz", 1)])
def test_interrupted_equilibration_goes_on_bit_for_bit(small, tmp_path, monkeypatch, name, pieces):
    # Three pieces of 100 steps; an interrupt in the last of them comes before the first frame.
    arguments = {"equilibrate": 1200.0, "sampler": NPT(4.0, barostat_relaxation=200.0), "pressure": 1500.0}
    whole = go(small, tmp_path / f"whole-{name}", **arguments)
    interrupted_after(monkeypatch, pieces - 1)
    with pytest.raises(KeyboardInterrupt, match="before its first frame; resume goes on from there"):
        go(small, tmp_path / name, **arguments)
    monkeypatch.undo()
    assert not (tmp_path / name).exists()
    assert can_resume(tmp_path / name)
    with pytest.raises(OutputError, match=r"restart exists; resume the run"):
        go(small, tmp_path / name, resume=False, **{**arguments, "equilibrate": 400.0})
    # There are no frames that could be lost: `resume=path.exists()` goes on, too.
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert_same(go(small, tmp_path / "copy" / name, **arguments), whole)
    # As if the process had been killed after the first frame, before the next restart file.
    shutil.copy(tmp_path / f"whole-{name}", tmp_path / name)
    if name.endswith(".xyz"):
        lines = (tmp_path / name).read_text().splitlines(keepends=True)
        (tmp_path / name).write_text("".join(lines[: int(lines[0]) + 2]))
    resumed = go(small, tmp_path / name, resume=True, **arguments)
    if name.endswith(".xyz"):
        assert (tmp_path / name).read_bytes() == (tmp_path / f"whole-{name}").read_bytes()
    assert_same(resumed, whole)


@pytest.mark.parametrize("name", ["run.h5", "run.xyz"])
def test_a_file_that_is_not_the_beginning_of_the_run_is_kept(small, tmp_path, monkeypatch, name):
    arguments = {"equilibrate": 800.0}
    interrupted_after(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt):
        go(small, tmp_path / name, **arguments)
    monkeypatch.undo()
    go(small, tmp_path / f"other-{name}", frames=3, key=jax.random.key(5))
    for content in (b"my precious notes\n", (tmp_path / f"other-{name}").read_bytes()):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match="is not of the run that its restart file belongs to"):
            go(small, tmp_path / name, **arguments)
        assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("name", ["run.h5", "run.xyz"])
def test_frames_of_another_run_are_refused(small, tmp_path, name):
    go(small, tmp_path / name, frames=4)
    go(small, tmp_path / f"other-{name}", frames=4, key=jax.random.key(5))
    shutil.copy(tmp_path / f"other-{name}", tmp_path / name)
    with pytest.raises(
        CheckpointError, match=r"was changed since it was written, or is of another run|has lost frames"
    ):
        go(small, tmp_path / name, frames=6)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("observables/replica_0/potential_energy/value", -999.0),
        ("particles/replica_0/species", 2),
        ("particles/replica_0/mass", 3.0),
        ("particles/replica_0/position/time", 1.0),
    ],
)
def test_numbers_that_were_changed_are_refused(small, tmp_path, place, value):
    path = tmp_path / "run.h5"
    go(small, path, frames=4)
    with h5py.File(path, "r+") as file:
        file[place][1] = value
    with pytest.raises(CheckpointError, match=r"run\.h5"):
        go(small, path, frames=6)


def test_a_digit_that_was_changed_in_text_is_refused(small, tmp_path):
    path = tmp_path / "run.xyz"
    go(small, path, frames=4)
    text = path.read_text()
    place = text.index(".", text.index("\n", text.index("Properties"))) + 3
    path.write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])
    with pytest.raises(CheckpointError, match="was changed since it was written, or is of another run than"):
        go(small, path, frames=6)


def test_interrupt_before_the_first_frame_without_output(small, monkeypatch):
    interrupted_after(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt, match="before its first frame; start it again"):
        go(small)


def test_only_frames_that_are_there_can_be_resumed(small, tmp_path):
    path = tmp_path / "run.h5"
    assert not can_resume(path)
    go(small, path, frames=2)
    assert can_resume(path)
    path.unlink()
    assert not can_resume(path)
    with pytest.raises(CheckpointError, match=r"no .*run\.h5 to resume"):
        go(small, path, frames=4, resume=True)
    path.write_bytes(b"")
    path.with_name("run.h5.restart").unlink()
    with pytest.raises(CheckpointError, match=r"no .*run\.h5\.restart to resume"):
        go(small, path, frames=4, resume=True)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from types import SimpleNamespace
import jax
from conftest import argon
from mdfit.potentials import LennardJones
import test_output
small = SimpleNamespace(argon=argon, potential=LennardJones(0.0104, 3.4, 6.0, switch_start=5.0))
test_output.go(small, sys.argv[2], frames=int(sys.argv[3]))
"""


def test_killed_run_goes_on_bit_for_bit(small, tmp_path, start_process):
    path, frames = tmp_path / "killed.h5", 4000
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(path), str(frames)]
    process = start_process(command)
    restart, deadline = path.with_name("killed.h5.restart"), time.monotonic() + 200
    while not restart.exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = go(small, path, frames=8, resume=True)
    whole = go(small, frames=8)
    common = min(len(resumed), 8)
    assert common >= 1
    assert_same(resumed.part(0, common), whole.part(0, common))


def test_h5md_layout(small, tmp_path):
    structure = small.argon(2, lattice=5.6)
    trajectory = go(small, tmp_path / "run.h5", frames=4, replicas=2)
    with h5py.File(tmp_path / "run.h5") as file:
        assert list(file["h5md"].attrs["version"]) == [1, 1]
        assert {"author", "creator"} <= set(file["h5md"])
        assert sorted(file["particles"]) == ["replica_0", "replica_1"]
        for replica in range(2):
            group = file[f"particles/replica_{replica}"]
            np.testing.assert_array_equal(group["species"][:], structure.species)
            np.testing.assert_array_equal(group["position/value"][:], trajectory.positions[replica])
            np.testing.assert_array_equal(group["velocity/value"][:], trajectory.velocities[replica])
            np.testing.assert_array_equal(group["box/edges/value"][:], trajectory.cells[replica])
            assert list(group["box"].attrs["boundary"]) == ["periodic"] * 3
            assert group["box"].attrs["dimension"] == 3
            # Steps of 4 fs, a frame every 20 fs.
            np.testing.assert_array_equal(group["position/step"][:], [5, 10, 15, 20])
            np.testing.assert_allclose(group["position/time"][:], trajectory.times)
            assert group["position/time"].attrs["unit"] == "fs"
            energies = file[f"observables/replica_{replica}/potential_energy/value"][:]
            np.testing.assert_array_equal(energies, trajectory.potential_energies[replica])


def test_extended_xyz_is_read_by_ase(small, tmp_path):
    trajectory = go(small, tmp_path / "run.xyz", frames=4)
    images = read(tmp_path / "run.xyz", ":")
    assert len(images) == 4
    for frame, atoms in enumerate(images):
        np.testing.assert_allclose(atoms.positions, trajectory.positions[0, frame], atol=1e-7)
        np.testing.assert_allclose(atoms.cell.array, trajectory.cells[0, frame], atol=1e-7)
        np.testing.assert_allclose(atoms.get_velocities(), trajectory.velocities[0, frame], atol=1e-7)
        np.testing.assert_allclose(atoms.get_potential_energy(), trajectory.potential_energies[0, frame], rtol=1e-7)
        np.testing.assert_allclose(atoms.get_stress(voigt=False), trajectory.stresses[0, frame], atol=1e-8)
        assert atoms.pbc.all()
        kinetic = trajectory.kinetic_energies[0, frame]
        assert atoms.get_kinetic_energy() == pytest.approx(kinetic, rel=1e-5)


def test_existing_output_is_not_overwritten(small, tmp_path):
    path = tmp_path / "precious.h5"
    path.write_text("years of work")
    with pytest.raises(OutputError, match=r"precious\.h5 exists"):
        go(small, path)
    assert path.read_text() == "years of work"


def test_wrong_suffix(small, tmp_path):
    with pytest.raises(OutputError, match=r"\.h5.*\.xyz.*not \.traj"):
        go(small, tmp_path / "run.traj")


def test_unwritable_directory(small, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="in the way, so choose another output directory"):
        go(small, tmp_path / "file" / "run.h5")


def test_a_reader_does_not_end_a_run(small, tmp_path, monkeypatch):
    """HDF5 locks what it reads: the run waits until the file is closed, for a minute."""
    path = tmp_path / "run.h5"
    go(small, path, frames=2)
    with open(path) as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        threading.Timer(0.5, fcntl.flock, (reader, fcntl.LOCK_UN)).start()
        began = time.monotonic()
        assert len(go(small, path, frames=4, resume=True).times) == 4
        assert time.monotonic() - began >= 0.4
        fcntl.flock(reader, fcntl.LOCK_SH)
        monkeypatch.setattr("mdfit.data.h5md.PATIENCE", 0.1)
        with pytest.raises(OutputError, match="open in another program: close it"):
            go(small, path, frames=6, resume=True)


def test_directory_without_permission(small, tmp_path, monkeypatch):
    # Root may write everywhere, so the refusal is staged.
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(OutputError, match="Permission denied"):
        go(small, tmp_path / "run.h5")


def test_replicas_need_h5md(small, tmp_path):
    with pytest.raises(SimulationError, match=r"write 2 replicas to a \.h5 file"):
        go(small, tmp_path / "run.xyz", replicas=2)


def test_nothing_to_resume(small, tmp_path):
    with pytest.raises(CheckpointError, match=r"no .*run\.h5 to resume"):
        go(small, tmp_path / "run.h5", resume=True)
    with pytest.raises(CheckpointError, match="output file"):
        go(small, resume=True)


def test_other_settings_are_not_resumed(small, tmp_path):
    path = tmp_path / "run.h5"
    go(small, path, frames=2)
    before = path.read_bytes()
    for changed, word in (
        ({"sampler": NVE(4.0)}, "sampler Langevin"),
        ({"temperature": 100.0}, "temperature 120.0 .now 100.0"),
        ({"every": 40.0}, "steps between frames 5 .now 10"),
        ({"engine": JaxMD(0.15, dtype="float64")}, "number format float32"),
        ({"replicas": 2}, "replicas 1"),
    ):
        with pytest.raises(CheckpointError, match=word):
            go(small, path, resume=True, **changed)
    assert path.read_bytes() == before


def test_other_potentials_and_atoms_are_not_resumed(small, tmp_path):
    path = tmp_path / "run.h5"
    go(small, path, frames=2)
    before = path.read_bytes()
    # A parameter, a setting, another class.
    others = [
        LennardJones(0.0104 * (1 + 1e-12), 3.4, 6.0, switch_start=5.0),
        LennardJones(0.0104, 3.4, 6.0, switch_start=5.1),
        small.potential + ZBL(),
    ]
    for potential in others:
        other = SimpleNamespace(potential=potential, argon=small.argon)
        with pytest.raises(CheckpointError, match=r"run\.h5 was written with another potential; resume with the same"):
            go(other, path, frames=4, resume=True)
    heavier = small.argon(2, lattice=5.6)
    heavier = heavier.replace(masses=heavier.masses + 1)
    with pytest.raises(CheckpointError, match=r"was written with other elements, masses"):
        go(small, path, frames=4, structure=heavier, resume=True)
    assert path.read_bytes() == before
    same = SimpleNamespace(potential=LennardJones(0.0104, 3.4, 6.0, switch_start=5.0), argon=small.argon)
    assert len(go(same, path, frames=4, resume=True)) == 4


def test_restart_file_from_before_potentials_were_noted(small, tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    plan = dataclasses.asdict

    def without_fingerprints(value):
        return {name: entry for name, entry in plan(value).items() if name not in ("potential", "atoms")}

    monkeypatch.setattr("mdfit.simulate.restart.dataclasses.asdict", without_fingerprints)
    go(small, path, frames=2)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"earlier version of mdfit.* start the run again in another file"):
        go(small, path, frames=4, resume=True)


def test_longer_run_may_be_resumed(small, tmp_path):
    go(small, tmp_path / "run.h5", frames=2)
    assert_same(go(small, tmp_path / "run.h5", frames=5, resume=True), go(small, frames=5))


def test_damaged_restart_file(small, tmp_path):
    go(small, tmp_path / "run.h5", frames=2)
    restart = tmp_path / "run.h5.restart"
    restart.write_bytes(restart.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"run\.h5\.restart"):
        go(small, tmp_path / "run.h5", frames=5, resume=True)


LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000))
from mdfit.errors import OutputError
try:
    {script}
except OutputError as error:
    assert "intact" in str(error) or "unchanged" in str(error), error
    sys.exit(17)
"""


def test_full_disk_keeps_the_frames_before(small, tmp_path):
    lines = SCRIPT.strip().splitlines()
    script = "\n".join(lines[:-1]) + LIMITED.format(script=lines[-1])
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path / "run.xyz"), "4000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 17, done.stderr[-3000:]
    resumed = go(small, tmp_path / "run.xyz", frames=12, resume=True)
    np.testing.assert_allclose(resumed.positions[:, :12], go(small, frames=12).positions, atol=1e-7)


def test_full_disk_stops_before_hdf5_is_harmed(small, tmp_path, monkeypatch):
    asked = []

    def usage(folder):
        asked.append(folder)
        return SimpleNamespace(free=0 if len(asked) > 3 else 2**40)

    monkeypatch.setattr("shutil.disk_usage", usage)
    monkeypatch.setattr("mdfit.simulate.h5md.LONGEST_WAIT", 0.0)
    with pytest.raises(OutputError, match=r"frame 3 .*No space left.*resume"):
        go(small, tmp_path / "run.h5")
    monkeypatch.undo()
    assert_same(go(small, tmp_path / "run.h5", resume=True), go(small))


def test_full_disk_before_the_first_frame(small, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.raises(OutputError, match=r"frame 0 .*No space left.* free some space, then resume"):
        go(small, tmp_path / "run.h5")
    monkeypatch.undo()
    go(small, tmp_path / "run.h5", frames=1)
