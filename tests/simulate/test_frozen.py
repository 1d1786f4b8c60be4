"""Atoms that are held: from files to every sampler, with degrees of freedom counted right, or refused."""

import dataclasses

import ase.io
import jax
import numpy as np
import pytest
from ase.constraints import FixAtoms, FixBondLength, FixCartesian, FixScaled

from mdfit.data import Frames, Mapping
from mdfit.errors import DataError, ObservableError, SimulationError, StructureError
from mdfit.observables import ElasticConstants, MeanSquareDisplacement, Pressure, Temperature, estimate, per_frame
from mdfit.observables.statistics import error_of_mean
from mdfit.properties import elastic_constants, equation_of_state, relax_atoms, relax_cell
from mdfit.simulate import NPT, NVE, Brownian, JaxMD, Langevin, NoseHoover, StatePoint, Trajectory, run
from mdfit.structure import Conditions, Structure, read_structure
from mdfit.units import BAR, BOLTZMANN

KEY = jax.random.key(4)
SAMPLERS = {
    "NVE": NVE(4.0),
    "Langevin": Langevin(4.0, "5 /ps"),
    "Brownian": Brownian(4.0, "50 /ps"),
    "NoseHoover": NoseHoover(4.0, relaxation="0.2 ps"),
}


def half_frozen(small):
    structure = small.argon()
    return structure.replace(frozen=np.arange(structure.number_of_atoms) % 2 == 0)


def simulate(small, structure, sampler, **settings):
    settings = {"duration": 400.0, "every": 40.0, "key": KEY, **settings}
    return run(small.potential, StatePoint(structure, settings.pop("temperature", 40.0)), sampler, **settings)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("replicas", [1, 2])
def test_frozen_atoms_stay_exactly_and_the_others_move(small, name, replicas):
    structure = half_frozen(small)
    found = simulate(small, structure, SAMPLERS[name], replicas=replicas)
    still = structure.positions[structure.frozen].astype(np.float32)
    assert len(found) == 10
    assert (found.positions[:, :, structure.frozen] == still).all()
    assert (found.velocities[:, :, structure.frozen] == 0).all()
    moved = found.positions[:, -1, ~structure.frozen] - structure.positions[~structure.frozen]
    assert np.abs(moved).max() > 0.01
    assert found.degrees_of_freedom == 3 * np.count_nonzero(~structure.frozen)
    np.testing.assert_array_equal(found.structure().frozen, structure.frozen)


@pytest.mark.parametrize("sampler", [NVE(4.0), NoseHoover(4.0)], ids=["NVE", "NoseHoover"])
def test_start_and_given_velocities(small, sampler):
    """Velocities of frozen atoms are dropped; the free ones have the temperature of the thermostat, on average."""
    structure = half_frozen(small)
    given = structure.replace(velocities=np.ones_like(structure.positions) * 1e-3)
    found = simulate(small, given, sampler, duration=4.0, every=4.0)
    assert (found.velocities[0, 0, structure.frozen] == 0).all()
    assert np.abs(found.velocities[0, 0, ~structure.frozen] - 1e-3).max() < 1e-3
    many = simulate(small, structure, sampler, duration=4.0, every=4.0, replicas=200)
    # A relative standard deviation of sqrt(2/f) each: five of their mean, a false alarm in 2 of a million cases.
    freedom = many.degrees_of_freedom
    kinetic = 2 * many.kinetic_energies[:, 0] / (freedom * BOLTZMANN)
    assert abs(kinetic.mean() / 40.0 - 1) < 5 * np.sqrt(2 / freedom / 200) + 0.01


@pytest.mark.parametrize("name", [pytest.param("Langevin", marks=pytest.mark.slow), "NoseHoover"])
def test_the_free_atoms_have_the_temperature_of_the_thermostat(small, name):
    # Sixteen replicas: the mean lies within four standard errors, which the test of coverage proves: 1 false alarm of
    # 10000 cases, and 1 % for the time step.
    sampler = {"Langevin": Langevin(4.0, "5 /ps"), "NoseHoover": NoseHoover(4.0, relaxation="0.2 ps")}[name]
    found = simulate(
        small, half_frozen(small), sampler, duration="12 ps", every="0.1 ps", equilibrate="3 ps", replicas=16
    )
    values = per_frame(Temperature(), found)
    error = float(error_of_mean(values[..., None])[0][0])
    assert error < 1.5
    assert abs(values.mean() - 40.0) < 4 * error + 0.4


