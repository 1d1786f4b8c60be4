"""Reference simulations: temperature, files, going on after a stop, and what is refused."""

import signal

import h5py
import numpy as np
import openmm
import openmm.app
import pytest

from mdfit.data import Frames, Mapping
from mdfit.engines.openmm import OpenMM, ReferenceSystem, alanine_dipeptide, water_box
from mdfit.engines.openmm.simulation import OpenMMSimulation, _Replica
from mdfit.errors import CheckpointError, DataError, OutputError, SimulationError
from mdfit.observables.statistics import error_of_mean
from mdfit.potentials import LennardJones
from mdfit.precision import key
from mdfit.progress import Bar
from mdfit.simulate import Langevin, MonteCarloNPT, NoseHoover, StatePoint
from mdfit.simulate import run as simulate
from mdfit.simulate.restart import restart_path
from mdfit.structure import Structure
from mdfit.testing import ENGINE_CONTRACT, EngineCase
from mdfit.units import BAR, BOLTZMANN, KILOJOULE_PER_MOLE

SHORT = {"duration": "40 fs", "every": "4 fs", "key": key(3)}


def run(system, temperature=300.0, sampler=None, engine=None, **settings) -> Frames:
    """The frames of a run, on the platform Reference."""
    point = StatePoint(system.structure(), temperature)
    engine, sampler = engine or OpenMM("Reference"), sampler or Langevin("2 fs", "1 /ps")
    return simulate(system, point, sampler, engine=engine, **settings).frames()


def started(system, engine, sampler=None):
    """A simulation that has begun."""
    point = StatePoint(system.structure(), 300.0)
    simulation = engine.simulation(system, [point], sampler or Langevin("2 fs", "10 /ps"), [point.structure])
    simulation.begin(key(2))
    return simulation


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
    original = OpenMMSimulation.advance

    def stopped(self, number, bar):
        if self.done >= steps:
            signal.raise_signal(signal.SIGINT)
        original(self, number, bar)

    monkeypatch.setattr(OpenMMSimulation, "advance", stopped)
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    with pytest.raises(KeyboardInterrupt, match="before its first frame" if steps == 0 else "after frame . of 10"):
        run(molecule, **arguments)
    monkeypatch.undo()
    same(run(molecule, **arguments), whole)


def test_automatic_resume(molecule, whole, tmp_path):
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    run(molecule, **(arguments | {"duration": "20 fs"}))
    same(run(molecule, **arguments), whole)
    same(run(molecule, **arguments), whole)


def test_a_file_that_lost_frames_is_not_padded(molecule, tmp_path):
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    run(molecule, **(arguments | {"duration": "20 fs"}))
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        for dataset in file["particles/replica_0/position"].values():
            dataset.resize(1, axis=0)
    with pytest.raises(CheckpointError, match=r"run\.h5 has lost frames .*holds 1 of the 5"):
        run(molecule, resume=True, **arguments)
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        del file["particles/replica_0/position"]
        file["particles/replica_0/position"] = 1.0
    with pytest.raises(CheckpointError, match=r"run\.h5 cannot be read"):
        run(molecule, resume=True, **arguments)


def test_frames_after_the_restart_file_are_done_again(molecule, whole, tmp_path, monkeypatch):
    original = OpenMMSimulation.frame

    def dies(self):
        if self.done > 28:
            raise Killed
        return original(self)

    monkeypatch.setattr(OpenMMSimulation, "frame", dies)
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    with pytest.raises(Killed):
        run(molecule, **arguments)
    monkeypatch.undo()
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["particles/replica_0/position/value"].shape[0] == 1
    same(run(molecule, resume=True, **arguments), whole)


