"""Reference simulations: temperature, files, going on after a stop, and what is refused."""

import signal

import h5py
import mdfit.engines.openmm.running as running
import numpy as np
import pytest

from mdfit.data import Frames, Mapping
from mdfit.engines.openmm import alanine_dipeptide, run, water_box
from mdfit.engines.openmm.simulation import Settings, Simulation
from mdfit.errors import CheckpointError, DataError, OutputError, SimulationError
from mdfit.simulate.restart import restart_path

SHORT = {"temperature": 300, "duration": "40 fs", "every": "4 fs", "seed": 3, "platform": "Reference"}


@pytest.fixture(scope="module")
def molecule():
    return alanine_dipeptide("vacuum")


@pytest.fixture(scope="module")
def whole(molecule, tmp_path_factory):
    """A run without interruption."""
    return run(molecule, out=tmp_path_factory.mktemp("whole") / "run.h5", equilibrate="20 fs", **SHORT)


def same(first, second):
    for name in ("positions", "forces", "cells", "energies", "times"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_frames_hold_what_a_mapping_needs(whole, molecule):
    assert len(whole) == 10
    assert whole.temperature == 300
    np.testing.assert_array_equal(whole.times, np.arange(1, 11) * 4.0)
    np.testing.assert_array_equal(whole.constraints, molecule.constraints)
    assert whole.names == molecule.names
    heavy = np.flatnonzero(whole.species > 1)
    beads = Mapping.of_atoms(heavy, whole).frames(whole)
    methyl = whole.forces[:, :4].sum(axis=1)
    np.testing.assert_allclose(beads.forces[:, 0], methyl, rtol=1e-5, atol=1e-5)
    # Nothing acts from outside: forces of all beads cancel.
    np.testing.assert_allclose(beads.forces.sum(axis=1), 0, atol=1e-4)


def test_rigid_bonds_keep_their_length(whole):
    first, second = whole.constraints.T
    lengths = np.linalg.norm(whole.positions[:, first] - whole.positions[:, second], axis=-1)
    np.testing.assert_allclose(lengths, lengths[:1].repeat(len(whole), axis=0), atol=1e-4)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("steps", [0, 16, 22])
def test_a_killed_run_goes_on_bit_for_bit(molecule, whole, tmp_path, monkeypatch, steps):
    original = Simulation.advance

    def stopped(self, number):
        if self.done >= steps:
            signal.raise_signal(signal.SIGINT)
        original(self, number)

    monkeypatch.setattr(Simulation, "advance", stopped)
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    with pytest.raises(KeyboardInterrupt, match="before its first frame" if steps == 0 else "after frame . of 10"):
        run(molecule, **arguments)
    monkeypatch.setattr(Simulation, "advance", original)
    same(run(molecule, resume=arguments["out"].exists(), **arguments), whole)


def test_automatic_resume(molecule, whole, tmp_path):
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", "resume": "auto", **SHORT}
    run(molecule, **(arguments | {"duration": "20 fs"}))
    same(run(molecule, **arguments), whole)
    same(run(molecule, **arguments), whole)


def test_a_file_that_lost_frames_is_not_padded(molecule, tmp_path):
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    run(molecule, **(arguments | {"duration": "20 fs"}))
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        for dataset in file["particles/atoms/position"].values():
            dataset.resize(1, axis=0)
    with pytest.raises(CheckpointError, match=r"run\.h5 has lost frames .*holds 1 of the 5"):
        run(molecule, resume=True, **arguments)
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        del file["particles/atoms/position"]
        file["particles/atoms/position"] = 1.0
    with pytest.raises(CheckpointError, match=r"run\.h5 cannot be read"):
        run(molecule, resume=True, **arguments)


def test_frames_after_the_restart_file_are_done_again(molecule, whole, tmp_path, monkeypatch):
    original = Simulation.frame

    def dies(self):
        if self.done > 28:
            raise Killed
        return original(self)

    monkeypatch.setattr(Simulation, "frame", dies)
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    with pytest.raises(Killed):
        run(molecule, **arguments)
    monkeypatch.undo()
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["particles/atoms/position/value"].shape[0] == 1
    same(run(molecule, resume=True, **arguments), whole)


def test_without_the_exact_checkpoint_the_run_goes_on_from_the_same_state(molecule, whole, tmp_path, monkeypatch):
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    run(molecule, **(arguments | {"duration": "20 fs"}))
    restore = Simulation.restore

    def other_machine(self, checkpoint):
        restore(self, checkpoint | {"exact": np.zeros(8, np.uint8)})

    monkeypatch.setattr(Simulation, "restore", other_machine)
    found = run(molecule, resume=True, **arguments)
    same(found.select(slice(0, 5)), whole.select(slice(0, 5)))
    # The same velocities carry the atoms on, with other noise.
    step = np.abs(found.positions[5] - whole.positions[5]).max()
    assert 0 < step < 0.3 * np.abs(whole.positions[5] - whole.positions[4]).max()


def test_the_fast_platform_takes_up_the_same_random_numbers():
    settings = Settings(temperature=300, timestep=2, friction=10, seed=2, platform="CPU", threads=1)
    simulation = Simulation(water_box(60, cutoff="6 Å"), settings, np.arange(180), np.dtype("float64"))
    simulation.start()
    simulation.advance(50)
    checkpoint = simulation.checkpoint()

    def afterwards(start):
        simulation.restore(start)
        simulation.advance(20)
        return simulation.frame().positions

    first = afterwards(checkpoint)
    # Sums over neighbours come in another order.
    np.testing.assert_allclose(afterwards(checkpoint), first, atol=2e-3)
    # Other noise moves the atoms fifty times as far.
    other = afterwards(checkpoint | {"exact": np.zeros(8, np.uint8)})
    assert np.abs(other - first).max() > 0.1


def test_small_molecules_take_the_simplest_platform(molecule):
    def platform(system, threads=None):
        settings = Settings(temperature=300, timestep=2, friction=1, seed=0, threads=threads)
        simulation = Simulation(system, settings, np.arange(len(system.atoms)), np.dtype("float32"))
        return simulation._context.getPlatform().getName()

    assert platform(molecule) == "Reference"
    assert platform(molecule, threads=1) == "CPU"
    assert platform(water_box(8, cutoff="3 Å")) != "Reference"


def test_a_longer_duration_prolongs_a_run(molecule, whole, tmp_path):
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    assert len(run(molecule, **(arguments | {"duration": "12 fs"}))) == 3
    same(run(molecule, resume=True, **arguments), whole)


def test_other_settings_are_not_resumed(molecule, tmp_path):
    out = tmp_path / "run.h5"
    run(molecule, out=out, **(SHORT | {"duration": "8 fs"}))
    with pytest.raises(OutputError, match="exists; resume the run"):
        run(molecule, out=out, **SHORT)
    with pytest.raises(CheckpointError, match=r"written with temperature 300\.0 \(now 310\.0\)"):
        run(molecule, out=out, resume=True, **(SHORT | {"temperature": 310}))
    with pytest.raises(CheckpointError, match="another potential"):
        run(alanine_dipeptide("vacuum", "amber03"), out=out, resume=True, **SHORT)
    with pytest.raises(CheckpointError, match="other elements"):
        run(molecule, out=out, resume=True, atoms=range(6), **SHORT)
    restart_path(out).unlink()
    with pytest.raises(CheckpointError, match="to resume"):
        run(molecule, out=out, resume=True, **SHORT)


def test_some_atoms_can_be_saved(molecule, whole, tmp_path):
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    part = run(molecule, atoms=range(6), dtype="float64", **arguments)
    np.testing.assert_allclose(part.positions, whole.positions[:, :6], rtol=1e-6)
    np.testing.assert_array_equal(np.sort(part.constraints), [[0, 1], [1, 2], [1, 3]])
    assert part.forces.dtype == np.float64
    with pytest.raises(DataError, match="a constrained bond would be cut"):
        run(molecule, atoms=[0], out=tmp_path / "cut.h5", **SHORT)
    with pytest.raises(SimulationError, match="some of 0 to 21"):
        run(molecule, atoms=[30], out=tmp_path / "far.h5", **SHORT)


def test_water_has_the_temperature_of_the_thermostat_and_a_cell(tmp_path, monkeypatch):
    temperatures = []
    original = running.Simulation.frame

    def note(self):
        state = self._context.getState(getEnergy=True)
        temperatures.append(2 * state.getKineticEnergy()._value / (self._system.degrees_of_freedom * 0.00831446262))
        return original(self)

    monkeypatch.setattr(running.Simulation, "frame", note)
    box = water_box(60, "tip4p2005", cutoff="6 Å")
    frames = run(
        box,
        temperature=298,
        duration="4 ps",
        every="0.05 ps",
        equilibrate="1 ps",
        friction="10 /ps",
        out=tmp_path / "water.h5",
        seed=1,
        threads=1,
    )
    # 360 degrees of freedom: fluctuations of 22 K, of which the mean of 80 correlated frames keeps a fraction.
    assert np.mean(temperatures) == pytest.approx(298, abs=15)
    np.testing.assert_allclose(frames.cells[-1], box.structure().cell)
    beads = Mapping.centres_of_mass(np.arange(180).reshape(60, 3), frames).apply(frames, forces=True)
    assert beads[0].structure.number_of_atoms == 60
    # Forces on molecules are weaker than those on their atoms.
    assert beads.force_rms() < np.sqrt(np.mean(frames.forces**2))
    # Liquid water has -45 to -50 kJ/mol of potential energy in this model.
    assert -52 < frames.energies.mean() / 60 * 96.485 < -40


def test_an_explosion_is_one_clear_error_and_keeps_the_frames(tmp_path):
    box = alanine_dipeptide("vacuum")
    with pytest.raises(SimulationError, match="explodes"):
        run(box, out=tmp_path / "run.h5", **(SHORT | {"timestep": "30 fs", "duration": "6 ps", "every": "30 fs"}))
    assert len(Frames.read(tmp_path / "run.h5")) >= 1


def test_wrong_settings_are_refused(molecule, tmp_path):
    out = tmp_path / "run.h5"
    for change, words in (
        ({"temperature": 0}, "temperature must be positive"),
        ({"friction": "-1 /ps"}, "friction must be positive"),
        ({"every": "3 fs"}, "not a multiple of the time step"),
        ({"platform": "GPU"}, "no platform 'GPU'"),
        ({"threads": 0}, "threads must be at least 1"),
    ):
        with pytest.raises(SimulationError, match=words):
            run(molecule, out=out, **(SHORT | change))
    with pytest.raises(OutputError, match=r"end in \.h5, \.h5md"):
        run(molecule, out=tmp_path / "run.dcd", **SHORT)


def test_files_that_are_no_frames(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        Frames.read(tmp_path / "no.h5")
    (tmp_path / "broken.h5").write_bytes(b"HDF")
    with pytest.raises(DataError, match="cannot be read as H5MD"):
        Frames.read(tmp_path / "broken.h5")