def test_energy_is_conserved(small):
    structure = half_frozen(small)
    start = simulate(small, structure, Langevin(4.0, "5 /ps"), engine=JaxMD(dtype="float64")).structure()
    found = simulate(small, start, NVE(2.0), duration=2000.0, every=20.0, engine=JaxMD(dtype="float64"))
    total = found.potential_energies + found.kinetic_energies
    assert np.ptp(total) < 0.02 * found.kinetic_energies.mean()


def test_the_momentum_of_the_free_atoms_is_their_own(small):
    """The pressure of an ideal gas beside frozen atoms is that of its own number of atoms."""
    random, frames, atoms = np.random.default_rng(1), 2000, 10
    frozen = np.arange(atoms) < 4
    velocities = random.standard_normal((1, frames, atoms, 3)) * np.sqrt(BOLTZMANN * 300.0 / 28.0) * ~frozen[:, None]
    gas = Trajectory(
        times=np.arange(frames) * 1.0,
        positions=np.zeros((1, frames, atoms, 3)),
        velocities=velocities,
        cells=np.broadcast_to(np.eye(3) * 20.0, (1, frames, 3, 3)),
        potential_energies=np.zeros((1, frames)),
        stresses=np.zeros((1, frames, 3, 3)),
        species=np.full(atoms, 14, np.int32),
        masses=np.full(atoms, 28.0),
        periodic=np.ones(3, bool),
        degrees_of_freedom=18,
        conditions=Conditions("NVT", 300.0),
        timestep=1.0,
        frozen=frozen,
    )
    found = estimate(Pressure(), gas)
    # Five standard errors: 6e-7.
    assert abs(float(found) - 6 * BOLTZMANN * 300.0 / 8000.0 / BAR) < 5 * found.standard_error
    with pytest.raises(ObservableError, match="no meaning with frozen atoms"):
        ElasticConstants().check(gas)
    assert MeanSquareDisplacement(5.0).of_trajectory(gas)[-1] == 0


def test_constant_pressure_and_nothing_free_are_refused(small):
    structure = half_frozen(small)
    with pytest.raises(SimulationError, match="at constant pressure all positions follow the cell"):
        run(small.potential, StatePoint(structure, 40.0, 1.0), NPT(4.0), duration=8.0, every=4.0, key=KEY)
    with pytest.raises(SimulationError, match="All atoms are frozen"):
        simulate(small, structure.replace(frozen=np.ones(len(structure.frozen), bool)), NVE(4.0))


def test_another_set_of_frozen_atoms_is_not_resumed(small, tmp_path):
    from mdfit.errors import CheckpointError

    structure, out = half_frozen(small), tmp_path / "run.h5"
    simulate(small, structure, NVE(4.0), out=out)
    with pytest.raises(CheckpointError, match="frozen atoms"):
        simulate(small, structure.replace(frozen=~structure.frozen), NVE(4.0), out=out, resume=True)
    resumed = simulate(small, structure, NVE(4.0), out=out, resume=True)
    assert (resumed.velocities[:, :, structure.frozen] == 0).all()


def test_what_is_held_survives_files(small, tmp_path):
    structure = half_frozen(small)
    np.testing.assert_array_equal(Structure.from_ase(structure.to_ase()).frozen, structure.frozen)
    for name in ("held.extxyz", "held.traj", "POSCAR"):
        ase.io.write(tmp_path / name, structure.to_ase())
        np.testing.assert_array_equal(read_structure(tmp_path / name).frozen, structure.frozen)
    simulate(small, structure, NVE(4.0), out=tmp_path / "run.extxyz")
    np.testing.assert_array_equal(read_structure(tmp_path / "run.extxyz").frozen, structure.frozen)
    np.testing.assert_array_equal(structure.repeat((2, 1, 1)).frozen, np.tile(structure.frozen, 2))
    np.testing.assert_array_equal(structure.replace(velocities=None).frozen, structure.frozen)


@pytest.mark.parametrize("flag", ["F", "f", ".FALSE.", ".false.", ".F."])
def test_all_spellings_of_selective_dynamics(small, tmp_path, flag):
    path = tmp_path / "POSCAR"
    rows = [f"{0.25 * n} 0 0 " + " ".join([flag if n == 1 else ".TRUE."] * 3) for n in range(3)]
    path.write_text("\n".join(["held", "1.0", "9 0 0", "0 9 0", "0 0 9", "Ar", "3", "Selective", "Direct", *rows, ""]))
    assert np.flatnonzero(read_structure(path).frozen).tolist() == [1]
    path.write_text(path.read_text().replace(flag, "maybe"))
    with pytest.raises(DataError, match=r"POSCAR, line 11: 'maybe' is no flag of selective dynamics; write T or F"):
        read_structure(path)