def test_without_the_exact_checkpoint_the_run_goes_on_from_the_same_state(molecule, whole, tmp_path, monkeypatch):
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    run(molecule, **(arguments | {"duration": "20 fs"}))
    restore = _Replica.restore

    def other_machine(self, checkpoint, done):
        restore(self, checkpoint | {"exact": np.zeros(8, np.uint8)}, done)

    monkeypatch.setattr(_Replica, "restore", other_machine)
    found = run(molecule, resume=True, **arguments)
    same(found.select(slice(0, 5)), whole.select(slice(0, 5)))
    # The same velocities carry the atoms on, with other noise.
    step = np.abs(found.positions[5] - whole.positions[5]).max()
    assert 0 < step < 0.3 * np.abs(whole.positions[5] - whole.positions[4]).max()


def test_the_fast_platform_takes_up_the_same_random_numbers(tmp_path):
    simulation = started(water_box(60, cutoff="6 Å"), OpenMM("CPU", threads=1, dtype="float64"))
    simulation.advance(50, Bar())
    checkpoint = {f"replicas.0.{name}": value for name, value in simulation.checkpoint()["replicas"]["0"].items()} | {
        "done": np.array(50)
    }

    def afterwards(arrays):
        simulation.restore(arrays, tmp_path / "run.h5")
        simulation.advance(20, Bar())
        return simulation.frame()["positions"]

    first = afterwards(checkpoint)
    # Sums over neighbours come in another order.
    np.testing.assert_allclose(afterwards(checkpoint), first, atol=2e-3)
    # Other noise moves the atoms fifty times as far.
    other = afterwards(checkpoint | {"replicas.0.exact": np.zeros(8, np.uint8)})
    assert np.abs(other - first).max() > 0.1


def test_small_molecules_take_the_simplest_platform(molecule):
    def platform(system, threads=None):
        simulation = started(system, OpenMM(threads=threads, relax=False))
        return simulation._replicas[0]._context.getPlatform().getName()

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
        run(molecule, out=out, resume=False, **SHORT)
    with pytest.raises(CheckpointError, match=r"written with temperature 300\.0 \(now 310\.0\)"):
        run(molecule, temperature=310.0, out=out, resume=True, **SHORT)
    with pytest.raises(CheckpointError, match="another potential"):
        run(alanine_dipeptide("vacuum", "amber03"), out=out, resume=True, **SHORT)
    with pytest.raises(CheckpointError, match="other elements"):
        run(molecule, out=out, resume=True, engine=OpenMM("Reference", atoms=range(6)), **SHORT)
    # Two carbons of the same mass.
    run(molecule, out=tmp_path / "one.h5", engine=OpenMM("Reference", atoms=[4]), **SHORT)
    with pytest.raises(CheckpointError, match="another potential"):
        run(molecule, out=tmp_path / "one.h5", engine=OpenMM("Reference", atoms=[14]), **SHORT)
    restart_path(out).unlink()
    with pytest.raises(CheckpointError, match="to resume"):
        run(molecule, out=out, resume=True, **SHORT)


def test_some_atoms_can_be_saved(molecule, whole, tmp_path):
    arguments = {"out": tmp_path / "run.h5", "equilibrate": "20 fs", **SHORT}
    part = run(molecule, engine=OpenMM("Reference", atoms=range(6), dtype="float64"), **arguments)
    np.testing.assert_allclose(part.positions, whole.positions[:, :6], rtol=1e-6)
    np.testing.assert_array_equal(np.sort(part.constraints), [[0, 1], [1, 2], [1, 3]])
    assert part.forces.dtype == np.float64
    with pytest.raises(DataError, match="a constrained bond would be cut"):
        run(molecule, engine=OpenMM(atoms=[0]), out=tmp_path / "cut.h5", **SHORT)
    with pytest.raises(SimulationError, match="some of 0 to 21"):
        run(molecule, engine=OpenMM(atoms=[30]), out=tmp_path / "far.h5", **SHORT)


def test_water_has_the_temperature_of_the_thermostat_and_a_cell(tmp_path, monkeypatch):
    temperatures = []
    original = _Replica.frame

    def note(self, time):
        state = self._context.getState(getEnergy=True)
        temperatures.append(2 * state.getKineticEnergy()._value / (self._system.degrees_of_freedom * 0.00831446262))
        return original(self, time)

    monkeypatch.setattr(_Replica, "frame", note)
    box = water_box(60, "tip4p2005", cutoff="6 Å")
    frames = run(
        box,
        298.0,
        Langevin("2 fs", "10 /ps"),
        OpenMM(threads=1),
        duration="4 ps",
        every="0.05 ps",
        equilibrate="1 ps",
        key=key(1),
        out=tmp_path / "water.h5",
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
        run(box, sampler=Langevin("30 fs"), duration="6 ps", every="30 fs", key=key(3), out=tmp_path / "run.h5")
    assert len(Frames.read(tmp_path / "run.h5")) >= 1


def test_wrong_settings_are_refused(molecule, tmp_path):
    out = tmp_path / "run.h5"
    for change, words in (
        ({"temperature": 0}, "temperature must be positive"),
        ({"every": "3 fs"}, "not a multiple of the time step"),
        ({"engine": OpenMM("GPU")}, "no platform 'GPU'"),
        ({"sampler": NoseHoover("2 fs")}, "OpenMM does not simulate NoseHoover: choose Langevin, MonteCarloNPT"),
        ({"sampler": MonteCarloNPT("2 fs")}, "Constant pressure needs a periodic system"),
    ):
        with pytest.raises(SimulationError, match=words):
            run(molecule, out=out, **(SHORT | change))
    with pytest.raises(SimulationError, match="threads must be at least 1"):
        OpenMM(threads=0)
    with pytest.raises(SimulationError, match="float32 or float64, not float16"):
        OpenMM(dtype="float16")
    with pytest.raises(SimulationError, match="friction must be positive"):
        Langevin("2 fs", "-1 /ps")
    with pytest.raises(OutputError, match=r"end in \.h5, \.h5md"):
        run(molecule, out=tmp_path / "run.dcd", **SHORT)


def test_the_potentials_of_mdfit_are_refused(molecule):
    with pytest.raises(SimulationError, match="OpenMM simulates a ReferenceSystem, not a LennardJones"):
        simulate(
            LennardJones(0.01, 3.4, 8.0), StatePoint(molecule.structure(), 300.0), Langevin(), engine=OpenMM(), **SHORT
        )


def oscillators() -> EngineCase:
    """Forty atoms, each with a spring of 1.5 eV/Å²."""
    atoms = Structure(
        np.full(40, 18, np.int32), np.zeros((40, 3)), np.zeros((3, 3)), np.zeros(3, bool), np.full(40, 39.95)
    )
    system, topology = free_atoms(atoms)
    spring = openmm.CustomExternalForce("0.5 * k * (x^2 + y^2 + z^2)")
    spring.addGlobalParameter("k", 1.5 * 100 / KILOJOULE_PER_MOLE)
    for atom in range(40):
        spring.addParticle(atom)
    system.addForce(spring)
    reference = ReferenceSystem(topology, system, atoms.positions)
    engine = OpenMM("Reference", relax=False, dtype="float64")
    return EngineCase(engine, reference, StatePoint(reference.structure(), 200.0), Langevin("2 fs", "60 /ps"), 1.5)


def free_atoms(atoms: Structure):
    """Atoms without forces for OpenMM."""
    system, topology = openmm.System(), openmm.app.Topology()
    chain = topology.addChain()
    for mass in atoms.masses:
        system.addParticle(mass)
        topology.addAtom("Ar", openmm.app.Element.getByAtomicNumber(18), topology.addResidue("Ar", chain))
    return system, topology


@pytest.mark.parametrize("check", ENGINE_CONTRACT, ids=lambda check: check.__name__)
def test_the_contract_of_engines(check, tmp_path):
    check(oscillators(), tmp_path)


def ideal_gas(shape_stiffness: float) -> ReferenceSystem:
    """Twenty atoms in a cell whose edges have the energy Σ k/2 (L − 40 Å)², k in eV/Å²."""
    edge, number = 44.0, 20
    places = np.random.default_rng(0).uniform(0, edge, (number, 3))
    cell, masses = edge * np.eye(3), np.full(number, 39.95)
    system, topology = free_atoms(Structure(np.full(number, 18, np.int32), places, cell, np.ones(3, bool), masses))
    system.setDefaultPeriodicBoxVectors(*(cell / 10))
    nothing = openmm.NonbondedForce()
    nothing.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    nothing.setCutoffDistance(0.1)
    for _ in range(number):
        nothing.addParticle(0.0, 0.1, 0.0)
    system.addForce(nothing)
    k = shape_stiffness * 100 / KILOJOULE_PER_MOLE
    system.addForce(openmm.CustomVolumeForce(f"{k / 2} * ((ax - 4)^2 + (by - 4)^2 + (cz - 4)^2)"))
    return ReferenceSystem(topology, system, places)


@pytest.mark.parametrize("anisotropic", [False, True])
def test_ideal_gas_at_constant_pressure(anisotropic):
    """P ∝ Vᴺ exp(−β(PV + U)) of the volume, or of three edges that move by themselves, whose mean is a sum over a grid."""
    k = 0.003 if anisotropic else 0.0
    reference = ideal_gas(k)
    points = [StatePoint(reference.structure(), 300.0, pressure) for pressure in (10.0, 20.0)]
    sampler = MonteCarloNPT("2 fs", "10 /ps", attempt_every=2, anisotropic=anisotropic)
    found = simulate(
        reference,
        points,
        sampler,
        duration="40 ps",
        every="20 fs",
        equilibrate="4 ps",
        key=key(4),
        engine=OpenMM("Reference", relax=False),
    )
    kT, edges = BOLTZMANN * 300.0, np.linspace(5, 100, 200)
    for point, trajectory in zip(points, found, strict=True):
        pressure = point.pressure * BAR
        if anisotropic:
            x, y, z = np.meshgrid(edges, edges, edges, indexing="ij")
            exponent = 20 * np.log(x * y * z) - (pressure * x * y * z) / kT
            exponent -= k / 2 * ((x - 40) ** 2 + (y - 40) ** 2 + (z - 40) ** 2) / kT
            weights = np.exp(exponent - exponent.max())
            expected = np.sum(weights * x * y * z) / np.sum(weights)
        else:
            expected = 21 * kT / pressure
        error, _ = error_of_mean(trajectory.volumes[..., None])
        # By chance once in 16,000 runs.
        assert abs(trajectory.volumes.mean() - expected) < 4 * error[0]
        assert error[0] < 0.05 * expected
        first, second, _ = np.diagonal(trajectory.cells[0], axis1=1, axis2=2).T
        assert (np.ptp(first / second) > 0.1) == anisotropic
        assert trajectory.ensemble == "NPT"


def test_files_that_are_no_frames(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        Frames.read(tmp_path / "no.h5")
    (tmp_path / "broken.h5").write_bytes(b"HDF")
    with pytest.raises(DataError, match="cannot be read as H5MD"):
        Frames.read(tmp_path / "broken.h5")


def test_frozen_atoms_and_other_masses_are_not_ignored(molecule):
    own = molecule.structure()
    for structure, word in (
        (own.replace(masses=10 * own.masses), "other masses than the system"),
        (own.replace(frozen=np.arange(own.number_of_atoms) < 2), "frozen atoms, but OpenMM moves all"),
    ):
        with pytest.raises(SimulationError, match=word):
            simulate(molecule, StatePoint(structure, 300.0), Langevin("2 fs"), engine=OpenMM("Reference"), **SHORT)