def test_what_is_held_survives_frames_and_hdf5(small, tmp_path):
    """Read back, mean square displacements count the same atoms, and structures hold the same ones."""
    structure, out = half_frozen(small), tmp_path / "run.h5"
    found = simulate(small, structure, SAMPLERS["Langevin"], out=out, duration=2000.0)
    for frames in (found.frames(), Frames.read(out), Frames.of_structures([found.structure(n) for n in range(9)])):
        np.testing.assert_array_equal(frames.structure(0).frozen, structure.frozen)
        np.testing.assert_array_equal(frames.of_atoms([0, 1]).frozen, structure.frozen[:2])
    back = Trajectory.of_frames(Frames.read(out))
    assert back.degrees_of_freedom == found.degrees_of_freedom
    displacement = MeanSquareDisplacement("200 fs")
    np.testing.assert_allclose(estimate(displacement, back).value, estimate(displacement, found).value, rtol=1e-5)
    with pytest.raises(SimulationError, match="different frozen atoms"):
        Trajectory.of_frames(found.frames(), dataclasses.replace(found.frames(), frozen=None))
    beads = Mapping.centres_of_mass([[0, 2], [1, 3], [4, 5]], structure, cover=False).frames(
        found.frames(), forces=False
    )
    assert beads.frozen.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("constraint", "held"),
    [
        (FixAtoms(indices=[0, 2]), [0, 2]),
        (FixCartesian([1, 3], mask=(True, True, True)), [1, 3]),
        (FixScaled([2], mask=(True, True, True)), [2]),
    ],
)
def test_constraints_that_hold_whole_atoms(small, constraint, held):
    atoms = small.argon().to_ase()
    atoms.set_constraint(constraint)
    found = Structure.from_ase(atoms)
    assert np.flatnonzero(found.frozen).tolist() == held
    assert found.constraints == ()


@pytest.mark.parametrize(
    "constraint",
    [FixCartesian([1], mask=(True, False, False)), FixScaled([2], mask=(False, False, True)), FixBondLength(0, 1)],
)
def test_constraints_that_cannot_be_held_are_refused_where_they_matter(small, constraint, tmp_path):
    atoms = small.argon().to_ase()
    atoms.set_constraint([constraint, FixAtoms(indices=[0])])
    structure = Structure.from_ase(atoms)
    assert np.flatnonzero(structure.frozen).tolist() == [0]
    with pytest.raises(StructureError, match=r"which mdfit cannot hold: hold whole atoms"):
        simulate(small, structure, NVE(4.0))
    with pytest.raises(StructureError, match="which mdfit cannot hold"):
        relax_atoms(small.potential, structure)
    simulate(small, structure.replace(constraints=()), NVE(4.0), duration=8.0, every=4.0)


def test_relaxation_holds_frozen_atoms_and_strains_are_refused(small):
    crystal = small.argon()
    random = np.random.default_rng(2)
    structure = crystal.replace(
        positions=crystal.positions + 0.05 * random.standard_normal(crystal.positions.shape),
        frozen=np.arange(crystal.number_of_atoms) < 3,
    )
    relaxed = relax_atoms(small.potential, structure, largest_force=1e-3)
    np.testing.assert_array_equal(relaxed.positions[:3], structure.positions[:3])
    assert np.abs(relaxed.positions[3:] - structure.positions[3:]).max() > 0.01
    np.testing.assert_array_equal(relaxed.frozen, structure.frozen)
    for strained in (relax_cell, elastic_constants, equation_of_state):
        with pytest.raises(SimulationError, match=r"3 of .* atoms are frozen"):
            strained(small.potential, structure)


def test_labels_of_constrained_frames_are_the_raw_ones(small, tmp_path):
    """ASE sets forces on held atoms to zero when asked for forces, but they are labels as good as others."""
    from ase.calculators.singlepoint import SinglePointCalculator

    from mdfit.data import read

    atoms = small.argon().to_ase()
    forces = np.random.default_rng(3).standard_normal((len(atoms), 3))
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=forces)
    atoms.set_constraint([FixAtoms(indices=[0, 1]), FixBondLength(2, 3)])
    ase.io.write(tmp_path / "held.traj", atoms)
    assert (atoms.get_forces()[:2] == 0).all()
    (frame,) = read(tmp_path / "held.traj")
    np.testing.assert_allclose(frame.forces, forces)
    assert frame.structure.constraints == ("FixBondLengths",)
